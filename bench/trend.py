"""Decide whether a series of figures grows."""

from collections.abc import Sequence
from statistics import linear_regression, median


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """Return the growth of ``values`` per unit of ``times``, by least squares; else 0."""
    if len(set(times)) < 2:
        return 0.0
    return linear_regression(times, values).slope


def thirds(values: Sequence[float]) -> tuple[float, float]:
    """Return the medians of the first and the last third, which ignore a few outliers."""
    size = max(len(values) // 3, 1)
    return median(values[:size]), median(values[-size:])


def grows(times: Sequence[float], values: Sequence[float], tolerance: float) -> bool:
    """Return whether they grow by more than ``tolerance`` (absolute), by both measures.

    A saw-tooth that ends high changes the slope a little and the thirds not at all. One early step
    (a cache or a pool that fills) changes both, so begin after the start.
    """
    first, last = thirds(values)
    return last - first > tolerance and slope(times, values) * (times[-1] - times[0]) > tolerance
