"""The express lane and the other one say the same: to the cluster, to the client and to the log.

A connection on which two requests came at once is left to the other lane for good.
"""

import json
from typing import Any

import pytest

from tests.parts.wire import Reply, Wire
from tests.security.world import World, until

ORDINARY: list[tuple[bytes, bytes, tuple[bytes, ...], bytes]] = [
    (b"GET", b"/api/v1/pods?limit=500", (b"Accept: application/json", b"User-Agent: x"), b""),
    (b"GET", b"/api/v1/pods", (b"Connection: keep-alive, X-Mine", b"X-Mine: 1", b"X-Not: 2"), b""),
    (b"GET", b"/api", (b"X-Remote-User: root", b"x_forwarded_for: 1.1.1.1", b"Via: x"), b""),
    (b"GET", b"/api", (b"TE: trailers", b"Keep-Alive: 5", b"Proxy-Authorization: x"), b""),
    (b"GET", b"/api/v1/namespaces/x/pods/y/log?command=secret", (b"X: caf\xc3\xa9, \xff",), b""),
    (b"HEAD", b"/healthz", (), b""),
    (b"OPTIONS", b"/apis", (), b""),
    (b"DELETE", b"/api/v1/namespaces/x/pods/y", (b"Content-Length: 0",), b""),
    (
        b"PUT",
        b"/apis/coordination.k8s.io/v1/namespaces/x/leases/y",
        (b"Content-Length: 4",),
        b"{ }\n",
    ),
    (b"PATCH", b"/api/v1/nodes/x", (b"Content-Length: 2", b"Content-Type: a/b"), b"{}"),
]


def on_the_other_lane(world: World, wire: Wire) -> None:
    """Leave the connection to the lane that looks closely."""
    wire.send(2 * world.head(target=b"/k8s/clusters/a/both"))
    assert [wire.reply().status, wire.reply().status] == [200, 200]


def answered(wire: Wire, method: bytes) -> Reply | int:
    return wire.status() if method == b"HEAD" else wire.reply()


@pytest.mark.parametrize(("method", "target", "lines", "body"), ORDINARY)
def test_both_lanes_send_the_same_bytes_and_bring_back_the_same(
    world: World, method: bytes, target: bytes, lines: tuple[bytes, ...], body: bytes
) -> None:
    request = world.head(*lines, method=method, target=b"/k8s/clusters/a" + target) + body
    with world.wire() as express, world.wire() as other:
        on_the_other_lane(world, other)
        world.a.forget()
        if method == b"HEAD":
            world.a.answers[b"/healthz"] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        replies = []
        for wire in (express, other):
            wire.send(request)
            replies.append(answered(wire, method))
    first, second = world.a.wait_for(2)
    assert first.bytes == second.bytes
    assert replies[0] == replies[1]


def test_both_lanes_tell_the_logs_the_same(world: World) -> None:
    target = b"/k8s/clusters/a/api/v1/namespaces/x/pods/y?x=secret"
    request = world.head(b"User-Agent: a\xff\x22b", target=target).replace(
        b"test-0001", b"test-logs"
    )
    with world.wire() as express, world.wire() as other:
        on_the_other_lane(world, other)
        for wire in (express, express, other):  # the second time by what was kept of the first
            wire.send(request)
            assert wire.reply().status == 200

    def events() -> list[dict[str, Any]]:
        file = world.sekisho.folder / "data" / "audit.log"
        lines = [line for line in file.read_text().splitlines() if "test-logs" in line]
        return [json.loads(line) for line in lines]

    until(lambda: len(events()) == 3, 20)
    said = [{k: v for k, v in one.items() if not k.endswith("Timestamp")} for one in events()]
    assert said[0] == said[1] == said[2]
    assert "secret" not in json.dumps(said)


def test_requests_that_come_behind_another_are_answered_in_turn(world: World) -> None:
    for name in (b"1", b"2", b"3"):
        body = b"answer " + name
        world.a.answers[b"/n" + name] = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + body
    with world.wire() as wire:
        for name in (b"1", b"2", b"3", b"1"):
            wire.send(world.head(target=b"/k8s/clusters/a/n" + name))
        assert [wire.reply().body[-1:] for _ in range(4)] == [b"1", b"2", b"3", b"1"]


def test_a_request_of_another_on_the_same_connection_is_theirs(world: World) -> None:
    with world.wire() as wire:
        for user in ("alice", "bob", "alice", "eve", "bob"):
            wire.send(world.head(user=user, target=b"/k8s/clusters/a/who"))
            assert wire.reply().status == (404 if user == "eve" else 200)
        wire.send(world.head(user="bob", target=b"/k8s/clusters/b/who"))
        assert wire.reply().status == 404
        wire.send(world.head(user=None, target=b"/k8s/clusters/a/who"))
        assert wire.reply().status == 401
    users = [
        one.head.partition(b"Impersonate-User: ")[2].split(b"\r\n")[0] for one in world.a.asked()
    ]
    ids = world.users
    assert users == [ids[name].encode() for name in ("alice", "bob", "alice", "bob")]
    assert world.b.asked() == []


def test_a_revoked_token_is_refused_where_it_was_waved_through_before(world: World) -> None:
    token = world.new_token("alice")
    world.tokens["alice-again"] = token
    request = world.head(user="alice-again")
    with world.wire() as wire:
        wire.send(request)
        assert wire.reply().status == 200
        name = token.partition(":")[0]
        answer = world.sekisho.ask("DELETE", f"/v1/tokens/{name}", token=world.tokens["alice"])
        assert answer.status == 204
        wire.send(request)
        assert wire.reply().status == 401
    del world.tokens["alice-again"]


@pytest.mark.parametrize(
    "rest",
    [
        b"GET /k8s/clusters/a/x HTTP/1.1\r\nImpersonate-User: root\r\n\r\n",
        b"\x00\x16\x03\x01",
        b"POST /k8s/clusters/a/x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b" \r\n\r\n",
    ],
)
def test_rubbish_behind_an_ordinary_request_reaches_nobody(world: World, rest: bytes) -> None:
    with world.wire() as wire:
        wire.send(world.head())
        assert wire.reply().status == 200
        wire.send(world.head() + rest)
        assert b" 400 " in wire.rest()  # and the connection has ended
    assert b"root" not in b"".join(one.head for one in world.a.asked())
    assert len(world.a.asked()) <= 2
