"""No client header changes the identity with which a request reaches the cluster."""

import json

import pytest

from tests.security.world import World

CHUNKED = b"1\r\na\r\n0\r\n"


def test_plain_request_is_forwarded_unchanged_with_caller_identity(world: World) -> None:
    passed = (b"Accept: application/json", b"User-Agent: kubectl", b"X-Custom: caf\xc3\xa9, \xff")
    assert world.send(world.head(*passed)).status == 200
    assert world.only_request().raw == world.expected_head(*passed)


@pytest.mark.parametrize(
    "lines",
    [
        (b"Impersonate_User: root",),
        (b"impersonate_group: system:masters",),
        (b"Impersonate-User_: root",),
        (b"Impersonate: root",),
        (b"Impersonate-Future: root",),
        (b"Impersonate-User:",),
        (b"Impersonate-User:   \t ",),
        (b"Impersonate-User: a", b"Impersonate-User: b"),
        (b"Impersonate-User: a", b"IMPERSONATE-USER: a"),
        (b"Impersonate-User: a", b"Impersonate_User: a"),
        (b"Impersonate-User: a", b"Impersonate-Group:"),
        (b"Impersonate-User: a", b"Impersonate-Uid: 1", b"impersonate-uid: 2"),
        (b"Impersonate-User: a", b"Impersonate-Extra-: x"),
        (b"Impersonate-User: \xff\xfe",),
        (b"Impersonate-Group: system:masters",),
        (b"impersonate-uid: 0",),
        (b"Impersonate-Extra-Username: root",),
        (b"Impersonate-User: a\r\n b",),
        (b"Impersonate-User: a\r\n\tImpersonate-Group: system:masters",),
        (b"X: y\r\n Impersonate-User: root",),
        (b"Impersonate-User : root",),
        (b" Impersonate-User: root",),
        (b"\tImpersonate-User: root",),
        (b"Impersonate-User\x00: root",),
        (b"Impersonate-User: root\x00",),
        (b"X: y\rImpersonate-User: root",),
        (b"X: y\nImpersonate-User: root",),
        (b"X: y\x0bImpersonate-User: root",),
        (b"Connection: Impersonate-User", b"Impersonate-Group: system:masters"),
    ],
)
def test_malformed_impersonation_request_is_rejected(
    world: World, lines: tuple[bytes, ...]
) -> None:
    assert world.send(world.head(*lines)).status == 400
    world.assert_nothing_received()


@pytest.mark.parametrize(
    "lines",
    [
        (b"Impersonate-User: root",),
        (b"impersonate-user: root",),
        (b"iMPERSONATE-uSER: root",),
        (b"Connection: Impersonate-User", b"Impersonate-User: root"),
        (b"Connection: close, impersonate-user , Authorization", b"Impersonate-User: root"),
    ],
)
def test_impersonation_that_cluster_denies_is_rejected(
    world: World, lines: tuple[bytes, ...]
) -> None:
    assert world.send(world.head(*lines)).status == 403
    [review] = world.a.reviews()
    assert json.loads(review.body)["spec"] == {
        "user": world.users["alice"],
        "uid": world.users["alice"],
        "groups": ["system:authenticated", "sekisho:authenticated"],
        "extra": {
            "username": ["alice"],
            "principalid": [f"local://{world.users['alice']}"],
        },
        "resourceAttributes": {"verb": "impersonate", "resource": "users", "name": "root"},
    }
    assert world.a.requests() == []
    assert world.b.recorded == []


def test_impersonation_needs_permission_for_every_part(world: World) -> None:
    alice = world.users["alice"]
    world.a.allowed = {(alice, "users", "jane")}
    lines = (b"Impersonate-User: jane", b"Impersonate-Group: system:masters")
    assert world.send(world.head(*lines)).status == 403
    assert world.a.requests() == []


def test_allowed_impersonation_carries_original_user(world: World) -> None:
    alice = world.users["alice"]
    world.a.allowed = {(alice, "users", "jane"), (alice, "groups", "dev")}
    world.a.allowed |= {(alice, "userextras", name) for name in ("x", "root", "forged")}
    lines = (
        b"impersonate-group: dev",
        b"Accept: */*",
        b"Impersonate-Extra-Acme.com%2fTeam: x",
        b"Impersonate-Extra-Username: root",
        b"Impersonate-Extra-Originaluser: forged",
        b"Impersonate-Extra-Requestid: forged",
        b"Impersonate-User: jane",
    )
    assert world.send(world.head(*lines)).status == 200
    assert world.only_request().raw == world.expected_head(
        b"Accept: */*",
        identity=[
            b"Impersonate-User: jane",
            b"Impersonate-Group: dev",
            b"Impersonate-Extra-Acme.com%2fteam: x",
            b"Impersonate-Extra-Originaluser: " + alice.encode(),
            b"Impersonate-Extra-Originalusername: alice",
            b"Impersonate-Extra-Originalprincipalid: local://" + alice.encode(),
        ],
    )


