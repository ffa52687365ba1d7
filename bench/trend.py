"""Whether a series of figures grows. Pure."""

from collections.abc import Sequence
from statistics import linear_regression, median


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """How much ``values`` grow in each unit of ``times``, by least squares; else 0."""
    if len(set(times)) < 2:
        return 0.0
    return linear_regression(times, values).slope


def thirds(values: Sequence[float]) -> tuple[float, float]:
    """The medians of the first and the last third: not moved by a few large answers under way."""
    size = max(len(values) // 3, 1)
    return median(values[:size]), median(values[-size:])


def grows(times: Sequence[float], values: Sequence[float], tolerance: float) -> bool:
    """Whether they grow by more than ``tolerance`` (absolute), by both measures.

    A saw-tooth that happens to end high moves the slope a little and the thirds not at all; one
    step early on (a cache that fills, a pool that opens) moves both, so begin after the start.
    """
    first, last = thirds(values)
    return last - first > tolerance and slope(times, values) * (times[-1] - times[0]) > tolerance
