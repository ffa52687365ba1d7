"""A session from a password that must be changed cannot reach a cluster."""

import uuid

import pytest

from tests.security.test_both_paths import leave_fast_path
from tests.security.world import World, wait_until
from tests.support.sekisho import PASSWORD


@pytest.fixture(scope="module")
def temporary_user(_world: World) -> str:
    """Create an administrator who must change the password; return the user name."""
    name = f"temporary-{uuid.uuid4().hex[:6]}"
    _world.sekisho.run(
        *("admin", "user", "create", name, "--admin", "--password-stdin", "--must-change"),
        stdin=f"{PASSWORD}\n",
    )
    return name


def sign_in(world: World, name: str, password: str = PASSWORD) -> str:
    body = {"username": name, "password": password}
    return str(world.sekisho.request("POST", "/v1/login/local", body=body).json()["token"])


@pytest.mark.parametrize(
    ("method", "target"),
    [
        (b"GET", b"/k8s/clusters/a/api/v1/pods"),
        (b"GET", b"/k8s/clusters/a/version"),
        (b"GET", b"/k8s/clusters/nope/api"),
        (b"POST", b"/k8s/clusters/a/apis/authentication.k8s.io/v1/selfsubjectreviews"),
        (b"DELETE", b"/k8s/clusters/a/api/v1/namespaces/x"),
    ],
)
def test_confined_session_cannot_reach_cluster_on_either_path(
    world: World, temporary_user: str, method: bytes, target: bytes
) -> None:
    token = sign_in(world, temporary_user)
    line = b"Authorization: Bearer " + token.encode()
    length = (b"Content-Length: 0",) if method != b"GET" else ()
    request = world.head(line, *length, user=None, method=method, target=target)
    with world.connect() as fast, world.connect() as standard:
        leave_fast_path(world, standard)
        world.a.clear_recording()
        for wire in (fast, standard):
            wire.send(request)
            response = wire.read_response()
            assert (response.status, b"change it first" in response.body) == (403, True)
    world.assert_nothing_received()


def test_confined_session_cannot_upgrade(world: World, temporary_user: str) -> None:
    token = sign_in(world, temporary_user)
    head = world.head(
        b"Authorization: Bearer " + token.encode(),
        b"Connection: Upgrade",
        b"Upgrade: SPDY/3.1",
        user=None,
        method=b"POST",
        target=b"/k8s/clusters/a/api/v1/namespaces/x/pods/y/exec?command=sh",
    )
    assert world.send(head).status == 403
    world.assert_nothing_received()


def test_confined_cookie_cannot_reach_cluster(world: World, temporary_user: str) -> None:
    body = {"username": temporary_user, "password": PASSWORD, "session": True}
    response = world.sekisho.request("POST", "/v1/login/local", body=body)
    cookie = b"Cookie: " + response.headers["Set-Cookie"].partition(";")[0].encode()
    assert world.send(world.head(cookie, user=None)).status == 403
    world.assert_nothing_received()


def test_session_reaches_cluster_after_password_change(world: World) -> None:
    name = f"temporary-{uuid.uuid4().hex[:6]}"
    world.sekisho.run(
        *("admin", "user", "create", name, "--admin", "--password-stdin", "--must-change"),
        stdin=f"{PASSWORD}\n",
    )
    token = sign_in(world, name)
    request = world.head(b"Authorization: Bearer " + token.encode(), user=None)
    with world.connect() as wire:
        wire.send(request)
        assert wire.read_response().status == 403
        body = {"current_password": PASSWORD, "new_password": "a newly chosen password"}
        changed = world.sekisho.request("POST", "/v1/me/password", token=token, body=body)
        assert changed.status == 204
        wait_until(lambda: world.send(request).status == 200, 20)
        wire.send(request)
        assert wire.read_response().status == 200
