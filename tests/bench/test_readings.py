import pytest

from bench.readings import Reading, Spread, figure, ratios, spread, with_added


def reading(number: int, server: str, **figures: float) -> Reading:
    return Reading(number, "small GET", server, figures)


def test_figure_is_found_by_round() -> None:
    readings = [reading(0, "go", cpu_us=70), reading(0, "sekisho", cpu_us=40)]
    readings.append(reading(1, "sekisho", cpu_us=42))
    assert figure(readings, "small GET", "sekisho", "cpu_us") == {0: 40, 1: 42}
    assert figure(readings, "small GET", "nginx", "cpu_us") == {}


def test_ratio_is_computed_within_round() -> None:
    # In the second round the machine is half as fast for both servers.
    assert ratios({0: 40.0, 1: 80.0}, {0: 80.0, 1: 160.0}) == [0.5, 0.5]


def test_round_with_one_value_has_no_ratio() -> None:
    assert ratios({0: 40.0, 1: 80.0}, {1: 160.0, 2: 1.0}) == [0.5]


@pytest.mark.parametrize("nothing", [0.0, -3.0])
def test_value_that_is_not_positive_has_no_ratio(nothing: float) -> None:
    assert ratios({0: 40.0}, {0: nothing}) == []
    assert ratios({0: nothing}, {0: 40.0}) == []


def test_spread_is_minimum_median_and_maximum() -> None:
    assert spread([3.0, 1.0, 2.0]) == Spread(1.0, 2.0, 3.0)
    assert spread([]) is None


def test_added_latency_is_difference_to_direct_in_same_round() -> None:
    readings = [
        reading(0, "direct", p99_us=100, per_s=9),
        reading(0, "sekisho", p99_us=350, per_s=5),
        reading(1, "direct", p99_us=200),
        reading(1, "sekisho", p99_us=500),
    ]
    added = with_added(readings, "direct")
    assert figure(added, "small GET", "sekisho", "added_p99_us") == {0: 250, 1: 300}
    assert "added_per_s" not in added[1].figures


def test_round_without_direct_reading_has_no_added_latency() -> None:
    assert with_added([reading(0, "go", p99_us=350)], "direct") == [reading(0, "go", p99_us=350)]
