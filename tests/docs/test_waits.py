"""Time limits in tests end what hangs. A slow or busy machine must not reach them."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.waiting import LEAST_SECONDS

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "tests").rglob("*.py"))


POSITIONS = {
    "asyncio.timeout": 0,
    "asyncio.wait_for": 1,
    "socket.create_connection": 1,
    "wait": 0,
    "join": 0,
}
"""Where calls have their limit, by the whole name or the method's name. Others name ``timeout``."""

UNLIMITED = ("asyncio.wait", "asyncio.Event", "asyncio.Condition")
"""Calls that end no test when their time is over."""


@pytest.mark.parametrize("file", FILES, ids=lambda one: str(one.relative_to(ROOT)))
def test_time_limits_are_long_unless_the_test_expects_them_to_pass(file: Path) -> None:
    tree = ast.parse(file.read_text())
    constants = dict(named_numbers(tree))
    found = short_limits(tree, constants, expected=False)
    assert [f"{file.name}:{line}" for line in found] == []


@pytest.mark.parametrize("file", FILES, ids=lambda one: str(one.relative_to(ROOT)))
def test_durations_are_asserted_with_within(file: Path) -> None:
    """``within`` allows for a busy machine. Processor time needs no allowance."""
    found = [
        one.lineno
        for one in ast.walk(ast.parse(file.read_text()))
        if isinstance(one, ast.Assert) and compares_wall_clock(one)
    ]
    assert [f"{file.name}:{line}" for line in found] == []


def compares_wall_clock(node: ast.Assert) -> bool:
    """Return whether the assertion compares a duration, as ``time.monotonic() - began < 5``."""
    clocks = ("monotonic()", "perf_counter()", ".time()")
    return any(
        isinstance(one, ast.Compare)
        and isinstance(one.ops[0], ast.Lt | ast.LtE)
        and isinstance(one.left, ast.BinOp)
        and isinstance(one.left.op, ast.Sub)
        and ast.unparse(one.left.left).endswith(clocks)
        for one in ast.walk(node.test)
    )


def named_numbers(tree: ast.Module) -> Iterator[tuple[str, float]]:
    """Yield the module's constants that are numbers, by name."""
    for one in tree.body:
        if isinstance(one, ast.Assign | ast.AnnAssign):
            number = literal_number(one.value)
            targets = one.targets if isinstance(one, ast.Assign) else [one.target]
            if number is not None:
                yield from ((ast.unparse(target), number) for target in targets)


def literal_number(node: ast.expr | None) -> float | None:
    """Return the number of a literal; None for other expressions."""
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, int | float) else None


def short_limits(node: ast.AST, constants: Mapping[str, float], *, expected: bool) -> Iterator[int]:
    """Yield the lines of limits on waits that are short, and not meant to pass."""
    if isinstance(node, ast.With | ast.AsyncWith):
        calls = [one.context_expr for one in node.items]
        expected = expected or any(names_timeout(one) for one in calls)
    if isinstance(node, ast.Call) and not expected and is_short(node, constants):
        yield node.lineno
    if isinstance(node, ast.Try):
        handled = any(one.type and names_timeout(one.type) for one in node.handlers)
        expected = expected or handled
    asked = node.test if isinstance(node, ast.If | ast.While) else None  # a limit is an answer too
    for child in ast.iter_child_nodes(node):
        if child is not asked:
            yield from short_limits(child, constants, expected=expected)


def names_timeout(node: ast.expr) -> bool:
    """Return whether an expression names the exception of a limit, or a class above it."""
    words = ("TimeoutError", "TimeoutExpired", "OSError")
    return any(word in ast.unparse(node) for word in words)


def is_short(call: ast.Call, constants: Mapping[str, float]) -> bool:
    """Return whether a call waits for less than the least time."""
    name = ast.unparse(call.func)
    if name.startswith(UNLIMITED):
        return False
    position = POSITIONS.get(name, POSITIONS.get(name.rpartition(".")[2]))
    given = [] if position is None else call.args[position : position + 1]
    limits = given + [one.value for one in call.keywords if one.arg == "timeout"]
    seconds = [
        literal_number(one) or constants.get(ast.unparse(one), LEAST_SECONDS) for one in limits
    ]
    return any(one < LEAST_SECONDS for one in seconds)
