"""Which requests a worker admits during overload."""

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.limit_settings import OverloadSettings
from proxy.limits.fair_share import MOST_PARTS, fair_share
from proxy.limits.overload import LOOK_SECONDS, OverloadController, OverloadRejection

LATE, VERY_LATE = 0.1, 0.8


class World:
    """An overload controller, a clock, and counts of requests by user and code (200: admitted)."""

    def __init__(self, **settings: float) -> None:
        self.guard = OverloadController(OverloadSettings.model_validate(settings))
        self.now = 1000.0
        self.codes: Counter[tuple[str, int]] = Counter()

    def send(self, user: str, token: str = "", times: int = 1) -> None:
        for _ in range(times):
            rejected = self.guard.admit(user, token or user) if self.guard.counting else None
            self.codes[user, rejected.code if rejected else 200] += 1

    def tick(self, late: float) -> None:
        self.now += LOOK_SECONDS + late
        self.guard.observe_lag(self.now, late)

    def run(self, seconds: float, late: float, rates: dict[str, float]) -> None:
        """Send requests at ``rates`` for some seconds while the loop is ``late`` seconds late."""
        self.codes.clear()
        end, pending = self.now + seconds, dict.fromkeys(rates, 0.0)
        while self.now < end:
            self.tick(late)
            for user, rate in rates.items():
                pending[user] += rate * (LOOK_SECONDS + late)
                self.send(user, times=int(pending[user]))
                pending[user] %= 1

    def rejected(self, user: str) -> int:
        return self.codes[user, 429] + self.codes[user, 503]


def test_controller_without_lag_counts_no_requests() -> None:
    world = World()
    world.run(10, 0.01, {"noisy": 5000, "small": 5})
    assert not world.guard.counting
    assert world.guard.known == 0


def test_single_pause_is_not_overload() -> None:
    world = World()
    world.tick(3.0)
    world.run(5, 0, {"noisy": 5000, "small": 5})
    assert not world.rejected("noisy")
    assert not world.guard.counting


def test_overload_rejects_the_heaviest_user_and_serves_light_ones() -> None:
    world = World()
    rates = {"noisy": 5000.0, **{f"small-{n}": 5.0 for n in range(20)}}
    world.run(10, LATE, rates)
    assert world.codes["noisy", 429]
    assert world.codes["noisy", 200]
    assert not world.codes["noisy", 503]
    assert not any(world.rejected(f"small-{n}") for n in range(20))


def test_share_decreases_while_the_loop_is_late_and_increases_afterwards() -> None:
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


def test_rejections_are_delayed_when_they_outnumber_admissions() -> None:
    world, rates = World(), {"noisy": 5000.0, "small": 5.0}
    for _ in range(100):
        world.tick(LATE)
        world.send("small")
        world.send("noisy", times=500)
        if world.rejected("noisy"):
            break
    assert world.rejected("noisy")
    assert world.guard._hold == 0
    world.run(10, LATE, rates)
    assert world.guard._hold == 5
    world.run(3, 0, rates)
    assert 0 < world.guard._hold < 5
    world.run(10, 0, {})
    assert world.guard._hold == 0


def test_requests_rejected_by_another_limit_do_not_count_as_capacity() -> None:
    world, other = World(), World()
    for one in (world, other):
        one.tick(LATE)
        while not one.guard.overloaded:
            one.tick(LATE)
            one.send("small")
            one.send("noisy", times=100)
            for _ in range(50 if one is other else 0):
                one.guard.rejected_elsewhere()
    assert other.guard.share < 0.6 * world.guard.share


def test_overload_ends_when_no_request_was_rejected() -> None:
    world = World()
    world.run(5, LATE, {"noisy": 5000, "small": 5})
    assert world.guard.overloaded
    world.run(10, 0, {"noisy": 20, "small": 5})
    assert not world.guard.overloaded
    assert not world.guard.counting
    assert world.guard.known == 0
    assert math.isinf(world.guard.share)


def test_only_user_is_never_rejected() -> None:
    world = World()
    world.run(10, LATE, {"alone": 5000})
    assert not world.rejected("alone")


