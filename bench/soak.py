"""``make soak``: mixed traffic for a while, to detect leaks.

The traffic has lists of all sizes, short watches, exec sessions, sign-ins, tokens that are created
and revoked, clients that vanish or do not read, and an API server that restarts every minute. The
proxy's memory, files, tasks and connections are recorded every few seconds. They must not grow
under steady traffic, and must return to their earlier values after it. Each unexpected error fails
the run, too.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path

from bench.crowd import people, with_default_limits
from bench.servers import ROOT, Gate, Server, Workshop, free_port, workshop
from bench.soak_traffic import Outcomes, Traffic
from bench.trend import grows, slope, thirds
from bench.vitals import Vitals, vitals

SAMPLE_SECONDS = 5.0
RESTART_SECONDS = 60.0
WARM_UP_SHARE = 0.15
"""The first part of the time, not judged, because pools and buffers fill."""

RECOVERY_SECONDS = 5.0
"""How long after an API server's restart failures are still expected."""

QUIET_SECONDS = 60.0
TOLERANCE = {"rss_kib": 0.05, "files": 0.1, "tasks": 0.1, "upstream_connections": 0.1}
"""How much the last third may exceed the first, relative to it."""

LEAST_TOLERANCE = {"rss_kib": 8 * 1024, "files": 10, "tasks": 10, "upstream_connections": 10}
"""Minimum tolerances of small numbers, which vary."""

LEFT_FILES, LEFT_TASKS = 10, 5
"""What may be open after the run: connections to the store are opened when needed."""


