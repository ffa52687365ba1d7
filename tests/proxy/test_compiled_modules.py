"""Rules for modules that mypyc compiles (docs/decisions/0025-compiled-request-path.md)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def compiled_modules() -> list[str]:
    """Return the paths in ``COMPILED`` of setup.py."""
    found = re.search(r"^COMPILED = (\(.*?^\))", (ROOT / "setup.py").read_text(), re.S | re.M)
    assert found is not None
    return list(ast.literal_eval(found[1]))


def awaits(statements: list[ast.stmt]) -> bool:
    """Return whether any of the statements awaits."""
    kinds = ast.Await | ast.AsyncWith | ast.AsyncFor
    return any(isinstance(node, kinds) for one in statements for node in ast.walk(one))


def unsafe_functions(path: str) -> Iterator[str]:
    """Yield coroutines that await while an exception is handled, or use ``async with``."""
    for function in ast.walk(ast.parse((ROOT / path).read_text())):
        if not isinstance(function, ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            in_handler = isinstance(node, ast.Try) and (
                awaits(node.finalbody) or any(awaits(one.body) for one in node.handlers)
            )
            if in_handler or isinstance(node, ast.AsyncWith):
                yield f"{path} {function.name}"


@pytest.mark.parametrize("path", compiled_modules())
def test_compiled_coroutine_does_not_await_while_it_handles_an_exception(path: str) -> None:
    """mypyc loses the exception then, or crashes: mypyc 2.4 does in both cases."""
    assert list(unsafe_functions(path)) == []