def test_users_with_equal_rates_get_503_only_at_critical_lag() -> None:
    world, rates = World(), {f"user-{n}": 200.0 for n in range(30)}
    world.run(10, LATE, rates)
    assert {code for _, code in world.codes} == {200}
    world.run(20, VERY_LATE, rates)
    assert {code for _, code in world.codes} >= {200, 503}
    for user in rates:
        assert world.codes[user, 200], "a part of each user's requests is served"
        assert world.codes[user, 503]


def test_single_long_pause_during_overload_rejects_no_light_user() -> None:
    world, rates = World(), {f"user-{n}": 200.0 for n in range(30)}
    world.run(5, LATE, rates)
    world.tick(3.0)
    world.run(5, LATE, rates)
    assert not any(world.rejected(user) for user in rates)


def test_user_below_the_average_is_not_rejected_below_critical_lag() -> None:
    world = World(min_rate=1)
    world.run(20, LATE, {"big": 4000, "middle": 900, "small": 100})
    assert world.rejected("big")
    assert not world.rejected("middle")
    assert not world.rejected("small")


def test_light_token_is_served_beside_a_heavy_token_of_the_same_user() -> None:
    world = World()
    for _ in range(100):
        world.run(0.1, LATE, {"other": 50})
        for _ in range(200):
            world.send("alice", "token-ci")
        world.codes.clear()
        world.send("alice", "token-laptop")
        assert world.codes["alice", 200]


def test_user_with_many_tokens_gets_at_most_twice_the_share() -> None:
    world = World()
    world.run(10, LATE, {"alice": 4000, "bob": 60})
    share, began = world.guard.share, world.now
    world.codes.clear()
    for _ in range(100):
        world.tick(LATE)
        world.send("bob", times=10)
        for number in range(500):
            world.send("alice", f"token-{number}")
        assert world.guard.share <= share
    assert world.codes["alice", 200] <= 2 * share * (world.now - began)


def test_retry_after_varies_between_1_and_2_seconds() -> None:
    world = World()
    world.run(5, LATE, {"noisy": 5000, "small": 5})
    rejections = {world.guard.admit("noisy", "noisy") for _ in range(5000)} - {None}
    assert rejections == {OverloadRejection(429, 1), OverloadRejection(429, 2)}


def test_known_users_are_bounded_and_idle_ones_are_removed() -> None:
    world = World()
    world.tick(LATE)
    for number in range(3 * MOST_PARTS):
        world.send(f"user-{number}")
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
def test_fair_share_divides_unused_capacity_among_the_others(
    demands: list[float], capacity: float, share: float
) -> None:
    assert fair_share(demands, capacity) == share


@given(st.lists(st.floats(0, 1e6), max_size=50), st.floats(0, 1e7))
def test_fair_share_uses_exactly_the_capacity(demands: list[float], capacity: float) -> None:
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


@settings(max_examples=50)
@given(STEPS)
def test_user_with_fewer_requests_is_rejected_at_most_as_often(
    steps: list[tuple[float, list[int]]],
) -> None:
    """A user who sends at least as many requests in every tick is rejected at least as often."""
    world = World(min_rate=5)
    for late, requests in steps:
        world.tick(late)
        for rank, user in enumerate("abcd"):
            world.send(user, times=sum(requests[: rank + 1]))
        rejected = [world.rejected(user) for user in "abcd"]
        assert rejected == sorted(rejected)
        if late < VERY_LATE and world.guard.lag < VERY_LATE:
            assert world.guard.share >= 5


@settings(max_examples=50)
@given(STEPS)
def test_counters_stay_non_negative_and_return_to_zero(
    steps: list[tuple[float, list[int]]],
) -> None:
    world = World(min_rate=5)
    for late, requests in steps:
        world.tick(late)
        for rank, user in enumerate("abcd"):
            for number in range(requests[rank]):
                world.send(user, f"token-{number % 3}")
        shares = world.guard._shares
        parts = [*shares._users.values()]
        parts += [token for user in parts for token in user.tokens.values()]
        assert all(part.allowance >= 0 and part.begun >= 0 for part in parts)
        assert world.guard.known == len(parts)
    world.run(60, 0, {})
    assert world.guard.known == 0
    assert not world.guard.counting
