"""``make bench``: every scenario, against every server in turn, several rounds, interleaved."""

import argparse
import platform
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from bench.report import Rounds, show, table, write
from bench.scenarios import Scenario, scenarios
from bench.servers import ROOT, Gate, Server, Workshop, workshop


def main() -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--watches", type=int, default=1000)
    parser.add_argument("--only", help="scenarios whose names contain this")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results" / "latest.json")
    chosen = parser.parse_args()
    for needed in ("go", "wrk"):
        if shutil.which(needed) is None:
            print(
                f"make bench needs {needed}; on Debian: apt-get install {needed}", file=sys.stderr
            )
            return 1
    wanted = [one for one in scenarios(chosen.watches) if (chosen.only or "") in one.name]
    with tempfile.TemporaryDirectory() as folder, workshop(Path(folder)) as shop:
        Path(folder).chmod(0o755)  # nginx's worker may be somebody else
        servers = start(shop)
        names = [server.name for server in servers]
        rounds = run(shop, servers, wanted, chosen.rounds)
    show(table(wanted, rounds, names))
    about = {"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "rounds": chosen.rounds}
    write(chosen.output, rounds, about | {"machine": platform.processor() or platform.machine()})
    print(f"written to {chosen.output}")
    return 0


def start(shop: Workshop) -> list[Server]:
    """Every server that can be had here."""
    direct = shop.upstream()
    gate = Gate(shop)
    gate.prepare()
    servers = [gate.start()]
    print(f"sekisho: ready after {gate.seconds_to_ready:.2f} s", flush=True)
    servers.append(shop.go(gate.token))
    for name, made in (("nginx", shop.nginx()), ("haproxy", shop.haproxy())):
        if made is None:
            print(f"{name} isn't installed: left out", flush=True)
        else:
            servers.append(made)
    return [*servers, direct]


def run(shop: Workshop, servers: list[Server], wanted: list[Scenario], rounds: int) -> Rounds:
    """Interleaved, so that a machine that slows down for a while does so for all of them."""
    figures: Rounds = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for number in range(rounds):
        for scenario in wanted:
            for server in servers:
                print(f"round {number + 1}: {scenario.name}: {server.name}", flush=True)
                for name, value in scenario.run(shop, server).items():
                    figures[scenario.name][server.name][name].append(value)
    return figures


if __name__ == "__main__":
    sys.exit(main())
