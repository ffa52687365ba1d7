"""``python -m bench.tunnel`` (``make bench BENCH=tunnel``): what a tunnel to a cluster costs.

Sekisho through its agent's tunnel and through another worker's, beside Sekisho without a tunnel;
Rancher's remotedialer and Konnectivity beside the same reverse proxy without them. All have the
same upstream and the same load, interleaved. ``+`` is what the tunnel adds to the CPU of all
processes, against the same front without one.

For figures to keep, the machine must be idle.
"""

import argparse
import json
import math
import select
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.about import about_machine
from bench.driver import rotated
from bench.machine import cpu_seconds, settled_rss_kib
from bench.needed import missing
from bench.pages import put
from bench.scenarios.client import LoadError, command, load
from bench.scenarios.scenario import PODS
from bench.servers import ROOT, Workshop, all_open_files, workshop
from bench.tunnel_systems import (
    BASES,
    DIRECT,
    FRONT,
    KONNECTIVITY,
    PEER,
    REMOTEDIALER,
    TUNNEL,
    System,
    start,
)

NAMES = (DIRECT, TUNNEL, PEER, FRONT, REMOTEDIALER, KONNECTIVITY)
RESULTS = ROOT / "bench" / "results" / "tunnel.json"
PAGE = ROOT / "docs" / "performance.md"
MB = 1_000_000
STUCK = 50
STUCK_BYTES = 256 * MB
OPEN_SECONDS = 20.0

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Measure:
    """A load, and the figures that it gives. ``run`` gets the share of the full effort."""

    name: str
    run: Callable[[Workshop, System, float], Figures]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. The exit status is 1 if a load failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.tunnel", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds (3)")
    parser.add_argument("--quick", action="store_true", help="one round with a fifth of the load")
    parser.add_argument("--only", default="", help="measurements whose names contain this")
    parser.add_argument("--systems", nargs="+", choices=NAMES, default=NAMES, metavar="NAME")
    parser.add_argument("--write-docs", action="store_true", help=f"the table into {PAGE}")
    parser.add_argument("--output", type=Path, default=RESULTS, help="all figures")
    chosen = parser.parse_args(arguments)
    if wanting := missing(wrk=False):
        print("the benchmark needs:", *wanting, sep="\n  ", file=sys.stderr)
        return 1
    all_open_files()
    failures: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="sekisho-bench-") as folder,
        workshop(Path(folder)) as shop,
    ):
        shop.upstream()
        systems = start(shop, tuple(chosen.systems), _say)
        rounds, effort = (1, 0.2) if chosen.quick else (chosen.rounds, 1.0)
        found = measure(shop, systems, rounds, effort, chosen.only, failures)
    table = tabulated(found)
    print(table)
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    about = {"machine": about_machine(), "failures": failures, "figures": found}
    chosen.output.write_text(json.dumps(about, indent=1) + "\n")
    if chosen.write_docs:
        put(PAGE, "tunnel", table)
    for one in failures:
        print(f"FAILED: {one}", file=sys.stderr)
    return 1 if failures else 0


Found = dict[str, dict[str, list[float]]]
"""The values of each round, by figure and system."""


def measure(
    shop: Workshop,
    systems: Sequence[System],
    rounds: int,
    effort: float,
    only: str,
    failures: list[str],
) -> Found:
    """Run all loads on all systems, round by round."""
    found: Found = {}
    by_name = {one.name: one for one in systems}
    for number in range(rounds):
        for place, one in enumerate(measure for measure in MEASURES if only in measure.name):
            for name in rotated(list(by_name), number + place):
                _say(f"round {number + 1}: {one.name}: {name}")
                try:
                    figures = one.run(shop, by_name[name], effort)
                except (LoadError, OSError) as exc:
                    failures.append(f"round {number + 1}, {one.name}, {name}: {exc}")
                    continue
                for key, value in figures.items():
                    found.setdefault(key, {}).setdefault(name, []).append(value)
    return found


def _small(shop: Workshop, system: System, effort: float) -> Figures:
    """Send small requests on 32 connections, without pauses."""
    load(shop, system.server, "closed", PODS, count=500, workers=32)
    count = max(1000, int(20_000 * effort))
    before = _cpu(system)
    figures = load(shop, system.server, "closed", PODS, count=count, workers=32)
    costs = _cost(system, before, count, 1e6, "small GET: CPU µs/request")
    return costs | {"small GET: requests/s": count / figures["seconds"]}


