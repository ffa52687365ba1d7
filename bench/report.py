"""Figures of several rounds as a table, each beside its peers'."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.scenarios import Scenario

Rounds = dict[str, dict[str, dict[str, list[float]]]]
"""Scenario, server, figure: one value for each round."""


def table(scenarios: Sequence[Scenario], rounds: Rounds, servers: Sequence[str]) -> Table:
    """The median of each figure with the least and the most, and the gate's ratio to each peer."""
    shown = Table(title="median (least to most) of each figure", title_justify="left")
    shown.add_column("scenario")
    for server in servers:
        shown.add_column(server, justify="right")
    peers = [server for server in servers if server not in {"sekisho", "direct"}]
    for peer in peers:
        shown.add_column(f"÷ {peer}", justify="right")
    for scenario in scenarios:
        for figure in scenario.headline:
            values = {
                server: rounds.get(scenario.name, {}).get(server, {}).get(figure, [])
                for server in servers
            }
            ratios = [_ratio(values["sekisho"], values[peer]) for peer in peers]
            label = f"{scenario.name}: {figure}"
            shown.add_row(label, *(_spread(values[server]) for server in servers), *ratios)
    return shown


def write(file: Path, rounds: Rounds, about: Mapping[str, object]) -> None:
    """Everything, for comparison with other runs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"about": about, "rounds": rounds}, indent=1) + "\n")


def show(shown: Table) -> None:
    """Print, without cutting anything off."""
    Console(width=160).print(shown)


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "–"
    middle = statistics.median(values)
    return f"{_short(middle)} ({_short(min(values))} to {_short(max(values))})"


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    if not ours or not theirs or not statistics.median(theirs):
        return "–"
    return f"{statistics.median(ours) / statistics.median(theirs):.2f}"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
