"""Slowing down those who guess passwords.

Failures are counted over a sliding window in three ways:

* per name **and** address: somebody who guesses at a name from one place is stopped soon, and
  nobody else is;
* per address: somebody who guesses at many names is stopped later;
* per name over all addresses, with a limit ten times as high: many machines together are stopped,
  too. They could keep a person out in this way, so the third count isn't asked about an address
  from which that person has signed in before: who comes from where they always do gets in.

An address is an IPv4 address or an IPv6 /64, which is what one subscriber has.

Counters are in memory, of this process: with N replicas a guesser has N times as many attempts, and
a restart forgets. A throttled attempt isn't looked at at all, so its answer tells nothing of the
name or the password.
"""

import hashlib
import ipaddress
import math
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from providers.base import Attempt, ExternalIdentity, Outcome, PasswordAuthenticator, Throttled

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
        # Lists, for a deque takes 760 bytes before anything is in it, and there may be many.
        self._failures: OrderedDict[Hashable, list[float]] = OrderedDict()

    def wait(self, key: Hashable, now: float) -> float:
        """Seconds until another attempt is allowed; 0.0: now."""
        failures = self._failures.get(key)
        if failures is None:
            return 0.0
        while failures and failures[0] <= now - self._window:
            del failures[0]
        if not failures:
            del self._failures[key]
            return 0.0
        if len(failures) < self._limit:
            return 0.0
        return failures[-self._limit] + self._window - now

    def fail(self, key: Hashable, now: float) -> None:
        """Count a failure."""
        failures = self._failures.setdefault(key, [])
        failures.append(now)
        del failures[: -self._limit]
        self._failures.move_to_end(key)
        if len(self._failures) > MAX_COUNTERS:
            self._failures.popitem(last=False)

    def take_back(self, key: Hashable) -> None:
        """Uncount the last failure."""
        failures = self._failures.get(key)
        if failures:
            failures.pop()
        if not failures:
            self._failures.pop(key, None)

    def forgive(self, key: Hashable) -> None:
        """Forget a key's failures."""
        self._failures.pop(key, None)


class FamiliarPlaces:
    """From where people have signed in: the last MAX_COUNTERS pairs of name and address."""

    def __init__(self) -> None:
        self._places: OrderedDict[Hashable, None] = OrderedDict()

    def __contains__(self, place: Hashable) -> bool:
        return place in self._places

    def add(self, place: Hashable) -> None:
        """Somebody signed in there."""
        self._places[place] = None
        self._places.move_to_end(place)
        if len(self._places) > MAX_COUNTERS:
            self._places.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Keys:
    """What an attempt is counted under."""

    user: bytes
    address: str

    @property
    def here(self) -> tuple[bytes, str]:
        return (self.user, self.address)


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
        self._familiar = FamiliarPlaces()

    @property
    def name(self) -> str:
        """The provider's name."""
        return self._inner.name

    async def authenticate(self, attempt: Attempt) -> Outcome:
        """As the provider does. Raises Throttled where it isn't asked."""
        keys, now = _keys(attempt), self._clock()
        wait = self._wait(keys, now)
        if wait > 0:
            raise Throttled(math.ceil(wait))
        # Counted before it is known to be one, so that attempts at the same time count, too.
        self._here.fail(keys.here, now)
        self._anywhere.fail(keys.user, now)
        self._address.fail(keys.address, now)
        try:
            outcome = await self._inner.authenticate(attempt)
        except BaseException:
            self._take_back(keys)
            raise
        if isinstance(outcome, ExternalIdentity):
            self._take_back(keys)
            self._here.forgive(keys.here)
            self._anywhere.forgive(keys.user)
            self._familiar.add(keys.here)
        return outcome

    def _wait(self, keys: _Keys, now: float) -> float:
        anywhere = 0.0 if keys.here in self._familiar else self._anywhere.wait(keys.user, now)
        return max(self._here.wait(keys.here, now), self._address.wait(keys.address, now), anywhere)

    def _take_back(self, keys: _Keys) -> None:
        """Take back what was counted ahead: it was no failure."""
        self._here.take_back(keys.here)
        self._anywhere.take_back(keys.user)
        self._address.take_back(keys.address)


def _keys(attempt: Attempt) -> _Keys:
    """A name's key has a fixed size: an attacker chooses names, and how long they are."""
    folded = unicodedata.normalize("NFC", attempt.username.strip().casefold())
    digest = hashlib.sha256(folded.encode("utf-8", "surrogatepass")).digest()
    return _Keys(digest, subscriber(attempt.address))


def subscriber(address: str) -> str:
    """What one subscriber has: an IPv4 address, an IPv6 /64; anything else as it is."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), 64), strict=False))