def _rate(shop: Workshop, system: System, effort: float) -> Figures:
    """Send 200 requests a second."""
    figures = load(
        shop, system.server, "rate", PODS, rate=200, seconds=max(2, 5 * effort), workers=32
    )
    return {
        "200 GET/s: p50, µs": figures["p50_us"],
        "200 GET/s: p99, µs": figures["p99_us"],
    }


def _bulk(streams: int, *, post: bool = False) -> Callable[[Workshop, System, float], Figures]:
    way = "up" if post else "down"
    word = f"{streams} stream{'s' if streams > 1 else ''} {way}"

    def run(shop: Workshop, system: System, effort: float) -> Figures:
        """Move bodies of 20 MB."""
        count = max(streams, int(48 * effort))
        options = {"count": count, "workers": streams, "size": 20 * MB}
        before = _cpu(system)
        figures = load(
            shop, system.server, "bulk", PODS, **options, **({"post": True} if post else {})
        )
        costs = _cost(system, before, figures["bytes"] / MB, 1e3, f"{word}: CPU ms/MB")
        return costs | {f"{word}: MB/s": figures["mb_per_s"]}

    return run


def _stuck(shop: Workshop, system: System, effort: float) -> Figures:
    """Measure beside downloads that their clients do not read."""
    options = {"rate": 200, "seconds": max(2, 5 * effort), "workers": 32}
    bulk = {"count": 4, "workers": 1, "size": 20 * MB}
    calm = load(shop, system.server, "rate", PODS, **options)
    speed = load(shop, system.server, "bulk", PODS, **bulk)["mb_per_s"]
    memory = {part: settled_rss_kib(pid) for part, pid in system.parts.items()}
    with _stalled(shop, system):
        grown = {
            f"stuck stream: KiB in the {part}": (settled_rss_kib(pid) - memory[part]) / STUCK
            for part, pid in system.parts.items()
        }
        added, slowed = math.inf, 0.0
        # A tunnel without flow control for each stream serves nothing now: no failure of the load.
        with suppress(LoadError):
            beside = load(shop, system.server, "rate", PODS, **options)
            added = (beside["p99_us"] - calm["p99_us"]) / 1000
            slowed = load(shop, system.server, "bulk", PODS, **bulk)["mb_per_s"]
    word = f"{STUCK} stuck downloads"
    return grown | {
        f"{word}: others' p99, added ms": added,
        f"{word}: a 20 MB download, ÷ before": slowed / speed,
    }


@contextmanager
def _stalled(shop: Workshop, system: System) -> Iterator[None]:
    """Keep downloads open without a reader, as many as the system opens in some seconds."""
    words = command(shop, system.server, "stall", PODS, {"count": STUCK, "size": STUCK_BYTES})
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as client:
        assert client.stderr is not None
        try:
            select.select([client.stderr], [], [], OPEN_SECONDS)
            yield
        finally:
            client.kill()


MEASURES = (
    Measure("small", _small),
    Measure("rate", _rate),
    Measure("one stream", _bulk(1)),
    Measure("streams", _bulk(20)),
    Measure("uploads", _bulk(1, post=True)),
    Measure("stuck", _stuck),
)


def _cpu(system: System) -> dict[str, float]:
    return {part: cpu_seconds(pid) for part, pid in system.parts.items()}


def _cost(
    system: System, before: Mapping[str, float], amount: float, scale: float, name: str
) -> Figures:
    """Return the CPU of each process and of all, per unit."""
    used = {part: (now - before[part]) / amount * scale for part, now in _cpu(system).items()}
    each = {f"{name}, {part}": value for part, value in used.items() if len(used) > 1}
    return each | {f"{name}": sum(used.values())}


def tabulated(found: Found) -> str:
    """Return a Markdown table of medians, with what the tunnels add."""
    names = [one for one in NAMES if any(one in values for values in found.values())]
    lines = [f"|  | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}"]
    for figure, values in found.items():
        cells = [_cell(figure, values, name) for name in names]
        lines.append(f"| {figure} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(figure: str, values: Mapping[str, Sequence[float]], name: str) -> str:
    if name not in values:
        return "–"
    middle = statistics.median(values[name])
    if math.isinf(middle):
        return "stalled"
    shown = f"{middle:.3g}" if middle < 1000 else f"{middle:.0f}"
    base = values.get(BASES.get(name, ""), ())
    is_total = "CPU" in figure and "," not in figure.partition("CPU")[2]
    if base and is_total:
        # Of the same round: the machine's speed varies.
        added = statistics.median(a - b for a, b in zip(values[name], base, strict=False))
        shown += f" (+{added:.3g})"
    return shown


def _say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    sys.exit(main())
