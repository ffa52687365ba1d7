"""A limit on the memory that the objects of one cluster take. Pure."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from management.kubernetes.errors import ApiResponseTooLarge
from providers.http.response_body import estimated_memory

MAX_LIST = 128 * 1024 * 1024
"""Estimated bytes of one list: 230 namespaces with bindings of 1,000 members each take half."""

MAX_CLUSTER = 256 * 1024 * 1024
"""Estimated bytes of all objects of one cluster, and of its responses that are being read."""

SMALL_RESPONSE = 64 * 1024
"""Bytes of a response that are not counted while it is read: a connection's buffers take as much.
So requests such as probes need no memory of the budget."""


def weight_of(value: Any) -> int:
    """Estimate how many bytes a JSON value takes in memory."""
    return estimated_memory(json.dumps(value, default=str).encode())


class MemoryBudget:
    """The estimated memory of the collections of one cluster, and of what is read of it.

    ``taken`` is the estimated bytes in use.
    """

    def __init__(self, most: int = MAX_CLUSTER) -> None:
        self._most = most
        self._held: dict[object, int] = {}
        self.taken = 0

    def take(self, owner: object, size: int) -> None:
        """Set the bytes of ``owner`` to ``size``.

        Raises:
            ApiResponseTooLarge: the cluster would be above its limit.
            MemoryExhausted: there is no memory left, and the cluster would be above its share.
        """
        growth = size - self._held.get(owner, 0)
        if growth > 0:
            self._admit(growth)
        self.hold(owner, size)

    def hold(self, owner: object, size: int) -> None:
        """Set the bytes of ``owner`` to ``size``, without a check."""
        change = size - self._held.get(owner, 0)
        self._held[owner] = size
        self._count(change)

    def leave(self, owner: object) -> None:
        """Release the bytes of ``owner``."""
        self._count(-self._held.pop(owner, 0))

    def clear(self) -> None:
        """Release all bytes."""
        for owner in list(self._held):
            self.leave(owner)

    @contextmanager
    def reading(self) -> Iterator[Callable[[int], None]]:
        """Yield a function that takes the bytes of one response, as many as are held at a time."""
        with self.lent(0) as take:
            yield lambda size: take(max(0, size - SMALL_RESPONSE))

    @contextmanager
    def lent(self, size: int) -> Iterator[Callable[[int], None]]:
        """Take ``size`` bytes for the context, and yield a function that changes the size."""
        owner = object()
        try:
            self.take(owner, size)
            yield partial(self.take, owner)
        finally:
            self.leave(owner)

    def _admit(self, growth: int) -> None:
        if self.taken + growth > self._most:
            raise ApiResponseTooLarge(
                f"the cluster's objects take more than {self._most >> 20} MiB of memory"
            )

    def _count(self, change: int) -> None:
        self.taken += change
