"""Write Grafana's dashboards as JSON, for the chart and for import by hand.

python deploy/dashboards/build.py [--output deploy/chart/files/dashboards]
"""

import argparse
import json
from pathlib import Path

from clusters import CLUSTERS
from controllers import CONTROLLERS
from gate import GATE
from overview import OVERVIEW
from sign_in import SIGN_IN

DASHBOARDS = (OVERVIEW, GATE, CLUSTERS, SIGN_IN, CONTROLLERS)
OUTPUT = Path(__file__).parents[1] / "chart" / "files" / "dashboards"


def main() -> None:
    """Write one file for each dashboard, named by its uid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    output: Path = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    for one in DASHBOARDS:
        text = json.dumps(one.to_grafana(), indent=1, ensure_ascii=False)
        (output / f"{one.uid}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
