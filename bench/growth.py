"""Growth: the cost of a request with many users, clusters, groups and connections.

    python -m bench.growth [--full] [--only NAME]

draws the curves into docs/performance/, as ``make bench`` does, and writes the figures to
bench/results/growth.json. Each point is the CPU time, as the system counts it, of a proxy that runs
as users run it.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from bench.growth_curves import clusters, connections, fan_out, groups, tokens
from bench.growth_load import upstream
from bench.plots import Panel, draw
from bench.servers import ROOT, Workshop, workshop

FOLDER = ROOT / "docs" / "performance"
RESULTS = ROOT / "bench" / "results" / "growth.json"

Measure = Callable[[Workshop, Sequence[int]], list[Panel]]

_MEASURES: dict[str, tuple[Measure, tuple[int, ...], tuple[int, ...]]] = {
    "tokens": (
        tokens,
        (10, 1_000, 30_000, 1_000_000),
        (10, 100, 1_000, 10_000, 100_000, 300_000, 1_000_000),
    ),
    "clusters": (clusters, (1, 100, 1_000, 5_000), (1, 10, 100, 500, 1_000, 2_500, 5_000)),
    "groups": (groups, (1, 10, 100, 500), (1, 3, 10, 30, 100, 200, 500)),
    # Upstream and client are a process each; a process may have 20,000 open files.
    "watches": (
        partial(connections, sessions=False),
        (100, 1_000, 6_000),
        (100, 300, 1_000, 3_000, 9_000, 19_000),
    ),
    "events": (fan_out, (100, 1_000), (10, 100, 1_000, 3_000)),
    "sessions": (
        partial(connections, sessions=True),
        (10, 200, 2_000),
        (10, 50, 200, 500, 1_000, 2_000),
    ),
}
"""The measurements: function, points, and points with ``--full``."""


def grow(shop: Workshop, folder: Path, *, full: bool = False, only: str = "") -> dict[str, object]:
    """Measure, and draw the curves into ``folder``; return the figures by drawing."""
    folder.mkdir(parents=True, exist_ok=True)
    figures: dict[str, object] = {}
    with upstream(shop):
        for name, (measure, some, many) in _MEASURES.items():
            if only not in name:
                continue
            print(f"growth: {name}", flush=True)
            panels = measure(shop, many if full else some)
            draw(folder / f"{name}.svg", panels)
            figures[name] = [asdict(panel) for panel in panels]
    return figures


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--full", action="store_true", help="more points")
    parser.add_argument("--only", default="", help="drawings whose names contain this")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to draw")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, workshop(Path(folder)) as shop:
        figures = grow(shop, chosen.folder, full=chosen.full, only=chosen.only)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() and chosen.only else {}
    RESULTS.write_text(json.dumps(before | figures, indent=1) + "\n")
    print(f"drawn into {chosen.folder}; figures in {RESULTS}")


if __name__ == "__main__":
    main()
