"""Driving the servers through the scenarios, round by round.

Interleaved, so that a machine that slows down for a while does so for all of them; and in another
order each round, so that nobody always follows the same one.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.readings import Reading
from bench.scenarios.scenario import Figures, Scenario
from bench.servers import Server, Startable, Workshop
from bench.stands import DIRECT, GATE, PEERS, VARIANTS, LeftOutError

ORDINARY = (GATE, *PEERS, DIRECT)
COSTS = ("cpu_", "kib_", "rss_", "ready_")
"""What the figures are called that say what a server costs."""


@dataclass
class Driver:
    """``readings`` is what was measured; ``failures`` is what went wrong, in words.

    ``warm`` is done to every server that was started, before anything is measured.
    """

    shop: Workshop
    stands: dict[str, Startable]
    say: Callable[[str], None]
    warm: Callable[[Workshop, Server], None]
    readings: list[Reading] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    running: dict[str, Server] = field(default_factory=dict)

    def run(self, scenarios: Sequence[Scenario], rounds: int, seconds: float) -> None:
        """As many rounds as there is time for, and one at least."""
        began = time.monotonic()
        took: dict[str, float] = {}
        for number in range(rounds):
            spent = time.monotonic() - began
            wanted = [one for one in scenarios if number < one.rounds]
            if number and spent + sum(took[one.name] for one in wanted) > seconds:
                self.say(f"no time for round {number + 1}: {spent:.0f} s are gone")
                return
            for place, scenario in enumerate(wanted):
                start = time.monotonic()
                self._scenario(scenario, number, place)
                took[scenario.name] = time.monotonic() - start

    def _scenario(self, scenario: Scenario, number: int, place: int) -> None:
        names = [name for name in names_for(scenario) if name in self.stands]
        for name in rotated(names, number + place):
            self.say(f"round {number + 1}: {scenario.name}: {name}")
            try:
                server = self._server(name, scenario)
                figures = scenario.run(self.shop, server)
            except LeftOutError as exc:
                self.say(f"{name} is left out: {exc}")
                del self.stands[name]
            except Exception as exc:  # one failure must not lose all other figures
                self.say(f"FAILED: {exc}")
                self.failures.append(f"round {number + 1}, {scenario.name}, {name}: {exc}")
                self._end(name)
            else:
                self.readings.append(Reading(number, scenario.name, name, own(server, figures)))
                if scenario.ends:
                    self._end(name)

    def _server(self, name: str, scenario: Scenario) -> Server:
        if scenario.anew:
            self._end(name)
        if name not in self.running:
            self.running[name] = self.stands[name].start()
            if not scenario.ends:
                self.warm(self.shop, self.running[name])
        return self.running[name]

    def end(self) -> None:
        """End every server."""
        for name in [*self.running]:
            self._end(name)

    def _end(self, name: str) -> None:
        server = self.running.pop(name, None)
        if server is not None and server.pid is not None:
            self.shop.end(server.pid)


def own(server: Server, figures: Figures) -> Figures:
    """Without what the upstream costs, where there is nothing but the upstream. Pure."""
    if server.pid is not None:
        return figures
    return {key: value for key, value in figures.items() if not key.startswith(COSTS)}


def names_for(scenario: Scenario) -> list[str]:
    """Which servers a scenario is for. Pure."""
    everybody = (*ORDINARY, *VARIANTS) if scenario.variants else ORDINARY
    if scenario.servers is None:
        return [*everybody]
    others = sorted(scenario.servers - {*ORDINARY})
    return [*(name for name in ORDINARY if name in scenario.servers), *others]


def rotated(names: Sequence[str], by: int) -> list[str]:
    """The names, begun elsewhere. Pure."""
    start = by % len(names) if names else 0
    return [*names[start:], *names[:start]]
