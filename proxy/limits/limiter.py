"""Limits of one caller, so that a runaway pipeline cannot starve the others.

For each token, user, address and cluster it counts concurrent requests, by kind, and new requests
per second (a token bucket). Only limits that are set cost anything. :mod:`proxy.limits.overload`
decides what happens when all requests together are too much for the worker.
"""

import math
from collections.abc import Callable, Mapping, Sequence

from config.limit_settings import LimitSettings, ScopeLimits
from proxy.limits.overload import OverloadController

REQUESTS, WATCHES, UPGRADES = range(3)
"""The kinds of requests. Each has a limit of its own."""

_WHAT = ("requests at a time", "watches at a time", "exec and port-forward sessions at a time")
_SCOPES = ("token", "user", "address", "cluster")
_CLUSTER = 3
_SWEEP_AT = 10_000
"""Usages of a scope before idle ones are dropped. They are not dropped as soon as they are idle,
because creating one for each request costs more than all the counting."""


class LimitExceeded(Exception):
    """A limit is reached. The message is safe to send to the client.

    ``code`` is the HTTP status; ``retry_after`` is in seconds. ``rejection_delay`` is the delay of
    the response in seconds, above 0 if rejections themselves overload the worker.
    """

    def __init__(self, scope: str, what: str, most: float, retry_after: int) -> None:
        super().__init__(f"too many {what} for one {scope}: at most {most:g}; try again later")
        self.scope = scope
        # Not on the class: instances of a compiled class do not inherit it (see setup.py).
        self.code = 429
        self.retry_after = retry_after
        self.rejection_delay = 0.0


class OverloadRejected(LimitExceeded):
    """The worker is overloaded: 429 for users above the average rate, 503 for the others."""

    def __init__(self, code: int, retry_after: int) -> None:
        Exception.__init__(self, _BECAUSE[code])
        self.scope = "overload"
        self.code = code
        self.retry_after = retry_after
        self.rejection_delay = 0.0


_BECAUSE = {
    429: "Sekisho is overloaded, and you send more requests than others; try again later",
    503: "Sekisho is overloaded; try again later",
}


class Usage:
    """Running requests of one key of a scope, by kind, and its token bucket."""

    __slots__ = ("allowance", "counts", "refilled_at")

    def __init__(self, allowance: float, now: float) -> None:
        self.counts = [0, 0, 0]
        self.allowance = allowance
        self.refilled_at = now


class _Scope:
    """All keys of one kind: tokens, users, addresses or clusters."""

    def __init__(self, name: str, limits: ScopeLimits, clock: Callable[[], float]) -> None:
        self.name = name
        self.most = (limits.in_flight, limits.watches, limits.upgrades)
        self.rate = limits.requests_per_second
        self.burst = float(limits.burst or max(2 * self.rate, 1))
        self.usages: dict[str, Usage] = {}
        self._sweep_at = _SWEEP_AT
        self._clock = clock

    def add(self, key: str) -> Usage:
        """Create the usage of a key that has none."""
        if len(self.usages) >= self._sweep_at:
            self._sweep()
        now = self._clock() if self.rate else 0.0
        added = self.usages[key] = Usage(self.burst, now)
        return added

    def begin(self, key: str) -> None:
        """Take one from the bucket. Raises LimitExceeded if it is empty."""
        usage = self.usages.get(key) or self.add(key)
        self._refill(usage)
        if usage.allowance < 1:
            wait = math.ceil((1 - usage.allowance) / self.rate)
            raise LimitExceeded(self.name, "requests per second", self.rate, wait)
        usage.allowance -= 1

    def _refill(self, usage: Usage) -> None:
        now = self._clock()
        more = (now - usage.refilled_at) * self.rate
        usage.allowance = min(self.burst, usage.allowance + more)
        usage.refilled_at = now

    def _sweep(self) -> None:
        """Drop keys without running requests and with a full bucket, which hold no information.

        If most keys are busy, the next sweep is postponed, so that it costs little for each key.
        """
        if self.rate:
            for usage in self.usages.values():
                self._refill(usage)
        idle = [
            key
            for key, usage in self.usages.items()
            if usage.allowance >= self.burst and not any(usage.counts)
        ]
        for key in idle:
            del self.usages[key]
        self._sweep_at = max(_SWEEP_AT, 2 * len(self.usages))


