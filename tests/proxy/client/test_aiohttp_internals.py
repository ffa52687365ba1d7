"""aiohttp's private names: two modules use them, and a new aiohttp that renames one fails here."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import aiohttp
import pytest
from aiohttp import web_protocol

from providers.network import dialed_connector
from proxy.client import aiohttp_internals

ROOT = Path(__file__).parents[3]
PACKAGES = ("agent", "config", "impersonation", "management", "providers", "proxy", "store")
THE_MODULES = (aiohttp_internals, dialed_connector)
SOURCES = sorted(
    path
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if "aiohttp" in path.read_text() or "proxy/client" in str(path) or "fastpath" in str(path)
)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private_names_in(tree: ast.AST) -> set[str]:
    """Private attributes that are used, methods that are defined and names that are imported."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names}
    return {name for name in found if is_private(name)}


@cache
def private_names_of(kind: type) -> frozenset[str]:
    """The private names of a class of aiohttp: of the class itself and of its instances."""
    found = set(vars(kind)) | set(getattr(kind, "__slots__", ()))
    try:
        tree = ast.parse(inspect.getsource(kind))
    except (OSError, TypeError):  # It is written in C.
        return frozenset(filter(is_private, found))
    found |= {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }
    return frozenset(name for name in found if is_private(name))


def aiohttp_bases(kind: type) -> list[type]:
    return [base for base in kind.__mro__ if base.__module__.startswith("aiohttp.")]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for module in THE_MODULES
        for kind, names in module.PRIVATE_NAMES.items()
        for name in names
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_private_name_exists_in_this_aiohttp(kind: type, name: str) -> None:
    known = set(dir(kind)).union(*map(private_names_of, aiohttp_bases(kind)))
    assert name in known, f"aiohttp no longer has {kind.__name__}.{name}: change what uses it"


def test_error_entry_of_the_queue_exists_in_this_aiohttp() -> None:
    names = set(inspect.signature(web_protocol._ErrInfo).parameters)
    assert names == {"status", "exc", "message"}


def test_list_of_private_names_is_complete() -> None:
    used = private_names_in(ast.parse(inspect.getsource(aiohttp_internals)))
    listed = {name for names in aiohttp_internals.PRIVATE_NAMES.values() for name in names}
    assert used - {"_ErrInfo"} == listed


def test_connector_overrides_the_listed_private_name_only() -> None:
    names = private_names_in(ast.parse(inspect.getsource(dialed_connector)))
    listed = {name for names in dialed_connector.PRIVATE_NAMES.values() for name in names}
    assert names & private_names_of(aiohttp.BaseConnector) == listed
    assert not foreign_private_names(ast.parse(inspect.getsource(dialed_connector)))


def classes_in(module: ModuleType) -> Iterator[type]:
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == module.__name__ and aiohttp_bases(value):
            yield value


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_known_modules_use_private_names_of_aiohttp(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    if name in {module.__name__ for module in THE_MODULES}:
        return
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aiohttp"):
            assert not [one.name for one in node.names if one.name.startswith("_")]
    assert not foreign_private_names(tree) & all_private_names()
    for kind in classes_in(importlib.import_module(name)):
        body = next(
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef) and node.name == kind.__name__
        )
        theirs = frozenset().union(*map(private_names_of, aiohttp_bases(kind)))
        assert not private_names_in(body) & theirs


def foreign_private_names(tree: ast.AST) -> set[str]:
    """Private attributes of objects other than ``self`` that no class in the file defines."""
    own = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in {"self", "cls"}
    }
    foreign = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"})
        and not (isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "super")
    }
    return {name for name in foreign - own if is_private(name)}


@cache
def all_private_names() -> frozenset[str]:
    """The private names of every class in aiohttp."""
    package = Path(inspect.getfile(importlib.import_module("aiohttp"))).parent
    found: set[str] = set()
    for path in package.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(node.name)
    return frozenset(name for name in found if is_private(name))
