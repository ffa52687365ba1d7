"""Calculate how many replicas serve a number of developers, from the measurements.

    python -m bench.capacity [--developers N]

reads bench/results/latest.json and growth.json, which ``make bench`` writes. Missing figures come
from :class:`Costs`, and are marked; the load is in :class:`People`.
"""

import argparse
import json
import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class People:
    """The load at the busiest time of the day. Rates are per active developer."""

    developers: int = 100_000
    at_work: float = 0.6
    """The part of the developers that works at the same time."""

    requests_per_s: float = 0.3
    """On persistent connections: dashboards, editors' plug-ins, controllers, CI."""

    watches: float = 5.0
    """Open at the same time, by the same programs."""

    events_per_watch_s: float = 0.1
    commands_per_hour: float = 20.0
    """Calls of kubectl, each with a new TLS connection."""

    requests_per_command: float = 2.0
    sessions_per_hour: float = 2.0
    """exec, attach and port-forward."""

    session_minutes: float = 5.0
    workers_seen: float = 3.0
    """Workers that a developer's connections use; each looks the token up separately."""


@dataclass(frozen=True, slots=True)
class Costs:
    """The cost of each operation: CPU time in µs, memory in KiB."""

    request_us: float = 75.0
    event_us: float = 50.0
    fresh_us: float = 1_500.0
    session_us: float = 2_000.0
    lookup_us: float = 1_000.0
    watch_kib: float = 83.0
    session_kib: float = 87.0
    worker_kib: float = 120_000.0
    """An idle worker, without its token cache: see CACHE_KIB."""


@dataclass(frozen=True, slots=True)
class Replica:
    """A machine, and how much of it is used in normal operation."""

    cores: int = 4
    gib: float = 16.0
    cpu_used: float = 0.5
    memory_used: float = 0.7
    open_files: int = 1_048_576


LOOKUP_EVERY_S = 30.0
"""After how long a worker revalidates a token: ``authenticated_token.REVALIDATE_SECONDS``."""

CACHE_KIB = 512 * 1024
"""The maximum size of a worker's token cache: ``token_authenticator.MAX_ENTRIES_BYTES``."""


@dataclass(frozen=True, slots=True)
class Need:
    """The total load. ``parts`` are cores by purpose."""

    parts: Mapping[str, tuple[float, float]]
    """Operations a second, and the cores for them."""

    watches: float
    sessions: float
    connections_gib: float

    @property
    def cores(self) -> float:
        """Return the sum of all cores."""
        return sum(cores for _, cores in self.parts.values())


def need(people: People, costs: Costs) -> Need:
    """Return the load of all developers."""
    active = people.developers * people.at_work
    commands = active * people.commands_per_hour / 3600
    sessions = active * people.sessions_per_hour / 3600
    watches = active * people.watches
    kept = active * people.requests_per_s + commands * (people.requests_per_command - 1)
    rates = {
        "requests on kept connections": (kept, costs.request_us),
        "events to watches": (watches * people.events_per_watch_s, costs.event_us),
        "kubectl, a connection each": (commands, costs.fresh_us),
        "exec and port-forward sessions": (sessions, costs.session_us),
        "look-ups of tokens": (active * people.workers_seen / LOOKUP_EVERY_S, costs.lookup_us),
    }
    open_sessions = sessions * people.session_minutes * 60
    kib = watches * costs.watch_kib + open_sessions * costs.session_kib
    return Need(
        {what: (rate, rate * each / 1e6) for what, (rate, each) in rates.items()},
        watches,
        open_sessions,
        kib / 1024**2,
    )


def replicas(needed: Need, costs: Costs, replica: Replica) -> dict[str, int]:
    """Return how many replicas each resource requires, without a spare one."""
    spare_gib = replica.gib * replica.memory_used - replica.cores * (
        (costs.worker_kib + CACHE_KIB) / 1024**2
    )
    files = 2 * (needed.watches + needed.sessions)
    return {
        "CPU": math.ceil(needed.cores / (replica.cores * replica.cpu_used)),
        "memory": math.ceil(needed.connections_gib / spare_gib),
        "open files": math.ceil(files / (replica.open_files * replica.cores)),
    }


def measured(folder: Path) -> dict[str, float]:
    """Return the costs that the result files contain."""
    found: dict[str, float] = {}
    for name, (scenario, figure, factor) in _READ.items():
        values = [
            one["figures"][figure] * factor
            for one in _json(folder / "latest.json").get("readings", [])
            if (one["scenario"], one["server"]) == (scenario, "sekisho")
            and figure in one["figures"]
        ]
        if values:
            found[name] = statistics.median(values)
    grown = _json(folder / "growth.json")
    for name, (drawing, panel) in _GROWN.items():
        if drawing in grown:
            found[name] = grown[drawing][panel]["curves"][0]["points"][-1][1]
    return found


_READ = {
    "request_us": ("small GET", "cpu_us", 1.0),
    "fresh_us": ("fresh TLS", "cpu_us", 1.0),
    "session_us": ("exec session", "cpu_ms", 1000.0),
    "watch_kib": ("idle watches", "kib_per_watch", 1.0),
    "worker_kib": ("idle watches", "rss_mib", 1024.0),
}
_GROWN = {"lookup_us": ("tokens", 1), "session_kib": ("sessions", 1), "event_us": ("events", 0)}


def report_lines(
    people: People, costs: Costs, replica: Replica, known: Mapping[str, float]
) -> Iterator[str]:
    """Yield the calculation as lines of text."""
    needed, active = need(people, costs), people.developers * people.at_work
    yield f"{people.developers:,} developers, {active:,.0f} of them at work at the same time"
    for field in fields(Costs):
        mark = "measured" if field.name in known else "not measured here: as documented"
        yield f"  {field.name:12} {getattr(costs, field.name):10,.1f}  ({mark})"
    for what, (rate, cores) in needed.parts.items():
        yield f"{what:32} {rate:10,.0f}/s {cores:6.2f} cores"
    yield f"{'together':32} {'':12} {needed.cores:6.2f} cores"
    yield f"{needed.watches:,.0f} watches and {needed.sessions:,.0f} sessions open"
    yield f"  {needed.connections_gib:.1f} GiB for them"
    asked = replicas(needed, costs, replica)
    yield (
        f"replicas of {replica.cores} cores and {replica.gib:g} GiB, of which"
        f" {replica.cpu_used:.0%} and {replica.memory_used:.0%} are used: "
        + ", ".join(f"{count} by {what}" for what, count in asked.items())
    )
    yield f"with one more, so that one may be down: {max(asked.values()) + 1}"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.capacity", description=__doc__)
    parser.add_argument("--developers", type=int, default=People().developers)
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    known = measured(chosen.results)
    costs = replace(Costs(), **known)
    people = replace(People(), developers=chosen.developers)
    for line in report_lines(people, costs, Replica(), known):
        print(line)


def _json(file: Path) -> Any:
    return json.loads(file.read_text()) if file.exists() else {}


if __name__ == "__main__":
    main()
