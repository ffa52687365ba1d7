"""The proof that a request comes from a replica of this Sekisho: a code with a common key.

The key is derived from the store's encryption keys, which all replicas have, for this purpose
alone. The proof names the holder, so a replica cannot pass a request on to another one. It is valid
for a minute, and once: the holder remembers what it has accepted for as long as that is valid.
"""

import hmac
from collections import OrderedDict
from collections.abc import Callable, Sequence

from management.tunnels.peer_protocol import PeerRequest

PURPOSE = "peering"
"""The label under which the keys are derived (``Keyring.derive_all``)."""

WINDOW_SECONDS = 60
"""How far the time of a request may be from the holder's, in both directions."""

_REMEMBERED_SECONDS = 2 * WINDOW_SECONDS + 10
"""A request from the future stays valid for two windows; the rest is for clocks that are set."""

MAX_NONCES = 100_000
"""Requests that are remembered. Only proven ones are, at most 800 a second on average."""


class ProofRefused(Exception):
    """A request is proven to come from a replica, but it is not fresh. The message says why."""


class PeerProof:
    """Sign with the first key, and verify with all of them, as the keys are being replaced."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    def sign(self, covered: bytes) -> str:
        """Return the proof for the covered part of a line."""
        return _code(self._keys[0], covered)

    def verifies(self, covered: bytes, proof: str) -> bool:
        """Return whether the proof was made with one of the keys. Takes the same time for all."""
        given = proof.encode()
        matches = [hmac.compare_digest(_code(key, covered).encode(), given) for key in self._keys]
        return any(matches)


class Freshness:
    """Accept each proven request once, and only within the window.

    ``wall_clock`` returns seconds since 1970. ``monotonic`` counts how long a nonce is remembered.
    """

    def __init__(
        self,
        wall_clock: Callable[[], float],
        monotonic: Callable[[], float],
        *,
        most: int = MAX_NONCES,
    ) -> None:
        self._wall_clock, self._monotonic = wall_clock, monotonic
        self._most = most
        self._seen: OrderedDict[str, float] = OrderedDict()

    @property
    def remembered(self) -> int:
        """The number of requests that are remembered."""
        return len(self._seen)

    def accept(self, request: PeerRequest) -> None:
        """Remember a proven request. Raises ProofRefused if it is old, or was accepted before."""
        apart = self._wall_clock() - request.time
        if abs(apart) > WINDOW_SECONDS:
            raise ProofRefused(
                f"the clocks of the replicas differ by {abs(apart):.0f} s; synchronize them"
            )
        now = self._monotonic()
        self._forget(now)
        if request.nonce in self._seen:
            raise ProofRefused("the request was sent before")
        if len(self._seen) >= self._most:
            raise ProofRefused("the replica with the tunnel has too many requests of replicas")
        self._seen[request.nonce] = now + _REMEMBERED_SECONDS

    def _forget(self, now: float) -> None:
        while self._seen:
            nonce, until = next(iter(self._seen.items()))
            if until > now:
                return
            del self._seen[nonce]


def _code(key: bytes, covered: bytes) -> str:
    return hmac.new(key, covered, "sha256").hexdigest()