@pytest.mark.parametrize(
    "value",
    [
        b"Impersonate-User",
        b"impersonate-user, IMPERSONATE-GROUP, Impersonate-Uid, Impersonate-Extra-Username",
        b"Authorization, Host, X-Forwarded-For, Impersonate-Extra-Requestid",
        b"close, Impersonate-User",
        b"keep-alive, , Impersonate-User,",
    ],
)
def test_connection_header_removes_no_header_that_proxy_sets(world: World, value: bytes) -> None:
    response = world.send(world.head(b"Connection: " + value, b"Accept: */*"))
    assert response.status == 200
    assert world.only_request().raw == world.expected_head(b"Accept: */*")


def test_connection_header_removes_only_named_headers(world: World) -> None:
    lines = (
        b"Connection: x-hop",
        b"X-Hop: 1",
        b"X-Hop-Not: 2",
        b"connection: Accept",
        b"Accept: a",
    )
    assert world.send(world.head(*lines)).status == 200
    assert world.only_request().raw == world.expected_head(b"X-Hop-Not: 2")


@pytest.mark.parametrize(
    "trailers",
    [
        b"Impersonate-User: root\r\n",
        b"X: y\r\nImpersonate-User: root\r\n",
        b"Impersonate-User: root\r\nImpersonate-Group: system:masters\r\nX: y\r\n",
        b"Authorization: Bearer x\r\nCookie: a=b\r\nHost: other\r\n",
    ],
)
@pytest.mark.parametrize("announced", [(), (b"Trailer: Impersonate-User",)])
def test_request_trailers_are_not_forwarded(
    world: World, trailers: bytes, announced: tuple[bytes, ...]
) -> None:
    head = world.head(b"Transfer-Encoding: chunked", *announced, method=b"POST")
    assert world.send(head + CHUNKED + trailers + b"\r\n").status == 200
    framing = (b"Transfer-Encoding: chunked",)
    expected = world.expected_head(method=b"POST", framing=framing) + CHUNKED + b"\r\n"
    assert world.only_request().raw == expected


@pytest.mark.parametrize("at_once", [True, False])
def test_trailer_is_not_header_of_next_request(world: World, at_once: bool) -> None:
    """aiohttp keeps the last trailer and reads it as the first header of the next request."""
    first = world.head(b"Transfer-Encoding: chunked", method=b"POST")
    first += CHUNKED + b"Impersonate-User: root\r\n\r\n"
    second = world.head(user="bob")
    with world.connect() as wire:
        wire.send(first + second if at_once else first)
        response = wire.read_response()
        assert response.status == 200
        assert response.header_values(b"Connection") == [b"close"]
        assert wire.is_closed_silently()
    framing = (b"Transfer-Encoding: chunked",)
    expected = world.expected_head(method=b"POST", framing=framing) + CHUNKED + b"\r\n"
    assert world.only_request().raw == expected
    assert world.a.reviews() == []


def test_trailer_is_not_header_of_next_api_request(world: World) -> None:
    body = b'{"username": "eve", "password": "x"}'
    first = world.head(
        *(b"Content-Type: application/json", b"Transfer-Encoding: chunked"),
        method=b"POST",
        target=b"/v1/login/local",
        user=None,
    )
    first += b"%x\r\n%b\r\n0\r\n" % (len(body), body)
    first += b"Authorization: Bearer " + world.tokens["root"].encode() + b"\r\n\r\n"
    with world.connect() as wire:
        wire.send(first + world.head(user=None, target=b"/v1/me"))
        assert wire.read_response().status == 401
        assert wire.is_closed_silently()


def test_only_administrators_are_in_administrators_group(world: World) -> None:
    assert world.send(world.head(user="root", target=b"/k8s/clusters/a/x")).status == 200
    assert world.only_request().raw == world.expected_head(user="root", target=b"/x")
    world.a.reset()
    world.send(world.head(user="bob", target=b"/k8s/clusters/a/x"))
    assert b"sekisho:administrators" not in world.only_request().raw
