"""What the agents of one cluster may take at this process: tunnels, new ones, and frames.

An agent token grants the tunnels of one cluster. Its holder must not take the time, the space
in the audit log, or the connections of others.
"""

from collections.abc import Callable
from dataclasses import dataclass

from agent.tunnel.frame_rate import FrameRate
from management.http.problem import ApiProblem

MOST_TUNNELS = 16
"""Tunnels of one cluster at one process. Two agents with two tunnels each need four."""

MOST_OPENINGS = 64
"""Tunnels that are opened without a pause, also if the former ones have ended."""

OPENING_SECONDS = 2.0
"""After so long, one more tunnel may be opened. Each one is an event in the audit log, a row in the
store, and some connections to the cluster."""

RETRY_SECONDS = 10


@dataclass(slots=True)
class _Taken:
    """What one cluster takes. ``openings`` may be opened, as of ``at``."""

    rate: FrameRate
    at: float
    openings: float = MOST_OPENINGS
    tunnels: int = 0

    def refill(self, now: float) -> None:
        self.openings = min(MOST_OPENINGS, self.openings + (now - self.at) / OPENING_SECONDS)
        self.at = now


class ClusterLimits:
    """Counts the tunnels of each cluster. ``clock`` returns the time of the event loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._taken: dict[str, _Taken] = {}

    def check(self, cluster_id: str) -> None:
        """Raise ApiProblem with 429 if no tunnel of a cluster may be opened."""
        taken = self._taken.get(cluster_id)
        if taken is None:
            return
        taken.refill(self._clock())
        why = ""
        if taken.tunnels >= MOST_TUNNELS:
            why = f"the cluster has {MOST_TUNNELS} tunnels here already"
        elif taken.openings < 1:
            why = "the cluster's agents open too many tunnels"
        if why:
            raise ApiProblem(429, why, headers={"Retry-After": str(RETRY_SECONDS)})

    def entered(self, cluster_id: str) -> FrameRate:
        """Count a new tunnel. Return the limit of frames, which its cluster's tunnels share."""
        now = self._clock()
        taken = self._taken.setdefault(cluster_id, _Taken(FrameRate(now), now))
        taken.refill(now)
        taken.openings -= 1
        taken.tunnels += 1
        return taken.rate

    def left(self, cluster_id: str) -> None:
        """Count the end of a tunnel, and forget clusters that take nothing any longer."""
        self._taken[cluster_id].tunnels -= 1
        if self._taken[cluster_id].tunnels:
            return
        now = self._clock()
        for one, taken in list(self._taken.items()):
            taken.refill(now)
            if not taken.tunnels and taken.openings == MOST_OPENINGS and taken.rate.is_full(now):
                del self._taken[one]
