"""What a fixture or a context manager starts ends, even if a later line of its set-up fails.

Otherwise a server keeps its port, and its hold on the shared cluster, until the end of the run, and
one failure becomes many. A server of Sekisho is started by ``with running(server)``. For anything
else, the ``try`` follows the start, and contains the rest of the set-up and the ``yield``.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "tests").rglob("*.py"))

STARTS = frozenset({"Popen", "create_subprocess_exec", "start", "start_kubectl", "__aenter__"})
"""Functions and methods that start something. What runs on a test's event loop ends with it."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.mark.parametrize("file", FILES, ids=lambda one: str(one.relative_to(ROOT)))
def test_set_up_ends_what_it_has_started_when_it_fails(file: Path) -> None:
    tree = ast.parse(file.read_text())
    functions = [one for one in ast.walk(tree) if isinstance(one, Function) and yields(one)]
    found = [line for one in functions for line in unprotected(one.body, [])]
    assert [f"{file.name}:{line}" for line in found] == []


def yields(node: ast.AST) -> bool:
    """Return whether a statement yields, or a function does, without the functions in it."""
    return any(isinstance(one, ast.Yield | ast.YieldFrom) for one in walk(node))


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes below a node, except those of functions in it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Function | ast.Lambda):
            yield child
            yield from walk(child)


def unprotected(block: list[ast.stmt], outside: list[ast.stmt]) -> Iterator[int]:
    """Yield the lines of starts in a block that no ``try`` follows. ``outside`` comes after it."""
    for position, one in enumerate(block):
        after = [*block[position + 1 :], *outside]
        if isinstance(one, ast.With | ast.AsyncWith):
            yield from unprotected(one.body, after)
        elif isinstance(one, ast.For | ast.AsyncFor | ast.While | ast.If):
            again = [one] if isinstance(one, ast.For | ast.AsyncFor | ast.While) else []
            yield from unprotected(one.body, [*again, *after])
        elif (
            not isinstance(one, ast.Try | Function)
            and starts(one)
            and not (yields(one) or is_protected(after))
        ):
            yield one.lineno


def starts(statement: ast.stmt) -> bool:
    """Return whether a statement starts something, and does not end with the generator."""
    calls = (one for one in walk(statement) if isinstance(one, ast.Call))
    return any(
        ast.unparse(one).rpartition(".")[2] in STARTS
        for call in calls
        for one in (call.func, *call.args)  # asyncio.to_thread(server.start)
    )


def is_protected(after: list[ast.stmt]) -> bool:
    """Return whether a ``try`` or a ``with`` is the first that may fail, up to the ``yield``."""
    for one in after:
        if isinstance(one, ast.With | ast.AsyncWith) or (
            isinstance(one, ast.Try) and one.finalbody
        ):
            return True
        if yields(one) or may_fail(one):
            return False
    return True  # The start comes after the yield.


def may_fail(statement: ast.stmt) -> bool:
    """Return whether a statement asserts or calls something, except to make an object."""
    if isinstance(statement, Function):
        return False
    calls = (one for one in [statement, *walk(statement)] if isinstance(one, ast.Assert | ast.Call))
    return any(isinstance(one, ast.Assert) or not name_of(one)[:1].isupper() for one in calls)


def name_of(call: ast.Call) -> str:
    """Return the last part of the name of what a call calls."""
    return ast.unparse(call.func).rpartition(".")[2]


BAD = """
def fixture():
    server.start()
    wait(server)
    yield server
    server.stop()
def loop():
    for one in servers:
        one.start()
    yield servers
async def in_a_thread():
    await to_thread(server.start)
    await wait(server)
    yield server
def in_a_block():
    with log.open() as output:
        process = Popen(command, stdout=output)
    assert process.poll() is None
    try:
        yield process
    finally:
        process.kill()
"""

GOOD = """
def fixture():
    with running(server):
        wait(server)
        yield server
def made_before():
    with log.open() as output:
        process = Popen(command, stdout=output)
    made = Made(process)
    try:
        wait(made)
        yield made
    finally:
        process.kill()
async def in_a_thread():
    await to_thread(server.start)
    try:
        yield server
    finally:
        await to_thread(server.stop)
def started_again():
    yield server
    server.start()
"""


def test_start_without_a_try_is_found() -> None:
    def lines(source: str) -> list[int]:
        functions = [one for one in ast.parse(source).body if isinstance(one, Function)]
        return [line for one in functions for line in unprotected(one.body, [])]

    assert lines(BAD) == [3, 9, 12, 17]
    assert lines(GOOD) == []
