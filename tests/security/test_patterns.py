"""Regular expressions take linear time, because clients choose their input."""

import ast
import itertools
import re

import pytest

from tests.support.patterns import SIZE, Pattern, calls_of_re, inputs, patterns, seconds, sources

QUICK_SECONDS = 0.25
"""CPU time for 64 KiB. A linear pattern takes a few milliseconds, a quadratic one seconds."""


def sizes() -> list[int]:
    """Return sizes that grow slowly at first, so that an exponential pattern fails early."""
    grown = itertools.accumulate(itertools.repeat(8), lambda size, _: size * 5 // 4)
    return [*itertools.takewhile(lambda size: size < 60, grown), 4096, 16384, SIZE]


def slow_input(pattern: Pattern) -> str | None:
    """Return a description of an input for which the pattern is too slow, or None."""
    for prefix, unit, suffix in inputs(pattern.compiled):
        for size in sizes():
            text = prefix + unit * (size // len(unit)) + suffix
            took = seconds(pattern, text)
            if took > QUICK_SECONDS:
                return f"{prefix!r} + {size // len(unit)} x {unit!r} + {suffix!r}: {took:.2f} s"
    return None


@pytest.mark.parametrize("pattern", patterns(), ids=str)
def test_pattern_with_64_kib_of_its_own_characters_is_linear(pattern: Pattern) -> None:
    assert slow_input(pattern) is None


@pytest.mark.parametrize(
    "text", [r"(?:^|,)\s*name==?([^,!=]+?)\s*(?:,|$)", r"(a+)+$", r"\w+://\w+:\w+@"]
)
def test_known_slow_pattern_is_detected(text: str) -> None:
    found = Pattern("tests", "slow", re.compile(text), frozenset({"search"}))
    assert slow_input(found) is not None


def test_every_pattern_is_compiled_at_module_level() -> None:
    hidden = []
    for module, tree in sources():
        at_the_top = {
            id(node)
            for statement in tree.body
            if isinstance(statement, ast.Assign | ast.AnnAssign)
            for node in ast.walk(statement)
        }
        hidden += [
            f"{module}:{call.lineno}"
            for call in calls_of_re(tree)
            if getattr(call.func, "attr", "") != "escape" and id(call) not in at_the_top
        ]
    assert hidden == []


def test_pydantic_uses_linear_regex_engine() -> None:
    """pydantic's default engine (Rust's regex) is linear. Models may select Python's explicitly."""
    asking = [
        module
        for module, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword | ast.Constant)
        and "python-re" in {getattr(node, "value", None), getattr(node, "arg", None)}
    ]
    assert asking == []
