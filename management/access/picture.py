"""Draw chains as an SVG: columns of boxes, from subjects to rules. Pure.

The picture uses ``currentColor`` only, and one constant style chooses that colour for light and
dark screens, because an image cannot use the colours of its page. It has no background, script or
link: text from clusters and providers is escaped.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

from impersonation.display_names import visible
from management.access.chains import Step, StepKind

MAX_ROWS = 24
"""Boxes in one column. The last one counts those that are left out."""

MAX_PATHS = 2000
"""Chains that are drawn."""

MAX_TEXT = 28
"""Characters of a box's line; the box's title has more."""

MAX_TITLE = 300

STYLE = (
    "svg:root{color:#1f2328;color-scheme:light dark}"
    "@media (prefers-color-scheme:dark){svg:root{color:#e6e6e3}}"
)
"""The style of every picture, with the colours of ``page.css``. Inline in HTML it does nothing."""

BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y, MARGIN = 216, 44, 56, 12, 16

_COLUMN: dict[StepKind, int] = {
    "person": 0,
    "user": 0,
    "service_account": 0,
    "everyone": 1,
    "group": 1,
    "sekisho_binding": 2,
    "sekisho_role": 3,
    "cluster_role_binding": 4,
    "role_binding": 4,
    "cluster_role": 5,
    "role": 5,
    "rule": 6,
    "superuser": 6,
}
"""The order of steps from left to right. Columns without a box take no space."""

_LABEL: dict[StepKind, str] = {
    "person": "person",
    "user": "user of the cluster",
    "service_account": "service account",
    "everyone": "group",
    "group": "group",
    "sekisho_binding": "granted in",
    "sekisho_role": "role in Sekisho",
    "cluster_role_binding": "cluster role binding",
    "role_binding": "role binding",
    "cluster_role": "cluster role",
    "role": "role",
    "rule": "rule",
    "superuser": "API server",
}

Node = tuple[int, str, str, str]
"""A column, and the kind, id and place of a step: in two columns it is drawn twice."""


@dataclass(slots=True)
class _Column:
    boxes: dict[Node, Step] = field(default_factory=dict)
    left_out: set[Node] = field(default_factory=set)

    def add(self, node: Node, step: Step) -> None:
        if node in self.boxes or node in self.left_out:
            return
        if len(self.boxes) < MAX_ROWS - 1:
            self.boxes[node] = step
        else:
            self.left_out.add(node)

    @property
    def rows(self) -> int:
        return len(self.boxes) + bool(self.left_out)


def draw(paths: Iterable[Sequence[Step]], title: str, description: str) -> str:
    """Return an SVG of the paths. Its size depends on MAX_ROWS only, whatever the paths are."""
    chosen = _drawn(paths)
    columns: dict[int, _Column] = {}
    edges: dict[tuple[Node, Node], None] = {}
    for path in chosen:
        nodes = list(_nodes(path))
        for node, step in zip(nodes, path, strict=True):
            columns.setdefault(node[0], _Column()).add(node, step)
        edges |= dict.fromkeys(pairwise(nodes))
    return _svg(dict(sorted(columns.items())), list(edges), title, description)


def _drawn(paths: Iterable[Sequence[Step]]) -> list[Sequence[Step]]:
    found: list[Sequence[Step]] = []
    for path in paths:
        if len(found) >= MAX_PATHS:
            break
        if path:
            found.append(path)
    return found


def _nodes(path: Sequence[Step]) -> Iterator[Node]:
    """Yield the node of each step: in the column of its kind, right of the step before it."""
    column = -1
    for step in path:
        column = max(column + 1, _COLUMN[step.kind])
        place = "" if step.kind == "person" else step.place
        yield column, step.kind, step.id or step.name, place


def _svg(
    columns: dict[int, _Column], edges: list[tuple[Node, Node]], title: str, description: str
) -> str:
    most = max((one.rows for one in columns.values()), default=0)
    width = 2 * MARGIN + max(len(columns) * (BOX_WIDTH + GAP_X) - GAP_X, BOX_WIDTH)
    height = 2 * MARGIN + max(most * (BOX_HEIGHT + GAP_Y) - GAP_Y, BOX_HEIGHT)
    places = _places(columns, height)
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="system-ui, sans-serif" '
        'font-size="13" fill="none" stroke="currentColor">'
    )
    drawn = [_edge(places[a], places[b]) for a, b in edges if a in places and b in places]
    return "".join(
        [
            opening,
            f"<style>{STYLE}</style>",
            f"<title>{_text(title, MAX_TITLE)}</title><desc>{_text(description, MAX_TITLE)}</desc>",
            f'<g stroke-opacity="0.45">{"".join(dict.fromkeys(drawn))}</g>' if drawn else "",
            *(_boxes(column, places) for column in columns.values()),
            "" if columns else _nothing(),
            "</svg>",
        ]
    )


def _places(columns: dict[int, _Column], height: int) -> dict[Node, tuple[int, int]]:
    """Return the upper left corner of each box. Boxes that are left out share one place."""
    found: dict[Node, tuple[int, int]] = {}
    for number, column in enumerate(columns.values()):
        x = MARGIN + number * (BOX_WIDTH + GAP_X)
        used = column.rows * (BOX_HEIGHT + GAP_Y) - GAP_Y
        y = (height - used) // 2
        for node in column.boxes:
            found[node] = x, y
            y += BOX_HEIGHT + GAP_Y
        found |= dict.fromkeys(column.left_out, (x, y))
    return found


def _edge(one: tuple[int, int], other: tuple[int, int]) -> str:
    (x1, y1), (x2, y2) = one, other
    x1, y1, y2 = x1 + BOX_WIDTH, y1 + BOX_HEIGHT // 2, y2 + BOX_HEIGHT // 2
    middle = (x1 + x2) // 2
    return f'<path d="M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"/>'


def _boxes(column: _Column, places: dict[Node, tuple[int, int]]) -> str:
    found = [
        _box(places[node], _LABEL[step.kind], step.name, step.place)
        for node, step in column.boxes.items()
    ]
    if column.left_out:
        place = places[next(iter(column.left_out))]
        found.append(_box(place, "", f"and {len(column.left_out)} more", ""))
    return "".join(found)


def _box(corner: tuple[int, int], label: str, name: str, place: str) -> str:
    x, y = corner
    head = f"{label} · {place}" if place else label
    whole = f"{head}: {name}" if head else name
    return (
        f"<g><title>{_text(whole, MAX_TITLE)}</title>"
        f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6" '
        'fill="currentColor" fill-opacity="0.06" stroke-opacity="0.6"/>'
        '<g fill="currentColor" stroke="none">'
        f'<text x="{x + 10}" y="{y + 17}" font-size="10.5" fill-opacity="0.75">'
        f"{_text(head, MAX_TEXT + 6)}</text>"
        f'<text x="{x + 10}" y="{y + 34}">{_text(name, MAX_TEXT)}</text></g></g>'
    )


def _nothing() -> str:
    return f'<text x="{MARGIN}" y="{MARGIN + 20}" fill="currentColor" stroke="none">No one.</text>'


def _text(value: str, most: int) -> str:
    shown = visible(value[: 4 * most])
    return escape(shown if len(shown) <= most else f"{shown[: most - 1]}…")
