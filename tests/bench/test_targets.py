import pytest

from bench.readings import Reading
from bench.scenarios.workers import CAPPED, TWO
from bench.targets import Target, capacity, own, throughput

CHEAP = Target("CPU, ms", 2.0, 1.0, own("exec", "cpu_ms"))
FAST = Target("MB/s, ÷ nginx", 0.8, 1.0, own("lists", "mb_per_s"), at_least=True)
BOUNDED = Target("MiB", 1.0, None, own("stall", "mib"))


@pytest.mark.parametrize(
    ("target", "measured", "verdict"),
    [
        (CHEAP, 1.0, "moonshot"),
        (CHEAP, 1.5, "met"),
        (CHEAP, 2.1, "missed"),
        (FAST, 1.1, "moonshot"),
        (FAST, 0.8, "met"),
        (FAST, 0.7, "missed"),
        (BOUNDED, 0.0, "met"),
        (BOUNDED, 1.1, "missed"),
    ],
)
def test_target_verdict_reports_reached_level(
    target: Target, measured: float, verdict: str
) -> None:
    assert target.verdict(measured) == verdict


def test_limits_are_shown_with_their_direction() -> None:
    assert (CHEAP.shown(2.0), FAST.shown(0.8), BOUNDED.shown(None)) == ("≤ 2", "≥ 0.8", "–")


def test_capacity_of_two_workers_accounts_for_cost_per_request() -> None:
    readings = [
        Reading(0, "small GET", "sekisho", {"cpu_us": 40.0}),
        Reading(0, "small GET", TWO, {"cpu_us": 50.0}),
    ]
    assert capacity(readings) == [1.6]


def test_throughput_of_two_workers_is_compared_under_cpu_limit() -> None:
    readings = [
        Reading(0, CAPPED, "sekisho", {"per_s": 4000.0}),
        Reading(0, CAPPED, TWO, {"per_s": 7600.0}),
    ]
    assert throughput(readings) == [1.9]
