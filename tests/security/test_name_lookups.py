"""Search the source tree for lookups of names that a silent DNS server could hold up for others."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("agent", "config", "impersonation", "management", "providers", "proxy", "store")

BLOCKING = frozenset({"getaddrinfo", "gethostbyname", "gethostbyname_ex", "getnameinfo"})

BY_HOST = {"create_connection": 1, "open_connection": 0}
"""Calls that look up a name unless they get a socket, and the position of the host."""

ALLOWED = {
    "providers/network/name_lookups.py getaddrinfo": "the lookups of the process",
    "management/tunnels/peer_sockets.py getaddrinfo": "an address to listen at, at the start",
    "proxy/client/site.py getaddrinfo": "an address to listen at, at the start",
    "agent/http/addresses.py getaddrinfo": "the one server of an agent or a client",
    "agent/relay.py create_connection": "one name in the process that looks up no other this way",
    "management/tunnels/peer_client.py create_connection": "replicas announce addresses of theirs",
    "proxy/upstream/connect.py create_connection": "an address that was looked up before",
    "proxy/demo/local_cluster.py TCPConnector": "the demo's own cluster",
}
"""Other ways to look up a name, and why they can delay no other name."""


def lookups(source: str) -> Iterator[str]:
    """Yield the functions by which a source looks up names itself."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            if name in BLOCKING:
                yield name
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name, given = node.func.attr, {one.arg for one in node.keywords}
            if name in BY_HOST and (len(node.args) > BY_HOST[name] or "host" in given):
                yield name
            if name == "TCPConnector" and "resolver" not in given:
                yield name


def found() -> set[str]:
    return {
        f"{path.relative_to(ROOT).as_posix()} {name}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for name in lookups(path.read_text())
    }


def test_names_are_looked_up_by_the_shared_lookups() -> None:
    assert found() == set(ALLOWED)


def test_other_lookups_are_detected() -> None:
    source = """
loop.getaddrinfo("x", 1)
loop.create_connection(factory, "x", 1)
loop.create_connection(factory, sock=sock)
asyncio.open_connection("x", 1)
aiohttp.TCPConnector()
aiohttp.TCPConnector(resolver=r)
"""
    assert sorted(lookups(source)) == [
        *("TCPConnector", "create_connection", "getaddrinfo", "open_connection"),
    ]
