"""How much of the gate one caller may have: so that one runaway pipeline can't starve the rest.

Counted for each token, user, address and cluster: how many requests run at a time, by kind, and how
many begin each second (a token bucket). Only limits that are set cost anything.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from config.limit_settings import LimitSettings, ScopeLimits

REQUESTS, WATCHES, UPGRADES = range(3)
"""The kinds of requests, for each of which there is a limit of its own."""

_WHAT = ("requests at a time", "watches at a time", "exec and port-forward sessions at a time")
_SCOPES = ("token", "user", "address", "cluster")
_SWEEP_AT = 10_000
"""Usages with a rate that are kept before the rested ones are dropped."""


class Limited(Exception):
    """A limit is reached. ``retry_after`` is in seconds; the message is fit for the client."""

    def __init__(self, scope: str, what: str, most: float, retry_after: int) -> None:
        super().__init__(f"too many {what} for one {scope}: at most {most:g}; try again later")
        self.scope = scope
        self.retry_after = retry_after


class Usage:
    """What one key of a scope uses: requests that run, by kind, and how many more may begin."""

    __slots__ = ("allowance", "counts", "refilled_at")

    def __init__(self, allowance: float, now: float) -> None:
        self.counts = [0, 0, 0]
        self.allowance = allowance
        self.refilled_at = now


class _Scope:
    """All tokens, or all users, …"""

    def __init__(self, name: str, limits: ScopeLimits, clock: Callable[[], float]) -> None:
        self.name = name
        self.most = (limits.in_flight, limits.watches, limits.upgrades)
        self.rate = limits.requests_per_second
        self.burst = float(limits.burst or max(2 * self.rate, 1))
        self.usages: dict[str, Usage] = {}
        self._clock = clock

    def usage(self, key: str) -> Usage:
        found = self.usages.get(key)
        if found is None:
            if self.rate and len(self.usages) >= _SWEEP_AT:
                self._sweep()
            found = self.usages[key] = Usage(self.burst, self._clock())
        return found

    def begin(self, key: str) -> None:
        """Take one from the bucket. Raises Limited where it is empty."""
        usage = self.usage(key)
        self._refill(usage)
        if usage.allowance < 1:
            wait = math.ceil((1 - usage.allowance) / self.rate)
            raise Limited(self.name, "requests per second", self.rate, wait)
        usage.allowance -= 1

    def leave(self, key: str, usage: Usage, kind: int) -> None:
        counts = usage.counts
        counts[kind] -= 1
        # With a rate, a usage says when it may begin again; without, nothing is left to say.
        if not self.rate and not any(counts):
            self.usages.pop(key, None)

    def _refill(self, usage: Usage) -> None:
        now = self._clock()
        more = (now - usage.refilled_at) * self.rate
        usage.allowance = min(self.burst, usage.allowance + more)
        usage.refilled_at = now

    def _sweep(self) -> None:
        """Drop whoever runs nothing and has a full bucket again: nothing is remembered of them."""
        for usage in self.usages.values():
            self._refill(usage)
        self.usages = {
            key: usage
            for key, usage in self.usages.items()
            if any(usage.counts) or usage.allowance < self.burst
        }


@dataclass(slots=True, eq=False)
class Place:
    """A request's place under the limits, to be given back."""

    kind: int
    taken: list[tuple[_Scope, str, Usage]]

    def leave(self) -> None:
        """The request has ended."""
        taken, self.taken = self.taken, []
        for scope, key, usage in taken:
            scope.leave(key, usage, self.kind)


NOWHERE = Place(REQUESTS, [])
"""The place of a request that nothing limits."""


class Limiter:
    """Counts, and refuses. ``clock`` is monotonic, in seconds; ``refused`` is told each scope."""

    def __init__(
        self,
        limits: LimitSettings,
        clock: Callable[[], float],
        refused: Callable[[str], None] = lambda scope: None,
    ) -> None:
        by_name: Mapping[str, ScopeLimits] = {name: getattr(limits, name) for name in _SCOPES}
        scopes = [_Scope(name, one, clock) for name, one in by_name.items()]
        self._refused = refused
        self._address = scopes[2]
        self._counting = tuple(
            tuple((n, scope) for n, scope in enumerate(scopes) if scope.most[kind])
            for kind in (REQUESTS, WATCHES, UPGRADES)
        )
        self._rated = tuple(
            (n, scope) for n, scope in enumerate(scopes) if scope.rate and scope.name != "address"
        )

    def arrive(self, address: str) -> None:
        """A request has come, from nobody knows whom yet. Raises Limited."""
        if self._address.rate:
            try:
                self._address.begin(address)
            except Limited as exc:
                self._refused(exc.scope)
                raise

    def enter(self, kind: int, keys: tuple[str, str, str, str]) -> Place:
        """A request begins; ``keys`` are its token, user, address and cluster. Raises Limited."""
        counting = self._counting[kind]
        if not counting and not self._rated:
            return NOWHERE
        place = Place(kind, [])
        try:
            for position, scope in counting:
                usage = scope.usage(keys[position])
                if usage.counts[kind] >= scope.most[kind]:
                    raise Limited(scope.name, _WHAT[kind], scope.most[kind], 1)
                usage.counts[kind] += 1
                place.taken.append((scope, keys[position], usage))
            for position, scope in self._rated:
                scope.begin(keys[position])
        except Limited as exc:
            place.leave()
            self._refused(exc.scope)
            raise
        return place
