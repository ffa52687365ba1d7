"""Curves as SVG: readable as text, and the same each time."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pytest.importorskip("matplotlib", reason="pip install -r requirements/bench.txt")

from bench.plots import Curve, Panel, draw

PANELS = [
    Panel("Requests", "clusters", "CPU µs", [Curve("one", [(1, 50), (5000, 52)])]),
    Panel(
        "Memory", "clusters", "MiB", [Curve("a", [(1, 100)]), Curve("b", [(10, 90), (1000, 120)])]
    ),
]


def test_a_drawing_names_its_axes_and_counts_in_decades(tmp_path: Path) -> None:
    draw(tmp_path / "x.svg", PANELS)
    said = {"".join(one.itertext()).strip() for one in ET.parse(tmp_path / "x.svg").iter()}
    assert {"Requests", "Memory", "clusters", "CPU µs", "MiB", "a", "b", "1,000"} <= said


def test_the_same_figures_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("x", "y"):
        draw(tmp_path / f"{name}.svg", PANELS)
    drawn = (tmp_path / "x.svg").read_bytes()
    assert drawn == (tmp_path / "y.svg").read_bytes()
    assert len(drawn) < 40_000
