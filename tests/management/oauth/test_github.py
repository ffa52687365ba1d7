"""GitHub as a provider of a real Sekisho: browser sign-in and refresh."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import yaml

from tests.support.fake_github import CLIENT, SECRET, FakeGithub, fake_github
from tests.support.isolation import free_port
from tests.support.loop_thread import LoopThread
from tests.support.sekisho import PASSWORD, HttpResponse, Sekisho, make_sekisho, running

SESSION = "__Host-sekisho"


@dataclass
class World:
    """A server and a fake GitHub."""

    server: Sekisho
    github: FakeGithub


@contextmanager
def _github() -> Iterator[FakeGithub]:
    with LoopThread() as loop:
        running = fake_github(free_port())
        yield loop.call(running.__aenter__())
        loop.call(running.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    server = make_sekisho(tmp_path_factory.mktemp("github"), (free_port(), free_port()))
    with _github() as github:
        providers = [
            {"type": "local", "name": "local"},
            {
                "type": "github",
                "name": "ghe",
                "base_url": github.root,
                "client_id": CLIENT,
                "client_secret": SECRET,
                "allowed_orgs": ["acme"],
            },
        ]
        with server.config.open("a") as config:
            yaml.safe_dump({"providers": providers}, config)
        server.create_user("root", "--admin")
        with running(server):
            yield World(server, github)


def cookie(answer: HttpResponse, name: str) -> str:
    """Return a cookie that the response sets."""
    said = answer.headers["Set-Cookie"]
    return said.partition(f"{name}=")[2].partition(";")[0]


def sign_in_cookie(answer: HttpResponse) -> str:
    """Return the cookie of a pending sign-in: name and value."""
    found = re.search(r"__Host-sekisho-signin-[^;]+", answer.headers["Set-Cookie"])
    assert found is not None
    return found[0]


def come_back(world: World, login: str, path: str = "/v1/login/ghe/start") -> HttpResponse:
    started = world.server.request("GET", path)
    assert started.status == 303, started.body
    query = world.github.approve(urlsplit(started.headers["Location"]).query, login)
    headers = {"Cookie": sign_in_cookie(started)}
    return world.server.request("GET", f"/v1/login/ghe/callback?{query}", headers=headers)


def device_token(world: World, login: str) -> HttpResponse:
    """Sign in with a device code, which needs no cookies."""
    started = world.server.request_raw("POST", "/v1/login/ghe/device", b"", {}).json()
    newest = list(world.github.devices)[-1]
    world.github.devices[newest] = login
    form = (
        "grant_type=urn:ietf:params:oauth:grant-type:device_code"
        f"&device_code={started['device_code']}"
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return world.server.request_raw("POST", "/v1/token", form.encode(), headers)


def test_early_poll_is_slowed_down_and_not_sent_to_github(world: World) -> None:
    started = world.server.request_raw("POST", "/v1/login/ghe/device", b"", {}).json()
    newest = list(world.github.devices)[-1]
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    form = f"grant_type={grant}&device_code={started['device_code']}".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    def poll() -> tuple[int, str, int]:
        answer = world.server.request_raw("POST", "/v1/token", form, headers)
        said = answer.json()
        return answer.status, said["error"], said["interval"]

    assert poll() == (400, "authorization_pending", 5)
    assert poll() == (400, "slow_down", 10)
    assert poll() == (400, "slow_down", 15)
    assert world.github.polls.count(newest) == 1


def test_member_signs_in_and_other_accounts_are_rejected(world: World) -> None:
    world.github.create_user("alice", orgs={"acme": "active"})
    world.github.create_user("eve", orgs={"other": "active"})
    came = come_back(world, "alice")
    assert came.headers["Location"] == "/"
    headers = {"Cookie": f"{SESSION}={cookie(came, SESSION)}"}
    me = world.server.request("GET", "/v1/me", headers=headers).json()
    assert me["username"] == "alice"
    assert [group["display_name"] for group in me["groups"]] == ["acme"]
    assert come_back(world, "eve").headers["Location"].startswith("/?signin=refused")


def test_former_member_is_disabled_at_the_next_refresh(world: World) -> None:
    person = world.github.create_user("bea", orgs={"acme": "active", "second": "active"})
    token = device_token(world, "bea").json()["access_token"]
    ask = world.server.request

    def refreshed() -> str:
        root = world.server.token("root")
        user = ask("GET", "/v1/me", token=token).json().get("id", user_id)
        answer = ask("POST", f"/v1/users/{user}/refresh", token=root)
        return str(answer.json()["items"][0]["result"])

    user_id = ask("GET", "/v1/me", token=token).json()["id"]
    del person.orgs["second"]
    assert refreshed() == "refreshed"
    groups = ask("GET", "/v1/me", token=token).json()["groups"]
    assert [group["display_name"] for group in groups] == ["acme"]
    person.orgs.clear()
    assert refreshed() == "refused"
    assert ask("GET", "/v1/me", token=token).status == 401
    person.orgs["acme"] = "active"
    again = device_token(world, "bea").json()
    assert again["user"]["id"] == user_id


def test_unlinked_principals_grant_is_revoked(world: World) -> None:
    world.github.create_user("cleo", orgs={"acme": "active"})
    user = device_token(world, "cleo").json()
    body = {"provider": "local", "username": "root", "password": PASSWORD}
    linked = world.server.request(
        "POST", "/v1/me/principals", token=user["access_token"], body=body
    )
    assert linked.status == 409, "another user has the principal"
    root = world.server.request(
        "POST", "/v1/login/local", body={"username": "root", "password": PASSWORD}
    ).json()["token"]
    begun = world.server.request("POST", "/v1/me/principals", token=root, body={"provider": "ghe"})
    world.github.create_user("root-at-github", orgs={"acme": "active"})
    query = world.github.approve(urlsplit(begun.json()["url"]).query, "root-at-github")
    headers = {"Cookie": sign_in_cookie(begun)}
    back = world.server.request("GET", f"/v1/login/ghe/callback?{query}", headers=headers)
    assert back.headers["Location"] == "/?linked=ghe"
    me = world.server.request("GET", "/v1/me", token=root).json()
    principal = next(one["id"] for one in me["principals"] if one["provider"] == "ghe")
    revoked = len(world.github.revoked)
    gone = world.server.request("DELETE", f"/v1/me/principals/{principal}", token=root)
    assert gone.status == 204
    assert len(world.github.revoked) == revoked + 1
