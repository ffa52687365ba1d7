"""A limit on the memory that the objects of one cluster take. Pure."""

import json
from typing import Any

from management.kubernetes.errors import ApiResponseTooLarge
from providers.http.response_body import estimated_memory

MAX_LIST = 128 * 1024 * 1024
"""Estimated bytes of one list: 230 namespaces with bindings of 1,000 members each take half."""

MAX_CLUSTER = 256 * 1024 * 1024
"""Estimated bytes of all objects of one cluster."""


def weight_of(value: Any) -> int:
    """Estimate how many bytes a JSON value takes in memory."""
    return estimated_memory(json.dumps(value, default=str).encode())


class MemoryBudget:
    """The estimated memory of the collections of one cluster."""

    def __init__(self, most: int = MAX_CLUSTER) -> None:
        self._most = most
        self._taken: dict[object, int] = {}

    @property
    def taken(self) -> int:
        """Return the estimated bytes in use."""
        return sum(self._taken.values())

    def take(self, owner: object, size: int) -> None:
        """Set the bytes of ``owner`` to ``size``. Raises ApiResponseTooLarge above the limit."""
        before = self._taken.get(owner, 0)
        if size > before and self.taken - before + size > self._most:
            raise ApiResponseTooLarge(
                f"the cluster's objects take more than {self._most >> 20} MiB of memory"
            )
        self.hold(owner, size)

    def hold(self, owner: object, size: int) -> None:
        """Set the bytes of ``owner`` to ``size``, without a check."""
        self._taken[owner] = size

    def leave(self, owner: object) -> None:
        """Release the bytes of ``owner``."""
        self._taken.pop(owner, None)
