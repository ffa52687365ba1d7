"""What counts as growth in a soak."""

from bench.trend import grows, slope, thirds

TIMES = [float(second) for second in range(0, 300, 5)]


def test_what_is_added_each_minute_is_growth() -> None:
    leak = [100_000 + 100 * when for when in TIMES]
    assert slope(TIMES, leak) == 100
    assert grows(TIMES, leak, 10_000)


def test_what_goes_up_and_down_is_none_wherever_it_ends() -> None:
    for start in range(12):
        saw = [100_000 + 5_000 * ((start + number) % 12) for number in range(len(TIMES))]
        assert not grows(TIMES, saw, 10_000)


def test_a_large_answer_under_way_at_the_end_is_none() -> None:
    values = [100_000.0] * (len(TIMES) - 3) + [180_000.0] * 3
    assert thirds(values) == (100_000, 100_000)
    assert not grows(TIMES, values, 10_000)


def test_less_than_the_tolerance_is_none_nor_is_a_single_sample() -> None:
    assert not grows(TIMES, [100_000 + when for when in TIMES], 10_000)
    assert not grows([0.0], [1.0], 0)
