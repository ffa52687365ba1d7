"""Limits on password attempts, against guessing.

Failures are counted over a sliding window in three ways:

* per name **and** address: this stops guesses at one name from one address early, without effect on
  other clients;
* per address: this stops guesses at many names, later;
* per name over all addresses, with a limit ten times as high: this stops guesses from many
  machines. To prevent a lockout of the user, this count does not apply to an address from which the
  user has signed in before.

The first and the third count exist for names and for accounts. All spellings of a name (case,
width, composition, invisible characters) have one counter. All names of an account (a directory's
user has several) have one counter, too: the provider reports the account that it has found, before
it verifies the password.

An address is an IPv4 address or an IPv6 /64, the usual size of one subscriber's network.

Attempts in progress count as failures, so that many at once are no way around the limits. An
attempt that is refused because of them, and not of failures, may be repeated after a moment: a
directory that does not answer keeps them in progress, and in the end they count no failure.

Counters are in the memory of this process: N replicas allow N times as many attempts, and a restart
clears them. A throttled attempt is not checked at all, so its response reveals nothing about the
name or the password.
"""

import hashlib
import ipaddress
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from config.composed import counted_name
from providers.base import (
    ExternalIdentity,
    Outcome,
    PasswordAttempt,
    PasswordAuthenticator,
    Throttled,
)
from providers.failure_counter import MAX_COUNTERS, FailureCounter

SPREAD_FACTOR = 10
"""The multiple of ``attempts_per_user`` that a name may fail from all addresses together."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Failures allowed within ``window`` seconds."""

    attempts_per_user: int = 5
    attempts_per_address: int = 30
    window: float = 900.0


class KnownClients:
    """The last ``most`` pairs of name and address with a successful sign-in."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pairs: OrderedDict[Hashable, None] = OrderedDict()

    def __contains__(self, pair: Hashable) -> bool:
        return pair in self._pairs

    def add(self, pair: Hashable) -> None:
        """Record a sign-in."""
        self._pairs[pair] = None
        self._pairs.move_to_end(pair)
        if len(self._pairs) > self._most:
            self._pairs.popitem(last=False)


class NoAccounts:
    """A provider without accounts, for counters that are shared by trials."""

    name = ""

    async def authenticate(self, attempt: PasswordAttempt) -> Outcome:
        """Accept no password."""
        return None


class SubjectCounters:
    """Failures of names or of accounts, per address and over all addresses.

    Providers report accounts from their own threads, so each method takes a short lock.
    """

    def __init__(self, limits: Limits, most: int) -> None:
        attempts, window = limits.attempts_per_user, limits.window
        self._per_address = FailureCounter(attempts, window, most)
        self._total = FailureCounter(attempts * SPREAD_FACTOR, window, most)
        self._known_clients = KnownClients(most)
        self._lock = threading.Lock()

    def wait(self, subject: bytes, address: str, now: float) -> float:
        """Return the seconds until another attempt is allowed; 0.0: now."""
        with self._lock:
            return self._wait(subject, address, now)

    def fail(self, subject: bytes, address: str, now: float) -> None:
        """Count a failure."""
        with self._lock:
            self._fail(subject, address, now)

    def try_once(self, subject: bytes, address: str, now: float) -> float:
        """Count a failure if an attempt is allowed now. Return the seconds until one is allowed."""
        with self._lock:
            wait = self._wait(subject, address, now)
            if wait <= 0:
                self._fail(subject, address, now)
            return wait

    def settle(self, subject: bytes, address: str) -> None:
        """Note that an attempt has ended. Its failure stays."""
        with self._lock:
            self._per_address.settle((subject, address))
            self._total.settle(subject)

    def take_back(self, subject: bytes, address: str) -> None:
        """Remove the last failure: the attempt has ended, and did not fail."""
        with self._lock:
            self._per_address.take_back((subject, address))
            self._total.take_back(subject)

    def clear(self, subject: bytes, address: str) -> None:
        """Remove the failures after a successful sign-in from ``address``."""
        with self._lock:
            self._per_address.clear((subject, address))
            self._total.clear(subject)
            self._known_clients.add((subject, address))

    def _wait(self, subject: bytes, address: str, now: float) -> float:
        pair = (subject, address)
        total = 0.0 if pair in self._known_clients else self._total.wait(subject, now)
        return max(self._per_address.wait(pair, now), total)

    def _fail(self, subject: bytes, address: str, now: float) -> None:
        self._per_address.fail((subject, address), now)
        self._total.fail(subject, now)


class _FoundAccount:
    """The account of an attempt, counted as soon as the provider reports it."""

    def __init__(self, accounts: SubjectCounters, address: str, now: float) -> None:
        self._accounts = accounts
        self._address = address
        self._now = now
        self._counted: bytes | None = None
        self._finished = False

    def __call__(self, principal_id: str) -> None:
        """Count a failure in advance. Raises Throttled if the account failed too often."""
        account = _digest(principal_id)
        if self._finished or self._counted == account:
            return
        wait = self._accounts.try_once(account, self._address, self._now)
        if wait > 0:
            raise Throttled(math.ceil(wait))
        self._counted = account

    def take_back(self) -> None:
        """Remove the failure that was counted in advance: the attempt did not fail."""
        self._finished = True
        if self._counted is not None:
            self._accounts.take_back(self._counted, self._address)

    def settle(self) -> None:
        """Note that the attempt has failed."""
        self._finished = True
        if self._counted is not None:
            self._accounts.settle(self._counted, self._address)

    def clear(self, principal_id: str) -> None:
        """Remove the account's failures after a successful sign-in."""
        self.take_back()
        self._accounts.clear(_digest(principal_id), self._address)


