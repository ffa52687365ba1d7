"""``python -m bench.overload``: small callers beside a caller that overloads the proxy.

It measures how many requests a second the proxy can serve, then sends twice as many: one token on
many connections, which ignores Retry-After, beside twenty users with a few requests a second each.
Responses may only be 200, or 429 or 503 with Retry-After. The small callers must be served within
the limits below, and memory must not grow.

Where control groups are available, the proxy gets a part of a core only. The clients that make
twice its load need enough CPU time, or their queues would be measured.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.cgroups import capped
from bench.crowd import PODS, Person, people, with_default_limits
from bench.servers import ROOT, Gate, Server, Workshop, workshop
from bench.vitals import scrape, total, vitals

SMALL = 20
SMALL_RATE = 5.0
ONSET_SECONDS = 2.0
"""At a sudden start of the load, the proxy does not know yet which caller is noisy; that takes a
round or two. Requests that are due in this time are judged separately."""

MOST_SMALL_P99_MS = 1_000.0
MOST_SMALL_ONSET_MS = 3_000.0

MOST_NOISY_P99_MS = 5_000.0
MOST_GROWTH_KIB = 32 * 1024
"""Growth between the ends of two equal loads: after the first, all buffers exist."""


@dataclass(frozen=True, slots=True)
class Check:
    """A condition that must hold."""

    what: str
    holds: bool


def main() -> int:
    """Run the command. The exit status is 1 if a check fails."""
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--core", type=float, default=0.4, help="the part of a core for the proxy")
    parser.add_argument("--saturation", type=float, help="requests a second; measured by default")
    parser.add_argument("--config", default="", help="additions to the configuration, in YAML")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results" / "overload.json")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, workshop(Path(folder)) as shop:
        shop.upstream()
        gate = Gate(shop, extra=chosen.config)
        gate.prepare()
        with_default_limits(gate)
        crowd = people(gate, SMALL)
        server = gate.start()
        with on_part_of_a_core(server, chosen.core):
            found = measure(shop, gate, server, crowd, chosen)
    checks = judge(found)
    show(found, checks)
    chosen.output.parent.mkdir(exist_ok=True)
    chosen.output.write_text(json.dumps(found, indent=1) + "\n")
    return int(not all(check.holds for check in checks))


@contextmanager
def on_part_of_a_core(server: Server, share: float) -> Iterator[None]:
    """Limit the server to a share of a core; print a note where that is impossible."""
    assert server.pid is not None
    with ExitStack() as stack:
        try:
            stack.enter_context(capped([server.pid], share))
        except OSError as exc:
            print(f"the proxy's CPU is not limited: {exc}", flush=True)
        yield


def measure(
    shop: Workshop, gate: Gate, server: Server, crowd: list[Person], chosen: argparse.Namespace
) -> dict[str, Any]:
    """Saturate, then overload. Latencies are in µs, from when a request was due."""
    assert server.pid is not None
    noisy, seconds = server.token, chosen.seconds
    saturation = chosen.saturation or capacity(shop, server, noisy)
    print(f"saturated at {saturation:.0f} requests a second", flush=True)
    small = [f"small {one.token} {SMALL_RATE} 2" for one in crowd]
    greedy = f"noisy {noisy} {2 * saturation} {chosen.connections}"
    calm = stress(shop, server, small, 5)
    stress(shop, server, [*small, greedy], 5)
    before, metrics_before = vitals(server.pid, gate.metrics_port), scrape(gate.metrics_port)
    held = stress(shop, server, [*small, greedy], seconds, onset=ONSET_SECONDS)
    metrics = scrape(gate.metrics_port)
    time.sleep(2)
    after = vitals(server.pid, gate.metrics_port)

    def more(name: str) -> float:
        return total(metrics, name) - total(metrics_before, name)

    looks = more("sekisho_event_loop_lag_seconds_count")
    return {
        "saturation_per_s": saturation,
        "seconds": seconds,
        "calm": calm["small"],
        "small": held["small"],
        "noisy": held["noisy"],
        "limited": {
            scope: more(f'sekisho_rejected_requests_total{{scope="{scope}"}}')
            for scope in ("token", "user", "overload")
        },
        "mean_lateness_ms": more("sekisho_event_loop_lag_seconds_sum") / looks * 1e3,
        "before": asdict(before),
        "after": asdict(after),
    }


def capacity(shop: Workshop, server: Server, token: str) -> float:
    """Return the requests a second of 64 connections without pauses."""
    results = stress(shop, server, [f"noisy {token} 0 64"], 5)
    return float(results["noisy"]["codes"].get("200", 0)) / 5


def stress(
    shop: Workshop, server: Server, callers: list[str], seconds: float, *, onset: float = 0.0
) -> dict[str, Any]:
    """Run the callers (see bench/go/stress); return their results."""
    command = [f"{shop.folder}/stress", "-url", server.url + PODS, "-ca", str(server.ca)]
    done = subprocess.run(
        [*command, "-seconds", f"{seconds:g}", "-onset", f"{onset:g}"],
        input="\n".join(callers),
        capture_output=True,
        text=True,
        check=True,
    )
    results: dict[str, Any] = json.loads(done.stdout)
    return results


def judge(found: dict[str, Any]) -> list[Check]:
    """Return all checks."""
    small, noisy = found["small"], found["noisy"]
    grown = found["after"]["rss_kib"] - found["before"]["rss_kib"]
    waits = small.get("served_p99_us", 0) / 1e3, noisy.get("served_p99_us", 0) / 1e3
    onset = small.get("onset_served_max_us", 0) / 1e3
    return [
        Check("only 200, 429 and 503", {*small["codes"], *noisy["codes"]} <= {"200", "429", "503"}),
        Check("every refusal has Retry-After", not _sum(found, "without_retry_after")),
        Check("no connection fails", not _sum(found, "failed")),
        Check("every small request is served", {*small["codes"]} == {"200"}),
        Check(f"small p99 is at most {MOST_SMALL_P99_MS:g} ms", waits[0] <= MOST_SMALL_P99_MS),
        Check(
            f"in its first seconds none waits over {MOST_SMALL_ONSET_MS:g} ms",
            onset <= MOST_SMALL_ONSET_MS,
        ),
        Check("the noisy one is served, too", noisy["codes"].get("200", 0) > 0),
        Check(f"noisy p99 is at most {MOST_NOISY_P99_MS:g} ms", waits[1] <= MOST_NOISY_P99_MS),
        Check(f"RSS grows by at most {MOST_GROWTH_KIB} KiB", grown <= MOST_GROWTH_KIB),
        Check("nothing is left in flight", found["after"]["in_flight"] == 0),
    ]


def show(found: dict[str, Any], checks: list[Check]) -> None:
    """Print the figures and the checks."""
    for name in ("calm", "small", "noisy"):
        one = found[name]
        waits = " ".join(
            f"{kind} {quantile} {one[f'{kind}_{quantile}_us'] / 1e3:.1f} ms"
            for kind in ("served", "refused", "onset_served")
            for quantile in ("p50", "p99", "max")
            if f"{kind}_{quantile}_us" in one
        )
        rest = f"missed {one['missed']} failed {one['failed']} {one['error']}"
        print(f"{name:6} {one['codes']} {waits} {rest}")
    memory = found["before"]["rss_kib"], found["after"]["rss_kib"]
    print(f"limited: {found['limited']}; lateness {found['mean_lateness_ms']:.1f} ms on average")
    print(f"RSS: {memory[0]} KiB before, {memory[1]} KiB after")
    for check in checks:
        print(f"{'pass' if check.holds else 'FAIL'}: {check.what}")


def _sum(found: dict[str, Any], what: str) -> int:
    return int(found["small"][what] + found["noisy"][what])


if __name__ == "__main__":
    sys.exit(main())
