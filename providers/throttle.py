"""Slowing down those who guess passwords.

Failures are counted per name *and address*, and per address. So somebody who guesses at a name is
stopped, and somebody who guesses at many names is stopped later, but nobody can lock another person
out from everywhere: a name has a counter of its own over all addresses, which only slows down, with
a limit ten times as high.

Counters are in memory, of this process: with N replicas a guesser has N times as many attempts. A
throttled attempt isn't looked at at all, so its answer tells nothing of the name or the password.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from providers.base import Attempt, ExternalIdentity, PasswordAuthenticator, Throttled

MAX_COUNTERS = 100_000
"""Names and addresses that are remembered; the one that failed longest ago makes room."""

SPREAD_FACTOR = 10
"""How many times ``attempts_per_user`` a name may fail from all addresses together."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Failures allowed within ``window`` seconds."""

    attempts_per_user: int = 5
    attempts_per_address: int = 30
    window: float = 900.0


class FailureCounter:
    """Counts failures by key over a sliding window. Pure: time comes in."""

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._window = window
        self._failures: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def wait(self, key: Hashable, now: float) -> float:
        """Seconds until another attempt is allowed; 0.0: now."""
        failures = self._failures.get(key)
        if failures is None:
            return 0.0
        while failures and failures[0] <= now - self._window:
            failures.popleft()
        if not failures:
            del self._failures[key]
            return 0.0
        if len(failures) < self._limit:
            return 0.0
        return failures[-self._limit] + self._window - now

    def fail(self, key: Hashable, now: float) -> None:
        """Count a failure."""
        self._failures.setdefault(key, deque(maxlen=self._limit)).append(now)
        self._failures.move_to_end(key)
        if len(self._failures) > MAX_COUNTERS:
            self._failures.popitem(last=False)

    def take_back(self, key: Hashable) -> None:
        """Uncount the last failure."""
        failures = self._failures.get(key)
        if failures:
            failures.pop()

    def forgive(self, key: Hashable) -> None:
        """Forget a key's failures."""
        self._failures.pop(key, None)


class ThrottledAuthenticator:
    """A password authenticator that refuses to look at those who failed too often."""

    def __init__(
        self, inner: PasswordAuthenticator, limits: Limits, clock: Callable[[], float]
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._here = FailureCounter(limits.attempts_per_user, limits.window)
        self._anywhere = FailureCounter(limits.attempts_per_user * SPREAD_FACTOR, limits.window)
        self._address = FailureCounter(limits.attempts_per_address, limits.window)

    @property
    def name(self) -> str:
        """The provider's name."""
        return self._inner.name

    async def authenticate(self, attempt: Attempt) -> ExternalIdentity | None:
        """As the provider does. Raises Throttled where it isn't asked."""
        user, now = attempt.username.strip().casefold(), self._clock()
        here = (user, attempt.address)
        wait = max(
            self._here.wait(here, now),
            self._anywhere.wait(user, now),
            self._address.wait(attempt.address, now),
        )
        if wait > 0:
            raise Throttled(math.ceil(wait))
        # Counted before it is known to be one, so that attempts at the same time count, too.
        self._here.fail(here, now)
        self._anywhere.fail(user, now)
        self._address.fail(attempt.address, now)
        try:
            identity = await self._inner.authenticate(attempt)
        except BaseException:
            self._undo(here, attempt.address)
            raise
        if identity is not None:
            self._undo(here, attempt.address)
            self._here.forgive(here)
            self._anywhere.forgive(user)
        return identity

    def _undo(self, here: tuple[str, str], address: str) -> None:
        """Take back what was counted ahead: it was no failure."""
        self._here.take_back(here)
        self._anywhere.take_back(here[0])
        self._address.take_back(address)
