"""``python -m bench.failover``: what clients see when replicas and PostgreSQL fail.

Three replicas on PostgreSQL with a standby, behind HAProxy, in front of a real API server. Clients
send 200 requests a second, hold 500 watches, and sign in once a second, while one fault follows the
other. It needs HAProxy, PostgreSQL, Go, and what ``make demo`` needs, and takes about ten minutes.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.about import about_machine
from bench.failover_clients import clients, parsed
from bench.failover_faults import CASES, Case, fault
from bench.failover_results import Outcome, Window, outcome, table
from bench.failover_stand import Replica, Stand, stand
from bench.pages import put
from bench.servers import ROOT, all_open_files, workshop

PAGE = ROOT / "docs" / "high-availability.md"
RESULTS = ROOT / "bench" / "results" / "failover.json"
WARM_UP_SECONDS = 20.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.failover", description=__doc__)
    parser.add_argument("--rate", type=float, default=200, help="requests a second (200)")
    parser.add_argument("--watches", type=int, default=500, help="watches (500)")
    parser.add_argument("--only", default="", help="faults whose names contain this")
    parser.add_argument("--write-docs", action="store_true", help=f"the table into {PAGE}")
    parser.add_argument("--output", type=Path, default=RESULTS, help="all figures")
    chosen = parser.parse_args(arguments)
    if chosen.write_docs and chosen.only:
        parser.error("--write-docs is for the figures of a whole run, without --only")
    all_open_files()
    cases = [one for one in CASES if chosen.only in one.name]
    with (
        tempfile.TemporaryDirectory(prefix="sekisho-bench-") as folder,
        workshop(Path(folder)) as shop,
        stand(shop) as made,
    ):
        with clients(shop, made, chosen.rate, chosen.watches) as report:
            time.sleep(WARM_UP_SECONDS)
            windows = [_calm(), *(_run(made, one) for one in cases)]
        events = parsed(report.read_text().splitlines())
    outcomes = [outcome(one, events) for one in windows]
    _show(outcomes)
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    machine = about_machine()
    figures = {"machine": machine, "outcomes": [asdict(one) for one in outcomes]}
    chosen.output.write_text(json.dumps(figures, indent=1) + "\n")
    if chosen.write_docs:
        put(PAGE, "failover", _described(machine, chosen.rate, chosen.watches, outcomes))
    return 0


def _calm() -> Window:
    begin = time.time()
    time.sleep(20)
    return Window("none", begin, time.time(), None)


def _run(stand: Stand, case: Case) -> Window:
    """Let a fault happen, and wait until all is as before."""
    leader = stand.leader()
    print(f"{case.name} (pid {leader.pid})", flush=True)
    begin = time.time()
    with fault(case, stand, leader):
        leased = _new_leader(stand, leader, begin + case.seconds)
        time.sleep(max(0.0, begin + case.seconds - time.time()))
    if leased is None and leader.leads is False:
        leased = _new_leader(stand, None, time.time() + 60)
    stand.settle()
    return Window(case.name, begin, time.time(), leased)


def _new_leader(stand: Stand, old: Replica | None, until: float) -> float | None:
    """Return when a replica other than ``old`` leads the cluster; None if none does until then."""
    others = [one for one in stand.replicas if one is not old]
    while time.time() < until:
        if any(one.leads for one in others):
            return time.time()
        time.sleep(0.1)
    return None


def _show(outcomes: Sequence[Outcome]) -> None:
    print(table(outcomes))
    for one in outcomes:
        print(f"{one.name}: {one.reasons}")


def _described(
    machine: dict[str, str], rate: float, watches: int, outcomes: Sequence[Outcome]
) -> str:
    """Return the table with the machine and the load."""
    names = ("CPU", "kernel", "Python", "HAProxy", "PostgreSQL", "Go")
    known = ", ".join(f"{name} {machine[name]}" for name in names if name in machine)
    return (
        f"Measured with {rate:g} requests a second, {watches} watches, and a sign-in a second, all "
        f"on one machine without a network: {known}.\n\n{table(outcomes)}"
    )


if __name__ == "__main__":
    sys.exit(main())
