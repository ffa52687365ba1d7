"""The overload controller in a simulated event loop, with reproducible waiting times."""

import heapq
from dataclasses import dataclass, field

import pytest

from config.limit_settings import OverloadSettings
from proxy.limits.overload import LOOK_SECONDS, OverloadController

SETTLED = 5.0
"""Seconds after which the controller must have reduced the load."""


@dataclass
class Loop:
    """An event loop that processes all ready requests in one turn, each for a fixed time.

    ``noisy`` connections of one user send the next request a millisecond after each response.
    Twenty other users send five requests per second each.
    """

    noisy: int
    serving: float
    refusing: float
    enabled: bool = True
    now: float = 0.0
    waits: list[float] = field(default_factory=list)
    served: int = 0
    small_refused: int = 0

    def run(self, seconds: float) -> None:
        guard = OverloadController(OverloadSettings(enabled=self.enabled))
        ready = [(0.0, f"noisy/{number}") for number in range(self.noisy)]
        ready += [(number / 100, f"small-{number % 20}/") for number in range(int(seconds * 100))]
        heapq.heapify(ready)
        due = LOOK_SECONDS
        while self.now < seconds:
            if self.now >= due:
                guard.observe_lag(self.now, self.now - due)
                due = self.now + LOOK_SECONDS
            self.now = max(self.now, min(ready[0][0], due))
            turn = []
            while ready[0][0] <= self.now:
                turn.append(heapq.heappop(ready))
            for since, caller in turn:
                again = self._serve(guard, since, caller)
                if caller.startswith("noisy"):
                    heapq.heappush(ready, (self.now + again + 0.001, caller))

    def _serve(self, guard: OverloadController, since: float, caller: str) -> float:
        user = caller.partition("/")[0]
        refused = guard.admit(user, user) if guard.counting else None
        self.now += self.refusing if refused else self.serving
        if refused:
            self.small_refused += user != "noisy"
            return guard.hold()
        if since > SETTLED and user == "noisy":
            self.served += 1
        elif since > SETTLED:
            self.waits.append(self.now - since)
        return 0.0

    @property
    def worst_wait(self) -> float:
        """Return the 99th percentile of the light users' waiting times, in seconds."""
        return sorted(self.waits)[int(len(self.waits) * 0.99)]


@pytest.mark.parametrize(
    ("noisy", "serving", "refusing"),
    [(1000, 500e-6, 250e-6), (3000, 100e-6, 50e-6), (500, 1.2e-3, 0.8e-3)],
)
def test_light_users_wait_less_with_the_controller_and_are_not_rejected(
    noisy: int, serving: float, refusing: float
) -> None:
    guarded = Loop(noisy, serving, refusing)
    alone = Loop(noisy, serving, refusing, enabled=False)
    guarded.run(15)
    alone.run(15)
    assert guarded.small_refused == 0
    assert guarded.worst_wait < 0.6 * alone.worst_wait
    assert guarded.worst_wait < 0.4
    assert guarded.served > 0.4 * alone.served, "the heavy user must be served nearly as often"


def test_busy_worker_with_little_lag_rejects_no_request() -> None:
    loop = Loop(400, 50e-6, 25e-6)
    loop.run(15)
    assert loop.small_refused == 0
    assert loop.served == pytest.approx(10 / 50e-6, rel=0.02)
