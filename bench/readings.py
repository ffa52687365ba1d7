"""Readings of each round, and statistics of them.

A machine's speed varies, so servers are compared within a round: a ratio is of two readings of the
same round, and the result is the median of those ratios.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

ByRound = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Reading:
    """The figures of one scenario, server and round."""

    round: int
    scenario: str
    server: str
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """The minimum, median and maximum of some values."""

    least: float
    middle: float
    most: float


def spread(values: Iterable[float]) -> Spread | None:
    """Return the spread of some values; None without values."""
    known = sorted(values)
    if not known:
        return None
    return Spread(known[0], statistics.median(known), known[-1])


def figure(readings: Sequence[Reading], scenario: str, server: str, key: str) -> dict[int, float]:
    """Return one figure by round; empty where it was not measured."""
    return {
        one.round: one.figures[key]
        for one in readings
        if (one.scenario, one.server) == (scenario, server) and key in one.figures
    }


def ratios(ours: ByRound, theirs: ByRound) -> list[float]:
    """Return the ratios of two figures, for the rounds that have both.

    A round in which either is zero or negative, which noise can cause, has no ratio.
    """
    both = sorted(ours.keys() & theirs.keys())
    return [ours[n] / theirs[n] for n in both if ours[n] > 0 and theirs[n] > 0]


def with_added(readings: Sequence[Reading], direct: str) -> list[Reading]:
    """Add ``added_p…`` for each quantile: the difference to a direct request in the same round.

    It can be negative, where noise exceeds the difference.
    """
    straight = {(one.round, one.scenario): one.figures for one in readings if one.server == direct}
    return [
        Reading(one.round, one.scenario, one.server, {**one.figures, **_added(one, straight)})
        for one in readings
    ]


def _added(
    one: Reading, straight: Mapping[tuple[int, str], Mapping[str, float]]
) -> dict[str, float]:
    base = straight.get((one.round, one.scenario))
    if base is None or one.figures is base:
        return {}
    return {
        f"added_{key}": value - base[key]
        for key, value in one.figures.items()
        if key in base and key.startswith("p") and key.endswith("_us")
    }
