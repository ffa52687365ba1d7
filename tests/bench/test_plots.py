"""Curves drawn as SVG contain text and are reproducible."""

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


def test_drawing_contains_axis_names_and_decade_ticks(tmp_path: Path) -> None:
    draw(tmp_path / "x.svg", PANELS)
    texts = {"".join(one.itertext()).strip() for one in ET.parse(tmp_path / "x.svg").iter()}
    assert {"Requests", "Memory", "clusters", "CPU µs", "MiB", "a", "b", "1,000"} <= texts


def test_drawing_of_equal_figures_has_equal_bytes(tmp_path: Path) -> None:
    for name in ("x", "y"):
        draw(tmp_path / f"{name}.svg", PANELS)
    drawn = (tmp_path / "x.svg").read_bytes()
    assert drawn == (tmp_path / "y.svg").read_bytes()
    assert len(drawn) < 40_000
