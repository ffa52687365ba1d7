"""Asynchronous tests read and write SQLite files with ``tests/support/other_connection.py``.

A statement on the event loop stops it, while the store of this loop may hold the lock for which
the statement waits.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
TREES = {
    str(file.relative_to(ROOT)): ast.parse(file.read_text())
    for file in sorted((ROOT / "tests").rglob("*.py"))
}


def test_sqlite_is_not_used_on_an_event_loop() -> None:
    blocking = {name for tree in TREES.values() for name in blocking_functions(tree)}
    found = [
        f"{file}:{line}" for file, tree in TREES.items() for line in uses_on_loops(tree, blocking)
    ]
    assert found == []


def blocking_functions(tree: ast.Module) -> Iterator[str]:
    """Yield the names of functions that connect to SQLite and are not asynchronous."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(map(connects, ast.walk(node))):
            yield node.name


def uses_on_loops(tree: ast.Module, blocking: set[str]) -> Iterator[int]:
    """Yield the lines of asynchronous functions that connect, by a blocking function or not."""
    known = blocking & set(module_names(tree))
    for function in ast.walk(tree):
        if isinstance(function, ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and (connects(node) or name_of(node) in known):
                    yield node.lineno


def module_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names of the functions that a module defines or imports."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.ImportFrom):
            yield from (one.asname or one.name for one in node.names)


def connects(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and name_of(node) == "sqlite3.connect"


def name_of(call: ast.Call) -> str:
    return ast.unparse(call.func)


BAD = """
def locked(file):
    return sqlite3.connect(file)

async def test_reads():
    with closing(sqlite3.connect("x.db")) as other:
        other.execute("SELECT 1")

async def test_locks():
    with locked("x.db"):
        pass

def test_alone():
    with locked("x.db"):
        pass
"""


def test_uses_on_loops_are_found() -> None:
    tree = ast.parse(BAD)
    assert list(blocking_functions(tree)) == ["locked"]
    assert list(uses_on_loops(tree, {"locked", "elsewhere"})) == [6, 10]
