"""The order in which to try the addresses of a host name (RFC 8305 §4). Pure.

Address families alternate, so that an unreachable family costs one delay, and not one for each of
its addresses. The address that worked last comes first. Addresses that failed recently come last,
but are always tried.
"""

import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import chain, zip_longest
from typing import TypeVar

STAGGER_SECONDS = 0.25
"""The delay after which the next address is tried concurrently (RFC 8305 §5)."""

REST_SECONDS = 30.0
"""How long a failed address comes last."""

MAX_REMEMBERED = 1000

_Address = TypeVar("_Address", bound=Hashable)


def interleaved(
    addresses: Iterable[_Address], family: Callable[[_Address], Hashable]
) -> list[_Address]:
    """Return the addresses without duplicates, with alternating families in the given order."""
    families: dict[Hashable, list[_Address]] = {}
    for one in dict.fromkeys(addresses):
        families.setdefault(family(one), []).append(one)
    turns = chain.from_iterable(zip_longest(*families.values(), fillvalue=None))
    return [one for one in turns if one is not None]


class AddressMemory:
    """The addresses that worked and those that failed. Safe for several threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._worked: dict[Hashable, None] = {}
        self._failed: dict[Hashable, float] = {}
        self._lock = threading.Lock()

    def order(self, addresses: Sequence[_Address]) -> list[_Address]:
        """Return the addresses, the best first. Among failed ones, the oldest failure first."""
        now = self._clock()
        with self._lock:

            def rank(one: _Address) -> tuple[float, bool]:
                when = self._failed.get(one)
                resting = when is not None and now - when < REST_SECONDS
                return (when or 0.0) if resting else float("-inf"), one not in self._worked

            return sorted(addresses, key=rank)

    def worked(self, address: Hashable) -> None:
        """Record that an address works."""
        with self._lock:
            self._failed.pop(address, None)
            self._worked[address] = None
            _trim(self._worked)

    def failed(self, address: Hashable) -> None:
        """Record that an address failed now."""
        with self._lock:
            self._worked.pop(address, None)
            self._failed[address] = self._clock()
            _trim(self._failed)


def _trim(known: dict[Hashable, None] | dict[Hashable, float]) -> None:
    while len(known) > MAX_REMEMBERED:
        known.pop(next(iter(known)))
