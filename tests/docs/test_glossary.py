"""Package docstrings are the glossary: they exist, and what they name exists."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [
    name
    for name in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"][
        "packages"
    ]
    if not name.startswith("store.migrations")
]
CLASSES = re.compile(r"Main class(?:es)?:(.*?)(?:May import|\n\n|\Z)", re.DOTALL)
NOT_OF_SEKISHO = {"Status"}
"""Names of Kubernetes in these sentences."""


def folder_of(package: str) -> Path:
    return ROOT / package.replace(".", "/")


def docstring(package: str) -> str:
    return ast.get_docstring(ast.parse((folder_of(package) / "__init__.py").read_text())) or ""


def exists(module: str) -> bool:
    path = folder_of(module)
    return path.is_dir() or path.with_suffix(".py").is_file()


@pytest.mark.parametrize("package", PACKAGES)
def test_package_has_a_docstring_and_no_code(package: str) -> None:
    body = ast.parse((folder_of(package) / "__init__.py").read_text()).body
    assert docstring(package)
    assert len(body) == 1


@pytest.mark.parametrize("package", PACKAGES)
def test_main_classes_of_a_package_exist_in_it(package: str) -> None:
    named = {
        name
        for part in CLASSES.findall(docstring(package))
        for name in re.findall(r"``([A-Z]\w+)``", part)
    }
    text = "\n".join(file.read_text() for file in folder_of(package).glob("*.py"))
    defined = set(re.findall(r"^(?:class )?([A-Z]\w+)\b", text, re.MULTILINE))
    defined |= set(re.findall(r"^class (\w+)", text, re.MULTILINE))
    assert named - defined - NOT_OF_SEKISHO == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_that_a_package_names_exist(package: str) -> None:
    text = docstring(package)
    named = {name.lstrip("~") for name in re.findall(r":mod:`([~.\w]+)`", text)}
    named = {package + name if name.startswith(".") else name for name in named}
    tops = "|".join({name.split(".")[0] for name in PACKAGES})
    named |= set(re.findall(rf"``((?:{tops})(?:\.\w+)*)``", text))
    assert {name for name in named if not exists(name)} == set()
