"""Which place is better for a tunnel."""

from hypothesis import given
from hypothesis import strategies as st

from agent.run.placement import Place, Rank, rank

_PLACES = st.builds(Place, st.sampled_from(["", "a", "b", "c"]), st.sampled_from(["", "m", "n"]))


def test_place_is_best_at_another_replica_of_another_machine() -> None:
    others = [Place("a", "m")]
    assert rank(Place("a", "m"), others) is Rank.TAKEN
    assert rank(Place("b", "m"), others) is Rank.SAME_MACHINE
    assert rank(Place("b", "n"), others) is Rank.DISTINCT


def test_replica_that_drains_is_no_better_than_one_that_is_taken() -> None:
    assert rank(Place("a", "m"), [], [Place("a", "m")]) is Rank.TAKEN


@given(_PLACES, st.lists(_PLACES), st.lists(_PLACES))
def test_place_without_others_is_best_and_more_others_never_improve_it(
    place: Place, others: list[Place], draining: list[Place]
) -> None:
    assert rank(place, []) is Rank.DISTINCT
    assert rank(place, others, draining) <= rank(place, others[1:], draining[1:])
    assert rank(place, others) > Rank.USELESS
