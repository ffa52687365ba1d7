"""``make bench``: the gate beside Go, nginx and haproxy; see docs/performance.md."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench import report
from bench.about import about_machine
from bench.driver import Driver
from bench.pages import put
from bench.readings import with_added
from bench.report import Grid
from bench.scenarios import Effort, Scenario, scenarios
from bench.servers import ROOT, all_open_files, workshop
from bench.stands import DIRECT, GATE, PEERS, VARIANTS, stands

PAGE = ROOT / "docs" / "performance.md"
LATEST = ROOT / "bench" / "results" / "latest.json"
WATCHES = 5000
FILES_FOR_A_WATCH = 2.2
"""Two connections in a proxy, and some to spare."""


def main() -> int:
    """The command; its exit status: 1 where something failed."""
    chosen = _chosen()
    for needed, package in (("go", "golang-go (1.22 or newer)"), ("wrk", "wrk")):
        if shutil.which(needed) is None:
            print(f"make bench needs {needed}; on Debian: apt-get install {package}")
            return 1
    open_files = all_open_files()
    effort = _effort(chosen.quick, open_files)
    wanted = [one for one in scenarios(effort) if (chosen.only or "") in one.name]
    with tempfile.TemporaryDirectory(prefix="sekisho-bench-") as folder:
        Path(folder).chmod(0o755)  # nginx's worker may be somebody else
        with workshop(Path(folder)) as shop, stands(shop, open_files) as found:
            driver = Driver(shop, {one.name: one for one in found}, _say)
            driver.run(wanted, 1 if chosen.quick else chosen.rounds, chosen.minutes * 60)
    return _report(driver, wanted, chosen)


def _chosen() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how many (3)")
    parser.add_argument("--minutes", type=float, default=10, help="no round is begun after (10)")
    parser.add_argument("--only", help="scenarios whose names contain this")
    parser.add_argument("--quick", action="store_true", help="one round, and less of everything")
    parser.add_argument("--no-growth", action="store_true", help="leave out the growth curves")
    parser.add_argument(
        "--write-docs", action="store_true", help=f"put the tables into {PAGE.name}"
    )
    parser.add_argument("--output", type=Path, default=LATEST, help="JSON of everything")
    return parser.parse_args()


def _effort(quick: bool, open_files: int) -> Effort:
    watches = min(WATCHES, int(open_files / FILES_FOR_A_WATCH))
    if watches < WATCHES:
        print(f"{watches} watches instead of {WATCHES}: no more files may be open (ulimit -Hn)")
    return Effort(0.2, min(500, watches)) if quick else Effort(1.0, watches)


def _report(driver: Driver, wanted: Sequence[Scenario], chosen: argparse.Namespace) -> int:
    readings = with_added(driver.readings, DIRECT)
    servers = [name for name in (GATE, *PEERS, DIRECT) if name in driver.stands]
    peers = [name for name in ("go", "nginx", DIRECT) if name in driver.stands]
    others = [name for name in VARIANTS if name in driver.stands]
    title = "Ratios: the median over the rounds (least–most)"
    grids = [
        report.targets(readings),
        report.compared(readings, wanted, GATE, peers, title),
        report.values(readings, wanted, servers),
        report.variants(readings, wanted, GATE, others),
    ]
    console = Console(width=max(100, Console().width))
    for grid in (one for one in grids if one.rows):
        report.show(grid, console)
    machine = about_machine()
    about = {"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "machine": machine}
    report.write(chosen.output, readings, about | {"failures": driver.failures})
    print(f"written to {chosen.output}")
    for failure in driver.failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    if chosen.write_docs:
        put(PAGE, _page(grids, machine))
        print(f"written to {PAGE}")
    return 1 if driver.failures else 0


def _page(grids: Sequence[Grid], machine: dict[str, str]) -> str:
    said = ", ".join(f"{name} {which}" for name, which in machine.items() if name != "CPU")
    return f"Measured on {machine['CPU']}, with {said}.\n\n" + "\n".join(
        map(report.markdown, grids)
    )


def _say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    sys.exit(main())
