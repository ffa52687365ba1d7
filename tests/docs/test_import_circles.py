"""No modules import each other in a circle, not even late or for types only."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("agent", "config", "impersonation", "management", "providers", "proxy", "store")


def modules() -> dict[str, Path]:
    """Return every module by its name."""
    found = {}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = file
    return found


def imports(tree: ast.AST, known: dict[str, Path]) -> Iterator[str]:
    """Yield the known modules that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                inner = f"{node.module}.{one.name}"
                if inner in known:
                    yield inner
                elif node.module in known:
                    yield node.module


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of one circle; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        return list(exc.args[1])
    return []


def test_no_modules_import_each_other() -> None:
    known = modules()
    assert len(known) > 400
    graph = {
        name: set(imports(ast.parse(file.read_text()), known)) - {name}
        for name, file in known.items()
    }
    assert circle_in(graph) == []


@pytest.mark.parametrize(
    "source", ["import b", "from b import x", "def f():\n import b", "if TYPE_CHECKING:\n import b"]
)
def test_circle_is_found_wherever_the_import_is(source: str) -> None:
    known = {"a": Path(), "b": Path()}
    graph = {"a": set(imports(ast.parse(source), known)), "b": {"a"}}
    assert circle_in(graph)
