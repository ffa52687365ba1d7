"""``make bench``: the proxy beside Go, nginx and haproxy; see docs/performance.md."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console

from bench import report
from bench.about import about_machine
from bench.capacity import Costs, People, Replica, measured, report_lines
from bench.driver import Driver
from bench.needed import missing
from bench.pages import put
from bench.readings import Reading, with_added
from bench.report import Grid
from bench.scenarios import Effort, Scenario, scenarios
from bench.scenarios.warm import warm
from bench.servers import ROOT, Workshop, all_open_files, workshop
from bench.stands import DIRECT, GATE, PEERS, VARIANTS, stands

PAGE = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "bench" / "results"
WATCHES = 5000
FILES_FOR_A_WATCH = 2.2
"""Two connections in the proxy, and a reserve."""

WIDEST = 200
"""Columns, more than any table has; a narrower terminal breaks the lines."""


def main() -> int:
    """Run the command. The exit status is 1 where something failed or is missing."""
    if sys.argv[1:2] == ["tunnel"]:
        from bench import tunnel

        return tunnel.main(sys.argv[2:])
    chosen = _chosen()
    if wanting := missing():
        print("make bench needs:", *wanting, sep="\n  ", file=sys.stderr)
        return 1
    open_files = all_open_files()
    effort = _effort(chosen.quick, open_files)
    wanted = [one for one in scenarios(effort) if chosen.only in one.name]
    with tempfile.TemporaryDirectory(prefix="sekisho-bench-") as folder:
        Path(folder).chmod(0o755)  # nginx's worker may be another user
        with workshop(Path(folder)) as shop:
            failures = _beside_peers(shop, wanted, open_files, chosen)
            if not (chosen.no_growth or chosen.only or chosen.quick):
                failures += _growth(shop, chosen.write_docs)
    if chosen.write_docs:
        put(PAGE, "capacity", _capacity())
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _chosen() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds (3)")
    parser.add_argument("--minutes", type=float, default=10, help="time limit of all rounds (10)")
    parser.add_argument("--only", default="", help="scenarios whose names contain this, no growth")
    parser.add_argument("--quick", action="store_true", help="one round, less load, no growth")
    parser.add_argument("--no-growth", action="store_true", help="leave out the growth curves")
    parser.add_argument("--write-docs", action="store_true", help=f"tables and curves into {PAGE}")
    parser.add_argument("--output", type=Path, default=RESULTS / "latest.json", help="all figures")
    chosen = parser.parse_args()
    if chosen.write_docs and (chosen.only or chosen.quick):
        parser.error("--write-docs is for the figures of a whole run, without --only and --quick")
    return chosen


def _effort(quick: bool, open_files: int) -> Effort:
    watches = min(WATCHES, int(open_files / FILES_FOR_A_WATCH))
    if watches < WATCHES:
        _say(f"{watches} watches instead of {WATCHES}: no more files may be open (ulimit -Hn)")
    return Effort(0.2, min(500, watches)) if quick else Effort(1.0, watches)


def _beside_peers(
    shop: Workshop, wanted: Sequence[Scenario], open_files: int, chosen: argparse.Namespace
) -> list[str]:
    """Measure everything and report it; return the failures."""
    with stands(shop, open_files) as found:
        driver = Driver(shop, {one.name: one for one in found}, _say, warm)
        driver.run(wanted, 1 if chosen.quick else chosen.rounds, chosen.minutes * 60)
        driver.end()
    readings = with_added(driver.readings, DIRECT)
    grids = _grids(readings, wanted, driver.stands)
    machine = about_machine()
    console = Console(width=WIDEST)
    for grid in reversed(grids):  # the last is what stays on the screen
        report.show(grid, console)
    words = report.doubts(readings, DIRECT)
    for word in words:
        _say(word)
    _write(chosen.output, readings, machine, driver.failures)
    if chosen.write_docs:
        put(PAGE, "figures", report.page(grids, words, machine))
        _say(f"written to {PAGE}")
    return driver.failures


def _grids(
    readings: Sequence[Reading], wanted: Sequence[Scenario], known: Collection[str]
) -> list[Grid]:
    """Return the tables that are not empty, the most important first."""
    servers = [name for name in (GATE, *PEERS, DIRECT) if name in known]
    peers = [name for name in ("go", "nginx", DIRECT) if name in known]
    others = [name for name in VARIANTS if name in known]
    grids = [
        report.targets(readings),
        report.compared(readings, wanted, GATE, peers),
        report.values(readings, wanted, servers),
        report.variants(readings, wanted, GATE, others),
    ]
    return [grid for grid in grids if grid.rows]


def _write(
    file: Path, readings: Sequence[Reading], machine: dict[str, str], failures: Sequence[str]
) -> None:
    """Write all results, for comparisons with other runs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    about = {"when": when, "machine": machine, "failures": failures}
    everything = {**about, "readings": [asdict(one) for one in readings]}
    file.write_text(json.dumps(everything, indent=1) + "\n")
    _say(f"written to {file}")


def _growth(shop: Workshop, into_docs: bool) -> list[str]:
    """Draw the growth curves; return the failures."""
    try:
        from bench.growth import FOLDER, grow
    except ImportError as exc:
        _say(f"growth curves are left out: {exc}; make bench installs what they need")
        return []
    folder = FOLDER if into_docs else RESULTS / "growth"
    try:
        figures = grow(shop, folder)
    except Exception as exc:
        return [f"growth: {exc!r}"]
    (RESULTS / "growth.json").write_text(json.dumps(figures, indent=1) + "\n")
    _say(f"curves drawn into {folder}")
    return []


def _capacity() -> str:
    """Calculate how many replicas 100,000 developers need, from the measurements."""
    known = measured(RESULTS)
    return "\n".join(
        ("```", *report_lines(People(), replace(Costs(), **known), Replica(), known), "```")
    )


def _say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    sys.exit(main())
