"""Run the scenarios on all servers, round by round.

Servers are interleaved, so that a slow phase of the machine affects all of them. The order differs
in each round, so that no server always follows the same one.
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
"""Prefixes of the figures that are costs of a server."""


@dataclass
class Driver:
    """``readings`` are the measurements, ``failures`` the errors as text.

    ``warm`` is called for each started server before a measurement.
    """

    shop: Workshop
    stands: dict[str, Startable]
    say: Callable[[str], None]
    warm: Callable[[Workshop, Server], None]
    readings: list[Reading] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    running: dict[str, Server] = field(default_factory=dict)

    def run(self, scenarios: Sequence[Scenario], rounds: int, seconds: float) -> None:
        """Run as many rounds as there is time for, and at least one."""
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
            except Exception as exc:  # One failure must not lose the other figures.
                self.say(f"FAILED: {exc}")
                self.failures.append(f"round {number + 1}, {scenario.name}, {name}: {exc}")
                self._end(name)
            else:
                self.readings.append(Reading(number, scenario.name, name, own(server, figures)))
                if scenario.ends:
                    self._end(name)

    def _server(self, name: str, scenario: Scenario) -> Server:
        if scenario.restarts:
            self._end(name)
        if name not in self.running:
            self.running[name] = self.stands[name].start()
            if not scenario.ends:
                self.warm(self.shop, self.running[name])
        return self.running[name]

    def end(self) -> None:
        """Stop all servers."""
        for name in [*self.running]:
            self._end(name)

    def _end(self, name: str) -> None:
        server = self.running.pop(name, None)
        if server is not None and server.pid is not None:
            self.shop.end(server.pid)


def own(server: Server, figures: Figures) -> Figures:
    """Return the figures without the upstream's cost, if only the upstream was measured."""
    if server.pid is not None:
        return figures
    return {key: value for key, value in figures.items() if not key.startswith(COSTS)}


def names_for(scenario: Scenario) -> list[str]:
    """Return the servers that a scenario measures."""
    all_names = (*ORDINARY, *VARIANTS) if scenario.variants else ORDINARY
    if scenario.servers is None:
        return [*all_names]
    others = sorted(scenario.servers - {*ORDINARY})
    return [*(name for name in ORDINARY if name in scenario.servers), *others]


def rotated(names: Sequence[str], by: int) -> list[str]:
    """Return the names with another one first."""
    start = by % len(names) if names else 0
    return [*names[start:], *names[:start]]
