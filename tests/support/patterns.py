"""Find the product's regular expressions, and generate inputs that slow down bad ones."""

import ast
import importlib
import itertools
import re
import re._constants as op  # type: ignore[import-not-found]
import re._parser as sre  # type: ignore[import-not-found]
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGES = ("agent", "config", "impersonation", "management", "providers", "proxy", "store")
METHODS = ("match", "fullmatch", "search", "sub", "subn", "findall", "finditer", "split")
SIZE = 64 * 1024


@dataclass(frozen=True)
class Pattern:
    """A compiled pattern with the name of its variable and the methods called on it."""

    module: str
    name: str
    compiled: re.Pattern[Any]
    methods: frozenset[str]

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Yield the dotted name and the parsed source of each module of the product."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts).removesuffix(".__init__")
            if not name.endswith("__main__"):
                yield name, ast.parse(file.read_text(), str(file))


def patterns() -> list[Pattern]:
    """Return all module-level patterns of the product, with the methods that use them."""
    trees = dict(sources())
    used = _methods_by_name(trees.values())
    found = []
    for module in trees:
        if not _mentions_re(trees[module]):
            continue
        for name, value in vars(importlib.import_module(module)).items():
            for number, one in enumerate(_patterns_in(value)):
                methods = used.get(name) or frozenset(METHODS)
                label = name if isinstance(value, re.Pattern) else f"{name}[{number}]"
                found.append(Pattern(module, label, one, methods))
    return found


def calls_of_re(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield the calls of functions of the module ``re`` (``re.compile``, ``re.search``…)."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
        ):
            yield node


def inputs(pattern: re.Pattern[Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (prefix, unit, suffix) for inputs in which the unit is repeated.

    A prefix is the shortest text before one of the pattern's repetitions. Units are characters of
    the pattern, pairs of them, and a matching example.
    """
    tree = sre.parse(pattern.pattern if isinstance(pattern.pattern, str) else _text(pattern))
    characters = sorted(_characters(tree)) or ["a"]
    repeated = [("", unit) for unit in (*_pairs(characters), _example(tree)) if unit]
    repeated += [
        (prefix, unit) for prefix in sorted({"", *_prefixes(tree, "")}) for unit in characters
    ]
    for prefix, unit in repeated:
        for suffix in ("", "!\n\0"):
            yield prefix, unit, suffix


def seconds(pattern: Pattern, text: str) -> float:
    """Return the CPU seconds of this thread for the slowest use of the pattern on ``text``."""
    subject = text.encode("latin-1", "replace") if _is_bytes(pattern.compiled) else text
    slowest = 0.0
    for method in pattern.methods:
        started = time.thread_time()
        if method in {"sub", "subn"}:
            pattern.compiled.sub(b"" if _is_bytes(pattern.compiled) else "", subject)
        elif method == "finditer":
            for _ in pattern.compiled.finditer(subject):
                pass
        else:
            getattr(pattern.compiled, method)(subject)
        slowest = max(slowest, time.thread_time() - started)
    return slowest


def _is_bytes(pattern: re.Pattern[Any]) -> bool:
    return isinstance(pattern.pattern, bytes)


def _text(pattern: re.Pattern[Any]) -> str:
    return bytes(pattern.pattern).decode("latin-1")


def _mentions_re(tree: ast.Module) -> bool:
    return any(True for _ in calls_of_re(tree))


def _methods_by_name(trees: Any) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in METHODS:
                value = node.value
                if isinstance(value, ast.Name):
                    found.setdefault(value.id, set()).add(node.attr)
                elif isinstance(value, ast.Attribute):
                    found.setdefault(value.attr, set()).add(node.attr)
    return {name: frozenset(methods) for name, methods in found.items()}


def _patterns_in(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _patterns_in(one)
    elif isinstance(value, tuple | list | set | frozenset):
        for one in value:
            yield from _patterns_in(one)


def _pairs(characters: list[str]) -> list[str]:
    return [a + b for a, b in itertools.pairwise(characters)]


def _characters(tree: Any) -> set[str]:
    """Return the characters of a pattern, one or two per character class."""
    found: set[str] = set()
    for code, argument in tree:
        if code is op.LITERAL:
            found.add(chr(argument))
        elif code is op.NOT_LITERAL:
            found |= {chr(argument), "a"}
        elif code is op.ANY:
            found |= {"a", " "}
        elif code is op.IN:
            found |= _members(argument)
        else:
            for inner in _inner(code, argument):
                found |= _characters(inner)
    return found


def _members(items: Any) -> set[str]:
    found: set[str] = set()
    for code, argument in items:
        if code is op.LITERAL:
            found.add(chr(argument))
        elif code is op.RANGE:
            found |= {chr(argument[0]), chr(argument[1])}
        elif code is op.CATEGORY:
            found |= _CATEGORIES.get(argument, set())
        elif code is op.NEGATE:
            found |= {"a", " ", "+", "0"}
    return {one for one in found if not "\ud800" <= one <= "\udfff"}


_CATEGORIES = {
    op.CATEGORY_DIGIT: {"0"},
    op.CATEGORY_SPACE: {" ", "\n"},
    op.CATEGORY_WORD: {"a", "0", "_"},
    op.CATEGORY_NOT_DIGIT: {"a"},
    op.CATEGORY_NOT_SPACE: {"a"},
    op.CATEGORY_NOT_WORD: {" "},
}


def _inner(code: Any, argument: Any) -> list[Any]:
    """Return the patterns inside an element of a parsed pattern."""
    if code in {op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT}:
        return [argument[2]]
    if code is op.SUBPATTERN:
        return [argument[3]]
    if code in {op.ASSERT, op.ASSERT_NOT}:
        return [argument[1]]
    if code is op.ATOMIC_GROUP:
        return [argument]
    if code is op.BRANCH:
        return list(argument[1])
    return []


def _example(tree: Any) -> str:
    """Return a short text that matches the pattern's elements one by one."""
    text = ""
    for code, argument in tree:
        if code is op.LITERAL:
            text += chr(argument)
        elif code in {op.NOT_LITERAL, op.ANY}:
            text += "a"
        elif code is op.IN:
            text += _member(argument)
        elif code in {op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT}:
            text += _example(argument[2]) * max(argument[0], min(1, argument[1]))
        elif code in {op.SUBPATTERN, op.BRANCH, op.ATOMIC_GROUP}:
            text += _example(_inner(code, argument)[0])
    return text


def _member(items: Any) -> str:
    if items and items[0][0] is op.NEGATE:
        excluded = _members(items[1:])
        return next(one for one in "ab0- +~" if one not in excluded)
    return min(_members(items), default="a")


def _prefixes(tree: Any, before: str) -> Iterator[str]:
    """Yield for each repetition in the pattern a text that precedes it."""
    for element in tree:
        code, argument = element
        if code in {op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT}:
            yield before
        inner = _inner(code, argument)
        for one in inner:
            yield from _prefixes(one, before)
        before += _example([element])
    yield before