@dataclass
class Soak:
    """One run. Times are seconds from its start."""

    shop: Workshop
    gate: Gate
    server: Server
    upstream: "Upstream"
    minutes: float
    times: list[float] = field(default_factory=list)
    samples: list[Vitals] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    async def run(self, traffic: Traffic) -> None:
        """Run the traffic, the restarts and the samples."""
        stop = asyncio.Event()
        others = [
            asyncio.create_task(self._sample()),
            asyncio.create_task(self.upstream.restarts()),
        ]
        flow = asyncio.create_task(traffic.run(stop))
        await asyncio.wait(
            [flow, *others], timeout=self.minutes * 60, return_when=asyncio.FIRST_COMPLETED
        )
        stop.set()
        for task in others:
            task.cancel()
        results = await asyncio.gather(flow, *others, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def rest(self) -> Vitals:
        """Wait until no request runs and no connection is idle; return the vitals then."""
        deadline = time.monotonic() + QUIET_SECONDS
        while True:
            now = await asyncio.to_thread(self.look)
            quiet = now.in_flight == 0 and now.upstream_connections == 0
            if quiet or time.monotonic() > deadline:
                return now
            await asyncio.sleep(1)

    def look(self) -> Vitals:
        """Return the proxy's current vitals."""
        assert self.server.pid is not None
        return vitals(self.server.pid, self.gate.metrics_port)

    async def _sample(self) -> None:
        while True:
            now = await asyncio.to_thread(self.look)
            self.times.append(time.monotonic() - self.began)
            self.samples.append(now)
            print(f"{self.times[-1]:6.0f} s", *(f"{n:>8}" for n in astuple(now)), flush=True)
            await asyncio.sleep(SAMPLE_SECONDS)


@dataclass
class Upstream:
    """The substitute of an API server, which is killed and restarted every minute."""

    shop: Workshop
    port: int = field(default_factory=free_port)
    pid: int = 0
    troubled_until: float = 0.0
    times: int = 0

    def start(self) -> None:
        """Start it on its port."""
        tls = self.shop.folder / "tls.crt", self.shop.folder / "tls.key"
        self.pid = self.shop.start(
            *(self.shop.folder / "upstream", "-listen", f"127.0.0.1:{self.port}", "-every", "1s"),
            *("-cert", tls[0], "-key", tls[1]),
            port=self.port,
        )
        self.shop.upstream_url = f"https://127.0.0.1:{self.port}"

    def troubled(self) -> bool:
        """Return whether it is down or was down a moment ago."""
        return time.monotonic() < self.troubled_until

    async def restarts(self) -> None:
        """Restart it every minute."""
        while True:
            await asyncio.sleep(RESTART_SECONDS)
            self.troubled_until = time.monotonic() + 60
            await asyncio.to_thread(self.shop.end, self.pid)
            await asyncio.to_thread(self.start)
            self.troubled_until = time.monotonic() + RECOVERY_SECONDS
            self.times += 1


def main() -> int:
    """Run the command. The exit status is 1 if something grew or an unexpected error occurred."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--server", default="", help="additions to the server section, YAML")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results" / "soak.json")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, workshop(Path(folder)) as shop:
        return soak(shop, chosen)


def soak(shop: Workshop, chosen: argparse.Namespace) -> int:
    """Prepare, run, rest and judge."""
    upstream = Upstream(shop)
    upstream.start()
    gate = Gate(shop, server=chosen.server)
    gate.prepare()
    with_default_limits(gate)
    config = gate.folder / "sekisho.yaml"
    config.write_text(
        config.read_text().replace("upstream: {", "upstream: {idle_connection_ttl: 10s, ")
    )
    crowd = people(gate, 20)
    run = Soak(shop, gate, gate.start(), upstream, chosen.minutes)
    outcomes = Outcomes(upstream.troubled)
    print("  time ", *(f"{one.name[:8]:>8}" for one in fields(Vitals)), flush=True)

    async def everything() -> tuple[Vitals, Vitals]:
        before = await run.rest()
        traffic = Traffic(run.server, crowd, outcomes)
        await traffic.fill()
        await run.run(traffic)
        return before, await run.rest()

    before, after = asyncio.run(everything())
    faults = judge(run, before, after, outcomes)
    show(run, before, after, outcomes)
    for fault in faults:
        print(f"FAIL: {fault}")
    print("failed" if faults else "nothing grew, and no error was unexpected")
    chosen.output.parent.mkdir(exist_ok=True)
    chosen.output.write_text(
        json.dumps(as_json_object(run, before, after, outcomes, faults), indent=1) + "\n"
    )
    return int(bool(faults))


def judge(run: Soak, before: Vitals, after: Vitals, outcomes: Outcomes) -> list[str]:
    """Return the problems as text."""
    times, series = steady(run)
    faults = [
        f"{name} grew from {thirds(values)[0]:.0f} to {thirds(values)[1]:.0f}"
        for name, values in series.items()
        if values and grows(times, values, tolerance(name, values))
    ]
    if after.in_flight or after.upstream_connections:
        faults.append(f"still there at the end: {after}")
    if after.files > before.files + LEFT_FILES:
        faults.append(f"{after.files} files are open after it, {before.files} before")
    if after.tasks > before.tasks + LEFT_TASKS:
        faults.append(f"{after.tasks} tasks are there after it, {before.tasks} before")
    return faults + [f"unexpected: {one}" for one in outcomes.unexpected]


def steady(run: Soak) -> tuple[list[float], dict[str, list[float]]]:
    """Return the samples after the warm-up, by name."""
    start = run.minutes * 60 * WARM_UP_SHARE
    kept = [(when, one) for when, one in zip(run.times, run.samples, strict=True) if when >= start]
    return [when for when, _ in kept], {
        name: [float(getattr(one, name)) for _, one in kept] for name in TOLERANCE
    }


def tolerance(name: str, values: list[float]) -> float:
    """Return how much a sample may grow."""
    return max(thirds(values)[0] * TOLERANCE[name], LEAST_TOLERANCE[name])


def show(run: Soak, before: Vitals, after: Vitals, outcomes: Outcomes) -> None:
    """Print the events and a table of the samples."""
    for name, count in sorted(outcomes.counts.items()):
        print(f"{count:8} {name}")
    print(f"{run.upstream.times:8} restarts of the API server")
    times, series = steady(run)
    print(f"{'':22}{'before':>9}{'1st third':>11}{'last third':>12}{'a minute':>10}{'after':>9}")
    for name, values in series.items():
        first, last = thirds(values) if values else (0.0, 0.0)
        print(
            f"{name:22}{getattr(before, name):9}{first:11.0f}{last:12.0f}"
            f"{slope(times, values) * 60:+10.1f}{getattr(after, name):9}"
        )


def as_json_object(
    run: Soak, before: Vitals, after: Vitals, outcomes: Outcomes, faults: list[str]
) -> dict[str, object]:
    """Return the results for a JSON file."""
    return {
        "minutes": run.minutes,
        "before": asdict(before),
        "after": asdict(after),
        "times": [round(when, 1) for when in run.times],
        "samples": [asdict(one) for one in run.samples],
        "outcomes": dict(sorted(outcomes.counts.items())),
        "faults": faults,
    }


if __name__ == "__main__":
    sys.exit(main())