class ThrottledAuthenticator:
    """A password authenticator that rejects attempts after too many failures."""

    def __init__(
        self,
        inner: PasswordAuthenticator,
        limits: Limits,
        clock: Callable[[], float],
        max_counters: int = MAX_COUNTERS,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._names = SubjectCounters(limits, max_counters)
        self._accounts = SubjectCounters(limits, max_counters)
        self._address = FailureCounter(limits.attempts_per_address, limits.window, max_counters)

    @property
    def name(self) -> str:
        """The provider's name."""
        return self._inner.name

    def around(self, inner: PasswordAuthenticator) -> "ThrottledAuthenticator":
        """Return another provider with the same counters, for a trial of settings."""
        wrapped = ThrottledAuthenticator(inner, Limits(), self._clock)
        wrapped._names, wrapped._accounts = self._names, self._accounts
        wrapped._address = self._address
        return wrapped

    async def authenticate(self, attempt: PasswordAttempt) -> Outcome:
        """Return the provider's outcome. Raises Throttled if the password was not checked."""
        name, address = _digest(counted_name(attempt.username)), network_of(attempt.address)
        now = self._clock()
        wait = max(self._names.wait(name, address, now), self._address.wait(address, now))
        if wait > 0:
            raise Throttled(math.ceil(wait))
        # Counted before the outcome is known, so that concurrent attempts count as well.
        self._names.fail(name, address, now)
        self._address.fail(address, now)
        account = _FoundAccount(self._accounts, address, now)
        try:
            outcome = await self._inner.authenticate(replace(attempt, found=account))
        except Throttled:
            # Because of the account: the failures of name and address stay.
            self._settle(name, address)
            account.settle()
            raise
        except BaseException:
            self._take_back(name, address)
            account.take_back()
            raise
        if isinstance(outcome, ExternalIdentity):
            self._take_back(name, address)
            self._names.clear(name, address)
            account.clear(outcome.principal_id)
        else:
            self._settle(name, address)
            account.settle()
        return outcome

    def _settle(self, name: bytes, address: str) -> None:
        """Note that an attempt has failed."""
        self._names.settle(name, address)
        self._address.settle(address)

    def _take_back(self, name: bytes, address: str) -> None:
        """Remove the failures that were counted in advance."""
        self._names.take_back(name, address)
        self._address.take_back(address)


def _digest(subject: str) -> bytes:
    """Return a key of a fixed size: attackers choose the length of names."""
    return hashlib.sha256(subject.encode("utf-8", "surrogatepass")).digest()


def network_of(address: str) -> str:
    """Return the IPv4 address or the IPv6 /64 of a subscriber. Other text stays unchanged."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), 64), strict=False))
