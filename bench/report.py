"""Tables of the results, for a terminal and for a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from bench.readings import Reading, Spread, figure, ratios, spread
from bench.scenarios.scenario import Scenario
from bench.targets import TARGETS

NOTHING = "–"

MOST_LATE_US = 1000
"""If the client sends later than that, the quantiles show the client, not a server."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of text. The first column labels the rows."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def values(
    readings: Sequence[Reading], scenarios: Sequence[Scenario], servers: Sequence[str]
) -> Grid:
    """Return the median of each figure of each server."""
    rows = [
        (
            label,
            *(
                _middle(spread(figure(readings, scenario, server, key).values()))
                for server in servers
            ),
        )
        for label, scenario, key in _rows(scenarios)
    ]
    return Grid("Figures: the median over the rounds", ("", *servers), _known(rows))


def compared(
    readings: Sequence[Reading],
    scenarios: Sequence[Scenario],
    gate: str,
    peers: Sequence[str],
) -> Grid:
    """Return the proxy's figures divided by each peer's: median, minimum, maximum."""
    rows = []
    for label, scenario, key in _rows(scenarios):
        ours = figure(readings, scenario, gate, key)
        spreads = [spread(ratios(ours, figure(readings, scenario, peer, key))) for peer in peers]
        rows.append((label, *map(_spread, spreads)))
    title = "Ratios: the median over the rounds (least–most)"
    return Grid(title, ("", *(f"÷ {peer}" for peer in peers)), _known(rows))


def variants(
    readings: Sequence[Reading], scenarios: Sequence[Scenario], gate: str, others: Sequence[str]
) -> Grid:
    """Return other configurations of the proxy divided by the default one."""
    rows = []
    for label, scenario, key in _rows([one for one in scenarios if one.variants]):
        base = figure(readings, scenario, gate, key)
        spreads = [spread(ratios(figure(readings, scenario, other, key), base)) for other in others]
        rows.append((label, _middle(spread(base.values())), *map(_spread, spreads)))
    header = ("", gate, *(f"{other} ÷ {gate}" for other in others))
    return Grid("Other configurations of the proxy", header, _known(rows))


def targets(readings: Sequence[Reading]) -> Grid:
    """Return each measured target, and whether the median reached it."""
    rows = []
    for target in TARGETS:
        limits = (target.text, target.shown(target.target), target.shown(target.moonshot))
        measured = spread(target.measure(readings))
        if measured is not None:
            rows.append((*limits, _spread(measured), target.verdict(measured.middle)))
    return Grid("Targets", ("", "target", "moonshot", "measured", ""), tuple(rows))


def show(grid: Grid, console: Console) -> None:
    """Print a table without truncation."""
    shown = Table(title=grid.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, head in enumerate(grid.header):
        shown.add_column(head, justify="right" if number else "left", no_wrap=True)
    for row in grid.rows:
        shown.add_row(*row)
    console.print(shown)


def markdown(grid: Grid) -> str:
    """Return a table as Markdown."""
    rule = ["---", *("---:" for _ in grid.header[1:])]
    lines = [f"| {' | '.join(cells)} |" for cells in (grid.header, rule, *grid.rows)]
    return f"**{grid.title}**\n\n" + "\n".join(lines) + "\n"


def doubts(readings: Sequence[Reading], direct: str) -> list[str]:
    """Return warnings about quantiles: rounds in which the client itself was late."""
    late = {
        scenario: spread(figure(readings, scenario, direct, "late_p99_us").values())
        for scenario in dict.fromkeys(one.scenario for one in readings)
    }
    return [
        f"{scenario}: the client itself was {short(known.middle / 1e3)} ms late at p99, going "
        "direct: the machine was busy with other things, don't trust p99 and p99.9."
        for scenario, known in late.items()
        if known is not None and known.middle > MOST_LATE_US
    ]


def page(grids: Sequence[Grid], words: Sequence[str], machine: Mapping[str, str]) -> str:
    """Return a page with the machine, the remarks and the tables."""
    versions = ", ".join(f"{name} {which}" for name, which in machine.items() if name != "CPU")
    tables = "\n".join(markdown(grid) for grid in grids)
    said = "".join(f"{word}\n\n" for word in words)
    return f"Measured on {machine['CPU']}; {versions}.\n\n{said}{tables}"


def _rows(scenarios: Sequence[Scenario]) -> list[tuple[str, str, str]]:
    return [
        (f"{scenario.name}: {one.label}", scenario.name, one.key)
        for scenario in scenarios
        for one in scenario.figures
    ]


def _known(rows: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Return only the rows with figures."""
    return tuple(row for row in rows if any(cell != NOTHING for cell in row[1:]))


def _middle(known: Spread | None) -> str:
    return NOTHING if known is None else short(known.middle)


def _spread(known: Spread | None) -> str:
    if known is None:
        return NOTHING
    return f"{short(known.middle)} ({short(known.least)}–{short(known.most)})"


def short(value: float) -> str:
    """Return a number with three digits, or all digits before the point."""
    size = abs(value)
    if size >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"
