"""Limits of requests without a valid credential, which have a share of their own. Pure.

Each client network (an IPv4 address or an IPv6 /64), and all of them together, have a token bucket
and a number of concurrent requests. Authenticated callers are not affected: a known credential
bypasses these limits.

Rejections are delayed: a client that waits for its response cannot send another request, so a
rejection costs it time and the server next to nothing. A network that has sent few requests is
served even after all others together have used up the common share, so that one flood does not
prevent sign-ins. Probes have separate buckets and no common share, so that a flood does not make
the server look dead.
"""

import math
from collections.abc import Callable

from config.limit_settings import AnonymousLimits
from proxy.limits.limiter import LimitExceeded

MOST_NETWORKS = 50_000
"""Networks that are remembered. The oldest ones make room for new ones."""

HOLD_SECONDS = 1.0
"""Mean delay of a rejection."""

SMALL_PART = 0.1
"""Part of a network's burst that is served when the common share is used up."""

_ADDRESS, _ALL = "address without a credential", "Sekisho without a credential"


class Bucket:
    """Tokens and running requests of one network. ``left`` may be below 0."""

    __slots__ = ("at", "left", "running")

    def __init__(self, left: float, now: float) -> None:
        self.left = left
        self.at = now
        self.running = 0


class AnonymousPermit:
    """The permit of an anonymous request, to be released once."""

    __slots__ = ("_buckets",)

    def __init__(self, buckets: list[Bucket]) -> None:
        self._buckets = buckets

    def release(self) -> None:
        """Return the permit."""
        for bucket in self._buckets:
            bucket.running -= 1
        self._buckets = []


class _Buckets:
    """The buckets of many networks, all of one size. A rate of 0 is no limit."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float]) -> None:
        self.rate = rate
        self.burst = float(burst or max(2 * rate, 1))
        self._clock = clock
        self._by_network: dict[str, Bucket] = {}

    def of(self, network: str) -> Bucket:
        """Return the bucket of a network, refilled up to now."""
        now = self._clock()
        bucket = self._by_network.get(network)
        if bucket is None:
            if len(self._by_network) >= MOST_NETWORKS:
                self._make_room()
            bucket = self._by_network[network] = Bucket(self.burst, now)
        bucket.left = min(self.burst, bucket.left + (now - bucket.at) * self.rate)
        bucket.at = now
        return bucket

    def wait(self, bucket: Bucket) -> int:
        """Return the seconds until a token is left; 0 if one is left now."""
        if not self.rate or bucket.left >= 1:
            return 0
        return math.ceil((1 - bucket.left) / self.rate)

    def take(self, bucket: Bucket) -> None:
        """Take a token, or owe it: at most as many as the bucket holds."""
        bucket.left = max(bucket.left - 1, -self.burst)

    def _make_room(self) -> None:
        """Drop the oldest networks without running requests."""
        for network in [key for key, one in self._by_network.items() if not one.running][:1000]:
            del self._by_network[network]


class AnonymousLimiter:
    """Counts and rejects anonymous requests. One per process.

    ``refused`` is called with the scope of each rejection.
    """

    def __init__(
        self,
        limits: AnonymousLimits,
        clock: Callable[[], float],
        refused: Callable[[str], None] = lambda scope: None,
    ) -> None:
        self._limits = limits
        self._networks = _Buckets(limits.requests_per_second, limits.burst, clock)
        self._probes = _Buckets(limits.probes_per_second, 0, clock)
        self._starts = _Buckets(limits.sign_ins_per_minute / 60, limits.sign_ins_per_minute, clock)
        self._all = _Buckets(limits.total_per_second, limits.total_burst, clock)
        self._refused = refused
        self._refusals = 0

    def begin(self, network: str) -> AnonymousPermit:
        """Return the permit of a request without a credential. Raises LimitExceeded."""
        own, common = self._networks.of(network), self._all.of("")
        limits = self._limits
        if limits.in_flight and own.running >= limits.in_flight:
            raise self._limited(_ADDRESS, "requests at a time", limits.in_flight, 1)
        wait = self._networks.wait(own)
        if wait:
            raise self._limited(_ADDRESS, "requests per second", self._networks.rate, wait)
        if own.left < self._networks.burst * (1 - SMALL_PART):
            self._check_all(common)
        self._networks.take(own)
        self._all.take(common)
        own.running += 1
        common.running += 1
        return AnonymousPermit([own, common])

    def probe(self, network: str) -> None:
        """Count a health check. Raises LimitExceeded."""
        bucket = self._probes.of(network)
        wait = self._probes.wait(bucket)
        if wait:
            raise self._limited(_ADDRESS, "health checks per second", self._probes.rate, wait)
        self._probes.take(bucket)

    def start(self, network: str) -> None:
        """Count a sign-in that begins at a provider. Raises LimitExceeded."""
        bucket = self._starts.of(network)
        wait = self._starts.wait(bucket)
        if wait:
            most = self._limits.sign_ins_per_minute
            raise self._limited(_ADDRESS, "sign-ins that begin per minute", most, wait)
        self._starts.take(bucket)

    def check(self, network: str) -> None:
        """Check that an unknown credential may be verified. Raises LimitExceeded."""
        wait = self._networks.wait(self._networks.of(network))
        if wait:
            raise self._limited(_ADDRESS, "requests per second", self._networks.rate, wait)

    def failed(self, network: str) -> None:
        """Count a request whose credential was not valid."""
        self._networks.take(self._networks.of(network))
        self._all.take(self._all.of(""))

    def _check_all(self, common: Bucket) -> None:
        most = self._limits.total_in_flight
        if most and common.running >= most:
            raise self._limited(_ALL, "requests at a time", most, 1)
        wait = self._all.wait(common)
        if wait:
            raise self._limited(_ALL, "requests per second", self._all.rate, wait)

    def _limited(self, scope: str, what: str, most: float, retry_after: int) -> LimitExceeded:
        self._refusals += 1
        self._refused("anonymous")
        limited = LimitExceeded(scope, what, most, retry_after)
        # Spread, so that clients that were rejected together do not return together.
        limited.rejection_delay = HOLD_SECONDS * (0.5 + self._refusals % 8 / 8)
        return limited
