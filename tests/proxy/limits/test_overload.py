"""Who is served while a worker has more to do than it can."""

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.limit_settings import OverloadSettings
from proxy.overload import LOOK_SECONDS, OverloadGuard, Refused
from proxy.overload_shares import MOST_PARTS, fair_share

LATE, VERY_LATE = 0.1, 0.8


class World:
    """A guard, the time, and what became of requests: by user and code (200: let in)."""

    def __init__(self, **settings: float) -> None:
        self.guard = OverloadGuard(OverloadSettings.model_validate(settings))
        self.now = 1000.0
        self.codes: Counter[tuple[str, int]] = Counter()

    def ask(self, user: str, token: str = "", times: int = 1) -> None:
        for _ in range(times):
            refused = self.guard.admit(user, token or user) if self.guard.counting else None
            self.codes[user, refused.code if refused else 200] += 1

    def look(self, late: float) -> None:
        self.now += LOOK_SECONDS + late
        self.guard.look(self.now, late)

    def run(self, seconds: float, late: float, rates: dict[str, float]) -> None:
        """Everybody asks at their rates, evenly, and the loop is that late."""
        self.codes.clear()
        end, owed = self.now + seconds, dict.fromkeys(rates, 0.0)
        while self.now < end:
            self.look(late)
            for user, rate in rates.items():
                owed[user] += rate * (LOOK_SECONDS + late)
                self.ask(user, times=int(owed[user]))
                owed[user] %= 1

    def refused(self, user: str) -> int:
        return self.codes[user, 429] + self.codes[user, 503]


def test_nobody_is_counted_while_all_is_well() -> None:
    world = World()
    world.run(10, 0.01, {"noisy": 5000, "small": 5})
    assert not world.guard.counting
    assert world.guard.known == 0


def test_one_pause_is_no_overload() -> None:
    world = World()
    world.look(3.0)
    world.run(5, 0, {"noisy": 5000, "small": 5})
    assert not world.refused("noisy")
    assert not world.guard.counting


def test_who_asks_for_most_is_told_to_come_back_and_small_ones_are_served() -> None:
    world = World()
    rates = {"noisy": 5000.0, **{f"small-{n}": 5.0 for n in range(20)}}
    world.run(10, LATE, rates)
    assert world.codes["noisy", 429]
    assert world.codes["noisy", 200]
    assert not world.codes["noisy", 503]
    assert not any(world.refused(f"small-{n}") for n in range(20))


def test_less_is_let_in_while_it_stays_late_and_more_when_it_no_longer_is() -> None:
    world, rates = World(), {"noisy": 5000.0, "small": 5.0}
    for _ in range(100):
        world.run(LOOK_SECONDS, LATE, {"noisy": 5000.0, "small": 50.0})
        if world.guard.overloaded:
            break
    first = world.guard.share
    world.run(2, LATE, rates)
    second = world.guard.share
    assert second < first < 5000
    world.run(5, 0, rates)
    assert world.guard.share > second


def test_refusals_are_held_back_once_they_are_more_than_what_is_let_in() -> None:
    world, rates = World(), {"noisy": 5000.0, "small": 5.0}
    for _ in range(100):
        world.look(LATE)
        world.ask("small")
        world.ask("noisy", times=500)
        if world.refused("noisy"):
            break
    assert world.refused("noisy")
    assert world.guard._hold == 0
    world.run(10, LATE, rates)
    assert world.guard._hold == 5
    world.run(3, 0, rates)
    assert 0 < world.guard._hold < 5
    world.run(10, 0, {})
    assert world.guard._hold == 0


def test_what_another_limit_turns_away_is_not_taken_for_capacity() -> None:
    world, other = World(), World()
    for one in (world, other):
        one.look(LATE)
        while not one.guard.overloaded:
            one.look(LATE)
            one.ask("small")
            one.ask("noisy", times=100)
            for _ in range(50 if one is other else 0):
                one.guard.turned_away()
    assert other.guard.share < 0.6 * world.guard.share


def test_it_ends_once_nobody_had_to_be_refused() -> None:
    world = World()
    world.run(5, LATE, {"noisy": 5000, "small": 5})
    assert world.guard.overloaded
    world.run(10, 0, {"noisy": 20, "small": 5})
    assert not world.guard.overloaded
    assert not world.guard.counting
    assert world.guard.known == 0
    assert math.isinf(world.guard.share)


def test_who_is_alone_takes_nothing_from_anybody() -> None:
    world = World()
    world.run(10, LATE, {"alone": 5000})
    assert not world.refused("alone")


def test_equals_are_not_refused_until_it_is_very_late_and_then_get_503() -> None:
    world, rates = World(), {f"user-{n}": 200.0 for n in range(30)}
    world.run(10, LATE, rates)
    assert {code for _, code in world.codes} == {200}
    world.run(20, VERY_LATE, rates)
    assert {code for _, code in world.codes} >= {200, 503}
    for user in rates:
        assert world.codes[user, 200], "a part of everybody's"
        assert world.codes[user, 503]


