"""Search the source tree for HTTP responses that are read without the bounded reader."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("agent", "config", "impersonation", "management", "providers", "proxy", "store")
READER = "providers/http/response_body.py"

BOUNDED_CLIENTS = ("proxy/cli/http/", "agent/http/")
"""The bounded HTTP client of the command line and the agent, the only places of h11."""

OTLP_EXPORT = "management/tracing/opentelemetry_export.py"
"""Gives OpenTelemetry's exporter, which uses requests, a session that reads no bodies."""

READS = frozenset({"content", "json", "read", "text"})
"""Attributes of a client response that read its body without a limit on size or JSON depth."""

CLIENTS = frozenset(
    {"ClientSession", "HTTPConnection", "HTTPSConnection", "urlopen", "AsyncClient"}
)
"""Names that open an HTTP session or connection."""

OTHER_LIBRARIES = frozenset(
    {"h11", "http.client", "httpx", "requests", "urllib.request", "urllib3"}
)


def modules() -> list[Path]:
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(found) > 200
    return [path for path in found if path.relative_to(ROOT).as_posix() != READER]


def names_in(tree: ast.AST) -> set[str]:
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return names | {text for text in texts if isinstance(text, str) and text.isidentifier()}


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def violations(source: str) -> list[str]:
    """Return the operations of a module that only the bounded reader may perform."""
    tree = ast.parse(source)
    names = names_in(tree)
    found = [f"imports {one}" for one in imported(tree) if one in OTHER_LIBRARIES]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else None
            called = node.func.id if isinstance(node.func, ast.Name) else called
            if called in CLIENTS:
                found.append(f"line {node.lineno}: {called}(…)")
    if {"ClientResponse", "open_session", "ClientSession"} & names:
        found += [
            f"line {node.lineno}: .{node.attr}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and node.attr in READS
            # Attributes of ``self`` and of classes (``Families.read``) are not responses.
            and not (isinstance(node.value, ast.Name) and _is_other(node.value.id))
        ]
    return found


def _is_other(name: str) -> bool:
    return name == "self" or name[0].isupper()


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_module_reads_responses_with_bounded_reader_only(path: Path) -> None:
    found = violations(path.read_text())
    if path.relative_to(ROOT).as_posix().startswith(BOUNDED_CLIENTS):
        found = [one for one in found if one != "imports h11"]
    if path.relative_to(ROOT).as_posix() == OTLP_EXPORT:
        found = [one for one in found if one != "imports requests"]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "async def f(answer: aiohttp.ClientResponse): return await answer.json()",
        "async def f(answer: 'ClientResponse'): return await answer.read()",
        "async def f():\n async with open_session() as s, s.get('') as a: return await a.text()",
        "async def f(a: ClientResponse):\n async for one in a.content.iter_any(): pass",
        "async def f(): return aiohttp.ClientSession()",
        "import urllib.request",
        "from http.client import HTTPSConnection",
        "import requests",
    ],
)
def test_module_that_reads_response_itself_is_detected(source: str) -> None:
    assert violations(source)
