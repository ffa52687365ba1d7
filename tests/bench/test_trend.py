"""Detection of growth in a soak test."""

from bench.trend import grows, slope, thirds

TIMES = [float(second) for second in range(0, 300, 5)]


def test_constant_increase_is_growth() -> None:
    leak = [100_000 + 100 * when for when in TIMES]
    assert slope(TIMES, leak) == 100
    assert grows(TIMES, leak, 10_000)


def test_periodic_values_are_no_growth_at_any_end() -> None:
    for start in range(12):
        saw = [100_000 + 5_000 * ((start + number) % 12) for number in range(len(TIMES))]
        assert not grows(TIMES, saw, 10_000)


def test_large_values_at_end_are_no_growth() -> None:
    values = [100_000.0] * (len(TIMES) - 3) + [180_000.0] * 3
    assert thirds(values) == (100_000, 100_000)
    assert not grows(TIMES, values, 10_000)


def test_increase_below_tolerance_and_single_sample_are_no_growth() -> None:
    assert not grows(TIMES, [100_000 + when for when in TIMES], 10_000)
    assert not grows([0.0], [1.0], 0)
