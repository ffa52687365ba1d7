"""The overload guard in a simulated event loop: what callers wait, the same each time."""

import heapq
from dataclasses import dataclass, field

import pytest

from config.limit_settings import OverloadSettings
from proxy.overload import LOOK_SECONDS, OverloadGuard

SETTLED = 5.0
"""Seconds after which the guard must have the worker in hand."""


@dataclass
class Loop:
    """A loop in which each request takes its time, and all that is ready is done in one turn.

    ``noisy`` connections of one user ask again a millisecond after each answer, whatever it says;
    twenty others ask five times a second each.
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
        guard = OverloadGuard(OverloadSettings(enabled=self.enabled))
        ready = [(0.0, f"noisy/{number}") for number in range(self.noisy)]
        ready += [(number / 100, f"small-{number % 20}/") for number in range(int(seconds * 100))]
        heapq.heapify(ready)
        due = LOOK_SECONDS
        while self.now < seconds:
            if self.now >= due:
                guard.look(self.now, self.now - due)
                due = self.now + LOOK_SECONDS
            self.now = max(self.now, min(ready[0][0], due))
            turn = []
            while ready[0][0] <= self.now:
                turn.append(heapq.heappop(ready))
            for since, who in turn:
                again = self._serve(guard, since, who)
                if who.startswith("noisy"):
                    heapq.heappush(ready, (self.now + again + 0.001, who))

    def _serve(self, guard: OverloadGuard, since: float, who: str) -> float:
        user = who.partition("/")[0]
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
        """What 99 % of the small callers' requests wait at most."""
        return sorted(self.waits)[int(len(self.waits) * 0.99)]


@pytest.mark.parametrize(
    ("noisy", "serving", "refusing"),
    [(1000, 500e-6, 250e-6), (3000, 100e-6, 50e-6), (500, 1.2e-3, 0.8e-3)],
)
def test_small_callers_wait_a_fraction_of_what_they_would_and_none_is_refused(
    noisy: int, serving: float, refusing: float
) -> None:
    guarded = Loop(noisy, serving, refusing)
    alone = Loop(noisy, serving, refusing, enabled=False)
    guarded.run(15)
    alone.run(15)
    assert guarded.small_refused == 0
    assert guarded.worst_wait < 0.6 * alone.worst_wait
    assert guarded.worst_wait < 0.4
    assert guarded.served > 0.4 * alone.served, "and the noisy one is served nearly as often"


def test_a_full_worker_that_is_hardly_late_refuses_nobody() -> None:
    loop = Loop(400, 50e-6, 25e-6)
    loop.run(15)
    assert loop.small_refused == 0
    assert loop.served == pytest.approx(10 / 50e-6, rel=0.02)
