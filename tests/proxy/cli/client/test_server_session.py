"""Requests of a session: pages, retries, errors, and watched lists."""

import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from proxy.cli.client.known_servers import KnownServer
from proxy.cli.client.problems import Refused
from proxy.cli.client.server_client import ServerClient, Unreachable
from proxy.cli.client.server_session import ServerSession, path_of
from proxy.cli.common import CommandFailed


@dataclass
class Scripted:
    """A server that sends one reply on each connection, and what it received."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)

    @property
    def session(self) -> ServerSession:
        """Return a session at the server."""
        url = f"http://127.0.0.1:{self.port}"
        return ServerSession(KnownServer("prod", url), ServerClient(url), "token-a:b")


@contextmanager
def scripted(*replies: bytes) -> Iterator[Scripted]:
    """Run a server that sends ``replies`` in order, then closes connections."""
    made = Scripted()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made.port = listener.getsockname()[1]

        def serve() -> None:
            left = list(replies)
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    made.requests.append(_request(peer))
                    if left:
                        peer.sendall(left.pop(0))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(60)


def _request(peer: socket.socket) -> bytes:
    """Read a request with its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = peer.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [one for one in head.lower().split(b"\r\n") if one.startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0].partition(b":")[2]):
        body += peer.recv(65536)
    return head + b"\r\n\r\n" + body


def http(status: str, body: object = None, *headers: str) -> bytes:
    raw = b"" if body is None else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(raw)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + raw


def events(*pairs: tuple[str, Any]) -> bytes:
    body = "".join(f"event: {kind}\ndata: {json.dumps(item)}\n\n" for kind, item in pairs)
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + body.encode()


async def collected(items: AsyncIterator[Any]) -> list[Any]:
    return [one async for one in items]


async def test_list_follows_pages() -> None:
    pages = ({"items": [{"n": 1}, {"n": 2}], "continue": "a b"}, {"items": [{"n": 3}]})
    with scripted(*(http("200 OK", one) for one in pages)) as server:
        found = await collected(server.session.list("/v1/users", search="x y", sort=None))
    assert [one["n"] for one in found] == [1, 2, 3]
    assert b"GET /v1/users?limit=500&search=x+y HTTP/1.1" in server.requests[0]
    assert b"continue=a+b" in server.requests[1]
    assert b"Authorization: Bearer token-a:b" in server.requests[0]


@pytest.mark.parametrize("body", [{"items": 1}, {"a": 1}, [], {"items": [], "continue": "x"}])
async def test_list_of_another_server_is_reported(body: object) -> None:
    with scripted(*[http("200 OK", body)] * 3) as server, pytest.raises(CommandFailed) as failed:
        await collected(server.session.list("/v1/users"))
    assert "did not respond like Sekisho" in str(failed.value)


async def test_request_waits_when_the_server_is_busy() -> None:
    busy = http("429 Too Many Requests", {"detail": "too many requests"}, "Retry-After: 0")
    with scripted(busy, busy, http("200 OK", {"id": "u"})) as server:
        assert await server.session.get("/v1/me") == {"id": "u"}
    with scripted(*[busy] * 9) as server, pytest.raises(Refused, match="too many requests"):
        await server.session.get("/v1/me")
    assert len(server.requests) == 4
    later = http("429 Too Many Requests", {"detail": "too many"}, "Retry-After: 600")
    with scripted(later) as server, pytest.raises(Refused, match="try again in 600 seconds"):
        await server.session.get("/v1/me")


async def test_post_with_a_lost_response_is_sent_again_with_its_key() -> None:
    with scripted(b"", http("201 Created", {"id": "u"}, 'ETag: "1"')) as server:
        answer = await server.session.send("POST", "/v1/users", {"username": "x"})
    assert (answer.status, answer.etag) == (201, '"1"')
    keys = [
        line
        for request in server.requests
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"idempotency-key")
    ]
    assert len(keys) == 2
    assert keys[0] == keys[1]
    with scripted(b"", http("204 No Content")) as server, pytest.raises(Unreachable):
        await server.session.send("DELETE", "/v1/users/u", if_match='"1"')
    assert b'If-Match: "1"' in server.requests[0]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("reply", "lines"),
    [
        (http("401 Unauthorized"), ["your sign-in at prod has expired: run `sekisho login"]),
        (
            http("403 Forbidden", {"detail": "no", "request_id": "r-1"}),
            ["no (request r-1)"],
        ),
        (http("404 Not Found", {"detail": "user not found"}), ["user not found"]),
        (http("409 Conflict", {"detail": "the name is taken"}), ["the name is taken"]),
        (http("412 Precondition Failed", {"detail": "x"}), ["changed by another client"]),
        (
            http(
                "422 Unprocessable Content",
                {"detail": "a, b", "errors": [{"field": "a", "message": "x"}, {"field": ""}, 1]},
            ),
            ["a: x", "request: "],
        ),
        (
            http("500 Internal Server Error", {"detail": "a defect", "request_id": "r-2"}),
            ["a defect (request r-2)"],
        ),
        (http("502 Bad Gateway"), ["the server responded 502 without a reason"]),
        (http("302 Found"), ["a redirect; is --server its own address?"]),
    ],
)
async def test_refusal_is_a_line_with_what_to_do(reply: bytes, lines: list[str]) -> None:
    with scripted(reply) as server, pytest.raises(Refused) as failed:
        await server.session.send("PATCH", "/v1/users/u", {})
    assert len(failed.value.lines) == len(lines)
    for found, expected in zip(failed.value.lines, lines, strict=True):
        assert expected in found


async def test_successful_page_of_another_server_is_reported() -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Type: text/html\r\n\r\n<html>"
    with scripted(page) as server, pytest.raises(CommandFailed, match="like Sekisho"):
        await server.session.get("/v1/me")


async def test_watch_continues_after_a_broken_stream_with_the_differences() -> None:
    one, two = {"id": "a", "n": 1}, {"id": "b", "n": 1}
    first = events(("added", one), ("added", two), ("synced", {}))
    second = events(("added", {**one, "n": 2}), ("synced", {}), ("ended", {"reason": "gone"}))
    with scripted(first, second) as server:
        changes = server.session.watch("/v1/users", search=None)
        found = [await anext(changes) for _ in range(5)]
        with pytest.raises(CommandFailed, match="gone"):
            await anext(changes)
    assert [(one.kind, one.item.get("id")) for one in found] == [
        ("added", "a"),
        ("added", "b"),
        ("synced", None),
        ("modified", "a"),
        ("deleted", "b"),
    ]
    assert b"GET /v1/users?watch=1 HTTP/1.1" in server.requests[0]


async def test_watch_that_cannot_begin_fails() -> None:
    with scripted(http("403 Forbidden", {"detail": "no"})) as server, pytest.raises(Refused):
        await anext(server.session.watch("/v1/users"))
    with scripted() as server, pytest.raises(Unreachable):
        await anext(server.session.watch("/v1/users"))
    broken = events(("added", 1)) + b"data: {\n\n"
    with scripted(broken) as server, pytest.raises(CommandFailed, match="like Sekisho"):
        await anext(server.session.watch("/v1/users"))


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_name_that_would_change_the_path_is_refused(name: str) -> None:
    with pytest.raises(CommandFailed):
        path_of("users", name)
    assert path_of("users", "a/b c?#é") == "/v1/users/a%2Fb%20c%3F%23%C3%A9"
