"""Refusals of a text by a pattern name the rule in words, in every model."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from config.text_patterns import described, ends_alike, message_of

ROOT = Path(__file__).parents[2]
PACKAGES = ("config", "management", "providers", "proxy", "agent", "store")
FIELDS = {"Field", "StringConstraints"}

NAME = described(r"^[a-z]([-a-z]*[a-z])?$", ends_alike(9, "and -"))


class Model(BaseModel):
    name: Annotated[str, Field(pattern=NAME)] = "a"
    other: Annotated[str, Field(pattern="^x$")] = "x"
    word: str = "b"

    @field_validator("word")
    @classmethod
    def _known(cls, value: str) -> str:
        if value != "b":
            raise ValueError("must be b")
        return value


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "-"}, "must be 1 to 9 of a-z, 0-9, and -, with a letter or digit at both ends"),
        ({"other": "y"}, "String should match pattern '^x$'"),
        ({"word": "c"}, "must be b"),
    ],
)
def test_message_of_an_invalid_text_names_the_rule(values: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Model(**values)
    assert [message_of(one) for one in caught.value.errors()] == [message]


def fields(tree: ast.AST) -> Iterator[ast.keyword]:
    """Yield the patterns of fields in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield from (
                one for one in node.keywords if node.func.id in FIELDS and one.arg == "pattern"
            )


def described_names(tree: ast.AST) -> set[str]:
    """Return the names of a module that are described patterns, or made from one."""
    return {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and "described(" in ast.unparse(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def test_each_pattern_of_a_model_has_a_meaning() -> None:
    trees = {
        path: ast.parse(path.read_text())
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    known = set().union(*map(described_names, trees.values()))
    without = [
        f"{path.relative_to(ROOT)}:{one.value.lineno}: {text}"
        for path, tree in trees.items()
        for one in fields(tree)
        if not (text := ast.unparse(one.value)).startswith("described(")
        and text.removesuffix(".pattern") not in known
    ]
    assert without == []
