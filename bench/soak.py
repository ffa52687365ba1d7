"""``make soak``: mixed traffic for a while, and whether anything of it stays.

Lists of all sizes, watches that come and go, exec sessions, sign-ins, tokens made and revoked,
clients that vanish or don't read, and an API server that is restarted every minute. Every few
seconds the gate's memory, files, tasks and connections are taken down. Neither may they grow while
the traffic is steady, nor be more than before it once it has ended. Any error that wasn't to be
expected fails it, too.
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
"""The part of the time, at first, that isn't looked at for growth: pools and buffers are made."""

RECOVERY_SECONDS = 5.0
"""For how long after an API server is back a failure may still be its fault."""

QUIET_SECONDS = 60.0
TOLERANCE = {"rss_kib": 0.05, "files": 0.1, "tasks": 0.1, "upstream_connections": 0.1}
"""How much the last third may be over the first, as a part of it; and for a few of them ..."""

LEAST_TOLERANCE = {"rss_kib": 8 * 1024, "files": 10, "tasks": 10, "upstream_connections": 10}
"""... at least so much: they are small numbers that come and go."""

LEFT_FILES, LEFT_TASKS = 10, 5
"""What may be open after it that wasn't before: connections to the store are opened when needed."""


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
        """The traffic, the restarts and the samples."""
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
        """Wait until nothing is served and no connection to the cluster idles; what is left."""
        deadline = time.monotonic() + QUIET_SECONDS
        while True:
            now = await asyncio.to_thread(self.look)
            quiet = now.in_flight == 0 and now.upstream_connections == 0
            if quiet or time.monotonic() > deadline:
                return now
            await asyncio.sleep(1)

    def look(self) -> Vitals:
        """The gate's vitals now."""
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
    """The stand-in of an API server, which is killed and started again every minute."""

    shop: Workshop
    port: int = field(default_factory=free_port)
    pid: int = 0
    troubled_until: float = 0.0
    times: int = 0

    def start(self) -> None:
        """Start it, on the same port each time."""
        tls = self.shop.folder / "tls.crt", self.shop.folder / "tls.key"
        self.pid = self.shop.start(
            *(self.shop.folder / "upstream", "-listen", f"127.0.0.1:{self.port}", "-every", "1s"),
            *("-cert", tls[0], "-key", tls[1]),
            port=self.port,
        )
        self.shop.upstream_url = f"https://127.0.0.1:{self.port}"

    def troubled(self) -> bool:
        """Whether it is away, or was a moment ago."""
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
    """The command; its exit status is 1 if something grew or an error wasn't expected."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--server", default="", help="more of the gate's server section, in YAML")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results" / "soak.json")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, workshop(Path(folder)) as shop:
        return soak(shop, chosen)


def soak(shop: Workshop, chosen: argparse.Namespace) -> int:
    """Prepare, run, rest, judge."""
    upstream = Upstream(shop)
    upstream.start()
    gate = Gate(shop, server=chosen.server)
    gate.prepare()
    with_default_limits(gate)
    config = gate.folder / "sekisho.yaml"
    config.write_text(config.read_text().replace("gate: {", "gate: {idle_connection_ttl: 10s, "))
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
        json.dumps(told(run, before, after, outcomes, faults), indent=1) + "\n"
    )
    return int(bool(faults))


def judge(run: Soak, before: Vitals, after: Vitals, outcomes: Outcomes) -> list[str]:
    """What is wrong, in words; nothing if nothing is."""
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
    """The samples after the warm-up, by name."""
    start = run.minutes * 60 * WARM_UP_SHARE
    kept = [(when, one) for when, one in zip(run.times, run.samples, strict=True) if when >= start]
    return [when for when, _ in kept], {
        name: [float(getattr(one, name)) for _, one in kept] for name in TOLERANCE
    }


def tolerance(name: str, values: list[float]) -> float:
    """By how much that may grow."""
    return max(thirds(values)[0] * TOLERANCE[name], LEAST_TOLERANCE[name])


def show(run: Soak, before: Vitals, after: Vitals, outcomes: Outcomes) -> None:
    """Print what happened, and a table of what was held."""
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


def told(
    run: Soak, before: Vitals, after: Vitals, outcomes: Outcomes, faults: list[str]
) -> dict[str, object]:
    """The same as JSON."""
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
