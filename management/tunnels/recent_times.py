"""When something last happened to each cluster, for as long as that matters."""

from collections.abc import Callable


class RecentTimes:
    """Times by cluster (of ``clock``, in seconds), those of the last ``seconds`` at least."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._times: dict[str, float] = {}

    def get(self, cluster_id: str, default: float) -> float:
        """Return the time of a cluster."""
        return self._times.get(cluster_id, default)

    def note(self, cluster_id: str) -> None:
        """Set the time of a cluster to now, and forget times that are too old."""
        now = self._clock()
        self._times.pop(cluster_id, None)
        self._times[cluster_id] = now
        # In the order of time: the first ones are too old first.
        for one, at in list(self._times.items()):
            if now - at <= self._seconds:
                break
            del self._times[one]
