"""The pauses between dials."""

from hypothesis import given
from hypothesis import strategies as st

from agent.run.redial import HEALTHY_SECONDS, Redial


def test_pauses_double_to_the_longest_and_are_short_again_after_a_healthy_tunnel() -> None:
    redial = Redial(chance=lambda: 1.0)
    assert [redial.pause() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert redial.pause(lasted=HEALTHY_SECONDS - 1) == 30
    assert redial.pause(lasted=HEALTHY_SECONDS) == 1


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1e6), st.floats(0, 300))))
def test_pause_is_never_shorter_than_the_server_asked_nor_long(
    steps: list[tuple[float, float, float]],
) -> None:
    chances = iter([one for one, _, _ in steps])
    redial = Redial(chance=lambda: next(chances))
    for _, lasted, retry_after in steps:
        pause = redial.pause(lasted=lasted, retry_after=retry_after)
        assert retry_after <= pause <= retry_after + 30