class Permit:
    """Permission to run one request, to be released at its end."""

    __slots__ = ("_kind", "_taken")

    def __init__(self, kind: int, taken: Sequence[list[int]]) -> None:
        self._kind = kind
        self._taken = taken

    def release(self) -> None:
        """Return the permit."""
        kind = self._kind
        for counts in self._taken:
            counts[kind] -= 1
        self._taken = ()


UNLIMITED = Permit(REQUESTS, ())
"""The permit of a request without limits."""


class Limiter:
    """Counts and rejects requests.

    ``clock`` is monotonic, in seconds. ``refused`` is called with the scope of each rejection.
    """

    def __init__(
        self,
        limits: LimitSettings,
        clock: Callable[[], float],
        refused: Callable[[str], None] = lambda scope: None,
    ) -> None:
        by_name: Mapping[str, ScopeLimits] = {name: getattr(limits, name) for name in _SCOPES}
        scopes = [_Scope(name, one, clock) for name, one in by_name.items()]
        self.guard = OverloadController(limits.overload)
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
        # A request to the management API belongs to no cluster.
        self._counting_api = tuple(
            tuple(c for c in one if c[0] < _CLUSTER) for one in self._counting
        )
        self._rated_api = tuple(one for one in self._rated if one[0] < _CLUSTER)

    def check_address_rate(self, address: str) -> None:
        """Count a request before authentication. Raises LimitExceeded."""
        if self._address.rate:
            try:
                self._address.begin(address)
            except LimitExceeded as exc:
                self._refuse(exc)
                raise

    def acquire(self, kind: int, keys: tuple[str, str, str, str]) -> Permit:
        """Return a permit. ``keys`` are token, user, address, cluster. Raises LimitExceeded."""
        return self._enter(kind, keys, self._counting[kind], self._rated)

    def enter_api(self, kind: int, keys: tuple[str, str, str, str]) -> Permit:
        """Return the permit of a request to the API: the cluster of ``keys`` is not counted.

        Raises:
            LimitExceeded: a limit is reached.

        """
        return self._enter(kind, keys, self._counting_api[kind], self._rated_api)

    def admit(self, user: str, token: str) -> None:
        """Count a request towards overload control only. Raises LimitExceeded."""
        if self.guard.counting:
            self._admit((token, user, "", ""))

    def _enter(
        self,
        kind: int,
        keys: tuple[str, str, str, str],
        counting: tuple[tuple[int, _Scope, dict[str, Usage], int], ...],
        rated: tuple[tuple[int, _Scope], ...],
    ) -> Permit:
        # Sessions pass: they are few and interactive, and a rejection would cost as much.
        counted = self.guard.counting and kind != UPGRADES
        if counted:
            self._admit(keys)
        if not counting and not rated:
            return UNLIMITED
        taken: list[list[int]] = []
        permit = Permit(kind, taken)
        try:
            for position, scope, usages, most in counting:
                usage = usages.get(keys[position]) or scope.add(keys[position])
                counts = usage.counts
                if counts[kind] >= most:
                    raise LimitExceeded(scope.name, _WHAT[kind], most, 1)
                counts[kind] += 1
                taken.append(counts)
            for position, scope in rated:
                scope.begin(keys[position])
        except LimitExceeded as exc:
            permit.release()
            if counted:
                self.guard.rejected_elsewhere()
            self._refuse(exc)
            raise
        return permit

    def _admit(self, keys: tuple[str, str, str, str]) -> None:
        refused = self.guard.admit(keys[1], keys[0])
        if refused is not None:
            overloaded = OverloadRejected(*refused)
            self._refuse(overloaded)
            raise overloaded

    def _refuse(self, exc: LimitExceeded) -> None:
        exc.rejection_delay = self.guard.hold()
        self._refused(exc.scope)
