"""How much of the gate one caller may have: so that one runaway pipeline can't starve the rest.

Counted for each token, user, address and cluster: how many requests run at a time, by kind, and how
many begin each second (a token bucket). Only limits that are set cost anything. What is done when
all of them together are too much for the worker, :mod:`proxy.overload` decides.
"""

import math
from collections.abc import Callable, Mapping, Sequence

from config.limit_settings import LimitSettings, ScopeLimits
from proxy.overload import OverloadGuard

REQUESTS, WATCHES, UPGRADES = range(3)
"""The kinds of requests, for each of which there is a limit of its own."""

_WHAT = ("requests at a time", "watches at a time", "exec and port-forward sessions at a time")
_SCOPES = ("token", "user", "address", "cluster")
_SWEEP_AT = 10_000
"""Usages of a scope that are kept before the rested ones are dropped. They aren't dropped as soon
as they rest: to make one for each request costs more than all the counting."""


class Limited(Exception):
    """A limit is reached. The message is fit for the client.

    ``code`` is the HTTP status for it; ``retry_after`` is in seconds. ``hold`` is for how many
    seconds to keep the answer back: more than 0 only for those whose refusals would themselves be
    too much for an overloaded worker.
    """

    def __init__(self, scope: str, what: str, most: float, retry_after: int) -> None:
        super().__init__(f"too many {what} for one {scope}: at most {most:g}; try again later")
        self.scope = scope
        # Not on the class: a compiled one gives its instances none of it (see setup.py).
        self.code = 429
        self.retry_after = retry_after
        self.hold = 0.0


class Overloaded(Limited):
    """The worker can't keep up. 429 for whoever asks for more than others, 503 for the others."""

    def __init__(self, code: int, retry_after: int) -> None:
        Exception.__init__(self, _BECAUSE[code])
        self.scope = "overload"
        self.code = code
        self.retry_after = retry_after
        self.hold = 0.0


_BECAUSE = {
    429: "Sekisho is overloaded, and you ask for more than others do; try again later",
    503: "Sekisho is overloaded; try again later",
}


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
        self._sweep_at = _SWEEP_AT
        self._clock = clock

    def add(self, key: str) -> Usage:
        """The usage of a key that has none."""
        if len(self.usages) >= self._sweep_at:
            self._sweep()
        now = self._clock() if self.rate else 0.0
        added = self.usages[key] = Usage(self.burst, now)
        return added

    def begin(self, key: str) -> None:
        """Take one from the bucket. Raises Limited where it is empty."""
        usage = self.usages.get(key) or self.add(key)
        self._refill(usage)
        if usage.allowance < 1:
            wait = math.ceil((1 - usage.allowance) / self.rate)
            raise Limited(self.name, "requests per second", self.rate, wait)
        usage.allowance -= 1

    def _refill(self, usage: Usage) -> None:
        now = self._clock()
        more = (now - usage.refilled_at) * self.rate
        usage.allowance = min(self.burst, usage.allowance + more)
        usage.refilled_at = now

    def _sweep(self) -> None:
        """Drop whoever runs nothing and has a full bucket again: nothing is remembered of them.

        Where most are busy the next sweep is put off, so that sweeping costs little for each key.
        """
        if self.rate:
            for usage in self.usages.values():
                self._refill(usage)
        rested = [
            key
            for key, usage in self.usages.items()
            if usage.allowance >= self.burst and not any(usage.counts)
        ]
        for key in rested:
            del self.usages[key]
        self._sweep_at = max(_SWEEP_AT, 2 * len(self.usages))


class Place:
    """A request's place under the limits, to be given back."""

    __slots__ = ("_kind", "_taken")

    def __init__(self, kind: int, taken: Sequence[list[int]]) -> None:
        self._kind = kind
        self._taken = taken

    def leave(self) -> None:
        """The request has ended."""
        kind = self._kind
        for counts in self._taken:
            counts[kind] -= 1
        self._taken = ()


NOWHERE = Place(REQUESTS, ())
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
        self.guard = OverloadGuard(limits.overload)
        self._refused = refused
        self._address = scopes[2]
        self._counting = tuple(
            tuple(
                (n, scope, scope.usages, scope.most[kind])
                for n, scope in enumerate(scopes)
                if scope.most[kind]
            )
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
                self._refuse(exc)
                raise

    def enter(self, kind: int, keys: tuple[str, str, str, str]) -> Place:
        """A request begins; ``keys`` are its token, user, address and cluster. Raises Limited."""
        # Sessions are let in: they are people's, few, and a refusal would cost as much.
        counted = self.guard.counting and kind != UPGRADES
        if counted:
            self._admit(keys)
        counting = self._counting[kind]
        if not counting and not self._rated:
            return NOWHERE
        taken: list[list[int]] = []
        place = Place(kind, taken)
        try:
            for position, scope, usages, most in counting:
                usage = usages.get(keys[position]) or scope.add(keys[position])
                counts = usage.counts
                if counts[kind] >= most:
                    raise Limited(scope.name, _WHAT[kind], most, 1)
                counts[kind] += 1
                taken.append(counts)
            for position, scope in self._rated:
                scope.begin(keys[position])
        except Limited as exc:
            place.leave()
            if counted:
                self.guard.turned_away()
            self._refuse(exc)
            raise
        return place

    def _admit(self, keys: tuple[str, str, str, str]) -> None:
        refused = self.guard.admit(keys[1], keys[0])
        if refused is not None:
            overloaded = Overloaded(*refused)
            self._refuse(overloaded)
            raise overloaded

    def _refuse(self, exc: Limited) -> None:
        exc.hold = self.guard.hold()
        self._refused(exc.scope)