def test_one_long_pause_in_an_overload_does_not_turn_small_ones_away() -> None:
    world, rates = World(), {f"user-{n}": 200.0 for n in range(30)}
    world.run(5, LATE, rates)
    world.look(3.0)
    world.run(5, LATE, rates)
    assert not any(world.refused(user) for user in rates)


def test_below_the_average_nobody_is_refused_before_it_is_very_late() -> None:
    world = World(small=1)
    world.run(20, LATE, {"big": 4000, "middle": 900, "small": 100})
    assert world.refused("big")
    assert not world.refused("middle")
    assert not world.refused("small")


def test_a_quiet_token_is_served_though_its_users_other_one_is_noisy() -> None:
    world = World()
    for _ in range(100):
        world.run(0.1, LATE, {"other": 50})
        for _ in range(200):
            world.ask("alice", "token-ci")
        world.codes.clear()
        world.ask("alice", "token-laptop")
        assert world.codes["alice", 200]


def test_many_tokens_give_one_user_no_more_than_twice_the_share() -> None:
    world = World()
    world.run(10, LATE, {"alice": 4000, "bob": 60})
    share, began = world.guard.share, world.now
    world.codes.clear()
    for _ in range(100):
        world.look(LATE)
        world.ask("bob", times=10)
        for number in range(500):
            world.ask("alice", f"token-{number}")
        assert world.guard.share <= share
    assert world.codes["alice", 200] <= 2 * share * (world.now - began)


def test_retries_are_spread_over_some_seconds() -> None:
    world = World()
    world.run(5, LATE, {"noisy": 5000, "small": 5})
    told = {world.guard.admit("noisy", "noisy") for _ in range(5000)} - {None}
    assert told == {Refused(429, 1), Refused(429, 2)}


def test_no_more_than_so_many_are_known_and_those_who_went_are_forgotten() -> None:
    world = World()
    world.look(LATE)
    for number in range(3 * MOST_PARTS):
        world.ask(f"user-{number}")
    assert world.guard.known == MOST_PARTS
    world.run(3, LATE, {"alice": 10})
    assert world.guard.known == 2, "a user and a token"


@pytest.mark.parametrize(
    ("demands", "capacity", "share"),
    [
        ([], 10, math.inf),
        ([3, 4], 10, math.inf),
        ([2, 8, 10], 12, 5),
        ([1, 100], 21, 20),
        ([10, 10, 10, 10], 20, 5),
    ],
)
def test_what_small_ones_leave_is_divided_among_the_others(
    demands: list[float], capacity: float, share: float
) -> None:
    assert fair_share(demands, capacity) == share


@given(st.lists(st.floats(0, 1e6), max_size=50), st.floats(0, 1e7))
def test_shares_use_the_capacity_and_no_more(demands: list[float], capacity: float) -> None:
    share = fair_share(demands, capacity)
    used = sum(min(demand, share) for demand in demands)
    assert used <= capacity * (1 + 1e-9) + 1e-6
    if math.isfinite(share):
        assert used == pytest.approx(capacity, rel=1e-6, abs=1e-3)
        assert max(demands) > share


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, LATE, VERY_LATE]),
        st.lists(st.integers(0, 60), min_size=4, max_size=4),
    ),
    min_size=20,
    max_size=50,
)


@settings(deadline=None, max_examples=50)
@given(STEPS)
def test_small_ones_are_never_refused_before_the_greedy(
    steps: list[tuple[float, list[int]]],
) -> None:
    """Whoever asks at least as often, at every moment, is refused at least as often."""
    world = World(small=5)
    for late, asked in steps:
        world.look(late)
        for rank, user in enumerate("abcd"):
            world.ask(user, times=sum(asked[: rank + 1]))
        refused = [world.refused(user) for user in "abcd"]
        assert refused == sorted(refused)
        if late < VERY_LATE and world.guard.lateness < VERY_LATE:
            assert world.guard.share >= 5


@settings(deadline=None, max_examples=50)
@given(STEPS)
def test_counters_never_go_below_nothing_and_everybody_forgotten_is_forgotten(
    steps: list[tuple[float, list[int]]],
) -> None:
    world = World(small=5)
    for late, asked in steps:
        world.look(late)
        for rank, user in enumerate("abcd"):
            for number in range(asked[rank]):
                world.ask(user, f"token-{number % 3}")
        shares = world.guard._shares
        parts = [*shares._users.values()]
        parts += [token for user in parts for token in user.tokens.values()]
        assert all(part.allowance >= 0 and part.begun >= 0 for part in parts)
        assert world.guard.known == len(parts)
    world.run(60, 0, {})
    assert world.guard.known == 0
    assert not world.guard.counting
