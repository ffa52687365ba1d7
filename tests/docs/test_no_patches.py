"""Tests use the code as it is: none replaces a constant, a function or a method of Sekisho.

A test that needs a shorter time or a smaller limit passes it to a constructor, where the constant
is the default.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = frozenset(
    {"agent", "bench", "config", "impersonation", "management", "providers", "proxy", "store"}
)


def patches(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted names of what a test module sets in Sekisho's modules and classes."""
    imported: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                imported[name.asname or name.name] = f"{node.module}.{name.name}"
        elif isinstance(node, ast.Import):
            for name in node.names:
                imported[name.asname or name.name] = name.name
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_setattr(node.func) and node.args:
            target = _target(node.args, imported)
            if target.partition(".")[0] in PACKAGES:
                yield target


def _is_setattr(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else ""
    return name == "setattr" or (isinstance(function, ast.Name) and function.id == "setattr")


def _target(arguments: list[ast.expr], imported: dict[str, str]) -> str:
    """Return the dotted name of what ``setattr(*arguments)`` sets; "" for a local object."""
    first = arguments[0]
    if isinstance(first, ast.Constant):
        return str(first.value)
    if ast.unparse(first) not in imported or len(arguments) < 2:
        return ""
    attribute = arguments[1]
    return f"{imported[ast.unparse(first)]}.{getattr(attribute, 'value', '?')}"


def test_no_test_replaces_parts_of_sekisho() -> None:
    found = {}
    for file in sorted((ROOT / "tests").rglob("*.py")):
        names = set(patches(ast.parse(file.read_text())))
        if names:
            found[file.relative_to(ROOT).as_posix()] = names
    assert found == {}


def test_patch_by_dotted_name_and_by_module_is_found() -> None:
    source = """
from store import engine
from proxy.app import App
import socket
monkeypatch.setattr("providers.local.MAX", 1)
monkeypatch.setattr(engine, "BUSY", 1)
setattr(App, "run", None)
monkeypatch.setattr(socket, "getaddrinfo", None)
"""
    assert set(patches(ast.parse(source))) == {
        "providers.local.MAX",
        "store.engine.BUSY",
        "proxy.app.App.run",
    }
