"""Both request paths send the same to the cluster, to the client and to the logs.

A connection on which two requests arrive in one read stays on the ordinary path.
"""

import json
from typing import Any

import pytest

from tests.security.world import World, wait_until
from tests.support.log_lines import audit_events
from tests.support.wire import RawResponse, Wire

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


def leave_fast_path(world: World, wire: Wire) -> None:
    """Move the connection to the ordinary path."""
    wire.send(2 * world.head(target=b"/k8s/clusters/a/both"))
    assert [wire.read_response().status, wire.read_response().status] == [200, 200]


def answered(wire: Wire, method: bytes) -> RawResponse | int:
    return wire.read_status() if method == b"HEAD" else wire.read_response()


@pytest.mark.parametrize(("method", "target", "lines", "body"), ORDINARY)
def test_both_paths_send_the_same_bytes_and_bring_back_the_same(
    world: World, method: bytes, target: bytes, lines: tuple[bytes, ...], body: bytes
) -> None:
    request = world.head(*lines, method=method, target=b"/k8s/clusters/a" + target) + body
    with world.connect() as fast, world.connect() as ordinary:
        leave_fast_path(world, ordinary)
        world.a.clear_recording()
        if method == b"HEAD":
            world.a.responses[b"/healthz"] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        replies = []
        for wire in (fast, ordinary):
            wire.send(request)
            replies.append(answered(wire, method))
    first, second = world.a.wait_for(2)
    assert first.raw == second.raw
    assert replies[0] == replies[1]


def test_both_paths_tell_the_logs_the_same(world: World) -> None:
    target = b"/k8s/clusters/a/api/v1/namespaces/x/pods/y?x=secret"
    request = world.head(b"User-Agent: a\xff\x22b", target=target).replace(
        b"test-0001", b"test-logs"
    )
    with world.connect() as fast, world.connect() as ordinary:
        leave_fast_path(world, ordinary)
        for wire in (fast, fast, ordinary):  # The second time from the cache.
            wire.send(request)
            assert wire.read_response().status == 200

    def events() -> list[dict[str, Any]]:
        return [one for one in audit_events(world.sekisho) if "test-logs" in one["auditID"]]

    wait_until(lambda: len(events()) == 3, 20)
    said = [{k: v for k, v in one.items() if not k.endswith("Timestamp")} for one in events()]
    assert said[0] == said[1] == said[2]
    assert "secret" not in json.dumps(said)


def test_requests_that_come_behind_another_are_answered_in_turn(world: World) -> None:
    for name in (b"1", b"2", b"3"):
        body = b"answer " + name
        world.a.responses[b"/n" + name] = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + body
    with world.connect() as wire:
        for name in (b"1", b"2", b"3", b"1"):
            wire.send(world.head(target=b"/k8s/clusters/a/n" + name))
        assert [wire.read_response().body[-1:] for _ in range(4)] == [b"1", b"2", b"3", b"1"]


def test_request_of_another_user_on_one_connection_has_that_user(world: World) -> None:
    with world.connect() as wire:
        for user in ("alice", "bob", "alice", "eve", "bob"):
            wire.send(world.head(user=user, target=b"/k8s/clusters/a/who"))
            assert wire.read_response().status == (404 if user == "eve" else 200)
        wire.send(world.head(user="bob", target=b"/k8s/clusters/b/who"))
        assert wire.read_response().status == 404
        wire.send(world.head(user=None, target=b"/k8s/clusters/a/who"))
        assert wire.read_response().status == 401
    users = [
        one.head.partition(b"Impersonate-User: ")[2].split(b"\r\n")[0] for one in world.a.requests()
    ]
    ids = world.users
    assert users == [ids[name].encode() for name in ("alice", "bob", "alice", "bob")]
    assert world.b.requests() == []


def test_revoked_token_is_rejected_on_the_fast_path(world: World) -> None:
    token = world.create_token("alice")
    world.tokens["alice-again"] = token
    request = world.head(user="alice-again")
    with world.connect() as wire:
        wire.send(request)
        assert wire.read_response().status == 200
        name = token.partition(":")[0]
        answer = world.sekisho.request("DELETE", f"/v1/tokens/{name}", token=world.tokens["alice"])
        assert answer.status == 204
        wire.send(request)
        assert wire.read_response().status == 401
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
def test_invalid_bytes_after_an_ordinary_request_reach_no_cluster(
    world: World, rest: bytes
) -> None:
    with world.connect() as wire:
        wire.send(world.head())
        assert wire.read_response().status == 200
        wire.send(world.head() + rest)
        assert b" 400 " in wire.read_to_end()  # and the connection has ended
    assert b"root" not in b"".join(one.head for one in world.a.requests())
    assert len(world.a.requests()) <= 2
