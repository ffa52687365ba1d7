"""Time limits in tests end what hangs. A slow or busy machine must not reach them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.waiting import LEAST_SECONDS

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda one: str(one.relative_to(ROOT)))
def test_time_limits_are_long_unless_the_test_expects_them_to_pass(file: Path) -> None:
    tree = ast.parse(file.read_text())
    assert [f"{file.name}:{line}" for line in short_limits(tree, expected=False)] == []


def short_limits(node: ast.AST, *, expected: bool) -> Iterator[int]:
    """Yield the lines of limits on waits that are short, and not meant to pass."""
    if isinstance(node, ast.With | ast.AsyncWith):
        calls = [one.context_expr for one in node.items]
        expected = expected or any("TimeoutError" in ast.unparse(one) for one in calls)
    if isinstance(node, ast.Call) and not expected and is_short(node):
        yield node.lineno
    if isinstance(node, ast.Try):
        handled = any(one.type and "TimeoutError" in ast.unparse(one.type) for one in node.handlers)
        expected = expected or handled
    for child in ast.iter_child_nodes(node):
        yield from short_limits(child, expected=expected)


def is_short(call: ast.Call) -> bool:
    """Return whether a call waits for less than the least time: ``timeout`` or ``wait_for``."""
    position = {"asyncio.timeout": 0, "asyncio.wait_for": 1}.get(ast.unparse(call.func))
    if position is None:
        return False
    given = call.args[position : position + 1]
    seconds = given + [one.value for one in call.keywords if one.arg == "timeout"]
    return any(
        isinstance(one, ast.Constant)
        and isinstance(one.value, int | float)
        and one.value < LEAST_SECONDS
        for one in seconds
    )
