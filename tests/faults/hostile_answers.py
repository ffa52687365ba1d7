"""Responses of a hostile cluster, as scripts of a server on a real socket."""

import gzip
import itertools
import json
from collections.abc import Callable
from functools import partial

from tests.support.scripted_api_server import (
    ReceivedRequest,
    Script,
)

MiB = 1024 * 1024


class Everywhere(dict[str, Script]):
    """Scripts by path, with one script for all paths."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self._script = script

    def get(self, key: str, default: object = None) -> Script:
        return self._script


def whole(body: bytes, *lines: bytes) -> Script:
    """Return a script that sends a complete body; the status is 201 for POST."""

    async def script(received: ReceivedRequest) -> None:
        status = b"201 Created" if received.line.startswith("POST") else b"200 OK"
        head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), b"Connection: close"]
        await received.send(b"\r\n".join([*head, *lines, b"", b""]), body)
        received.writer.close()

    return script


def endless(begin: bytes, again: bytes) -> Script:
    """Return a script that never ends its response."""

    async def script(received: ReceivedRequest) -> None:
        status = b"201 Created" if received.line.startswith("POST") else b"200 OK"
        await received.send(b"HTTP/1.1 %b\r\n\r\n" % status, begin)
        while True:
            await received.send(again)

    return script


def pages(token: Callable[[int], str], size: int = 50) -> Script:
    """Return a script for an endless list: each page has a continue token."""
    numbers = itertools.count()

    async def script(received: ReceivedRequest) -> None:
        page = next(numbers)
        items = [
            {"metadata": {"name": f"n{page}-{n}", "uid": f"{page}-{n}", "namespace": "x"}}
            for n in range(size)
        ]
        metadata = {"continue": token(page), "resourceVersion": "1", "name": "x", "uid": "x"}
        await whole(json.dumps({"items": items, "metadata": metadata}).encode())(received)

    return script


def asked_as_json(value: object) -> Script:
    return whole(json.dumps(value).encode())


GOOD = {"name": "x", "uid": "u", "resourceVersion": "1"}


ANSWERS: dict[str, Callable[[], Script]] = {
    "an endless body": lambda: endless(b'{"items": [', b"{}," * 20_000),
    "an endless text": lambda: endless(b'{"metadata": {"name": "', b"x" * 65536),
    "endless white space": lambda: endless(b"", b" " * 65536),
    "one endless line of a watch": lambda: endless(b'{"type": "ADDED', b"x" * 65536),
    "a gzip bomb": lambda: whole(bomb(), b"Content-Encoding: gzip"),
    "a bomb that is called deflate": lambda: whole(bomb(), b"Content-Encoding: deflate"),
    "an encoding that was not asked for": lambda: whole(b"{}", b"Content-Encoding: br"),
    "many small values": lambda: whole(b'{"items": [' + b",".join([b"[]"] * 2_000_000) + b"]}"),
    "endless pages": lambda: pages(lambda page: f"t{page}"),
    "the same page again and again": lambda: pages(lambda page: "t"),
    "two pages in turn": lambda: pages(lambda page: f"t{page % 2}"),
    "a huge token": lambda: pages(lambda page: "t" * 100_000),
    "deep nesting": lambda: whole(b"[" * 200_000 + b"]" * 200_000),
    "deep nesting of a field": lambda: whole(
        b'{"metadata": {"name": "x", "uid": "u", "labels": '
        + b'{"a":' * 5_000
        + b"1"
        + b"}" * 5_000
        + b"}}"
    ),
    "NaN": lambda: whole(b'{"status": {"allowed": NaN}, "metadata": {"name": "x"}}'),
    "half a surrogate": lambda: whole(b'{"gitVersion": "v1\\ud800", "metadata": {"name": "x"}}'),
    "NUL": lambda: whole(b'{"gitVersion": "v\\u0000", "status": {"token": "a\\u0000"}}'),
    "nothing": lambda: whole(b""),
    "not JSON": lambda: whole(b"<html>sign in</html>"),
}


WRONG_TYPES: list[object] = [
    None,
    7,
    "text",
    [],
    [1],
    {},
    {"metadata": None, "items": None, "status": None, "spec": None, "data": None},
    {"metadata": [], "items": {}},
    {"metadata": {"name": 7}, "items": [None, 7, [], {}, {"metadata": []}]},
    {"metadata": GOOD | {"labels": []}, "items": [{"metadata": GOOD | {"uid": []}}]},
    {"metadata": {"resourceVersion": {}, "continue": []}, "items": []},
    {"metadata": {"resourceVersion": 1}, "items": [{"metadata": {"name": "a"}}]},
    {"status": "text", "data": "text", "metadata": GOOD},
    {"status": {"token": 7, "expirationTimestamp": 7}, "gitVersion": 7},
    {"status": {"token": "t", "expirationTimestamp": "2026-01-01T00:00:00"}},
    {"status": {"token": "a\r\nb: c", "expirationTimestamp": "2099-01-01T00:00:00Z"}},
    {"status": {"allowed": [], "denied": {}}, "gitVersion": [], "metadata": GOOD},
    {"data": {"token": 7, "x": []}, "metadata": GOOD},
    {"data": {"token": "%%%"}, "metadata": GOOD | {"creationTimestamp": 7}},
    {"items": [{"metadata": GOOD, "status": {"capacity": [], "conditions": {}}}]},
    {
        "items": [
            {
                "metadata": GOOD,
                "status": {
                    "capacity": {"cpu": {}, "memory": []},
                    "conditions": [7, {"type": []}],
                    "addresses": [None, {"address": {}}],
                    "nodeInfo": 7,
                },
                "spec": {"unschedulable": []},
                "usage": {"cpu": [], "memory": "many"},
                "involvedObject": {"name": []},
                "series": {"count": []},
                "count": -1,
                "roleRef": {"name": []},
                "subjects": 7,
                "rules": "x",
                "lastTimestamp": {},
            }
        ]
    },
]


ANSWERS |= {
    f"wrong types: {json.dumps(value)[:60]}": partial(asked_as_json, value) for value in WRONG_TYPES
}


def bomb() -> bytes:
    """Return 200 KB that decompress to 200 MiB."""
    if not _BOMBS:
        _BOMBS.append(gzip.compress(b" " * (200 * MiB), 9))
    return _BOMBS[0]


_BOMBS: list[bytes] = []
