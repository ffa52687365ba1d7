"""Curves as SVG for the documentation: small files, identical for identical figures."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

WIDTH, HEIGHT = 4.6, 3.2
"""The size of a panel in inches. GitHub shows two of them side by side at full width."""

# Distinguishable with colour blindness (Okabe and Ito), and by their markers.
_COLOURS = ("#0072b2", "#d55e00", "#009e73")
_MARKERS = ("o", "s", "^")
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sekisho",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial", "sans-serif"],
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e4e4e4",
    # White also on a dark page: the lines' colours are chosen for it.
    "figure.facecolor": "white",
}


@dataclass(frozen=True, slots=True)
class Curve:
    """Points, ordered by x."""

    label: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves in one diagram: x is logarithmic, y begins at 0."""

    title: str
    x: str
    y: str
    curves: Sequence[Curve]


def draw(file: Path, panels: Sequence[Panel]) -> None:
    """Write panels side by side to ``file``."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH * len(panels), HEIGHT), layout="constrained")
        for axes, panel in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
        ):
            _draw_panel(axes, panel)
        figure.savefig(file, metadata={"Date": None})
    # Trailing blanks and a missing newline would fail the checks of a commit.
    file.write_text("\n".join(line.rstrip() for line in file.read_text().splitlines()) + "\n")


def _draw_panel(axes: Axes, panel: Panel) -> None:
    for curve, colour, marker in zip(panel.curves, _COLOURS, _MARKERS, strict=False):
        x, y = zip(*curve.points, strict=True)
        axes.plot(x, y, label=curve.label, color=colour, marker=marker, markersize=4.5)
    axes.set(title=panel.title, xlabel=panel.x, ylabel=panel.y, xscale="log")
    axes.set_ylim(0, 1.15 * max(y for curve in panel.curves for _, y in curve.points))
    axes.set_xticks(_ticks({x for curve in panel.curves for x, _ in curve.points}))
    axes.xaxis.set_major_formatter(FuncFormatter(_short))
    axes.xaxis.set_minor_locator(NullLocator())
    if len(panel.curves) > 1:
        axes.legend(frameon=False, loc="best")


def _ticks(measured: AbstractSet[float]) -> list[float]:
    """Return the first and last x, and the decades between with room for a label."""
    first, last = min(measured), max(measured)
    decades = [10.0**power for power in range(10)]
    return [first, *(one for one in decades if 2.5 * first < one < last / 2.5), last]


def _short(value: float, position: int | None = None) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:g} M"
    return f"{value / 1_000:g} k" if value >= 10_000 else f"{value:,.0f}"
