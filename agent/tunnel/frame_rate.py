"""How many frames the peer of a tunnel may send in a time. Pure.

Windows bound the bytes of streams. Frames without a payload, or with a few bytes, cost a hundred
times as much for each byte: a peer that sends nothing else would take all time of the event loop,
and with it the requests to all other clusters. Above the rate the connection is not read for a
while, so that its sender waits; it is not closed, because a busy cluster may get there as well.
"""

from typing import Final

FRAMES_PER_SECOND: Final = 40_000
"""Four times as many as a process causes with the requests that it can serve in a second."""

BURST: Final = 10_000
"""Frames that are read without a pause: about 40 ms of work."""

LONGEST_PAUSE: Final = 2.0
"""Seconds. Much less than the silence after which a tunnel counts as dead."""


class FrameRate:
    """A token bucket of frames. Tunnels of one cluster share it."""

    def __init__(self, now: float) -> None:
        self._left = float(BURST)
        self._at = now

    def taken(self, frames: int, now: float) -> float:
        """Count frames that were read. Return how many seconds to wait before reading more."""
        self._left = min(BURST, self._left + (now - self._at) * FRAMES_PER_SECOND) - frames
        self._at = now
        return min(LONGEST_PAUSE, max(0.0, -self._left / FRAMES_PER_SECOND))

    def is_full(self, now: float) -> bool:
        """Return whether no frame counts any longer, so that this can be forgotten."""
        return self._left + (now - self._at) * FRAMES_PER_SECOND >= BURST
