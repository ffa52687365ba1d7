"""GitHub behind a real Sekisho: in by the browser, out when GitHub says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import yaml

from tests.parts.alone import free_port
from tests.parts.fake_github import CLIENT, SECRET, FakeGithub, fake_github
from tests.parts.loop_thread import LoopThread
from tests.parts.sekisho import PASSWORD, Answer, Sekisho, make_sekisho

SIGN_IN, SESSION = "__Host-sekisho-signin", "__Host-sekisho"


@dataclass
class World:
    """A server and its GitHub."""

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
        server.start()
        yield World(server, github)
        server.stop()


def cookie(answer: Answer, name: str) -> str:
    """A cookie that the answer sets, perhaps among others."""
    said = answer.headers["Set-Cookie"]
    return said.partition(f"{name}=")[2].partition(";")[0]


def come_back(world: World, login: str, path: str = "/v1/login/ghe/start") -> Answer:
    started = world.server.ask("GET", path)
    assert started.status == 303, started.body
    query = world.github.approve(urlsplit(started.headers["Location"]).query, login)
    headers = {"Cookie": f"{SIGN_IN}={cookie(started, SIGN_IN)}"}
    return world.server.ask("GET", f"/v1/login/ghe/callback?{query}", headers=headers)


def device_token(world: World, login: str) -> Answer:
    """Sign in by a code, which needs no cookies."""
    started = world.server.send("POST", "/v1/login/ghe/device", b"", {}).json()
    newest = list(world.github.devices)[-1]
    world.github.devices[newest] = login
    form = (
        "grant_type=urn:ietf:params:oauth:grant-type:device_code"
        f"&device_code={started['device_code']}"
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return world.server.send("POST", "/v1/token", form.encode(), headers)


def test_a_member_comes_in_and_a_stranger_does_not(world: World) -> None:
    world.github.person("alice", orgs={"acme": "active"})
    world.github.person("eve", orgs={"other": "active"})
    came = come_back(world, "alice")
    assert came.headers["Location"] == "/"
    headers = {"Cookie": f"{SESSION}={cookie(came, SESSION)}"}
    me = world.server.ask("GET", "/v1/me", headers=headers).json()
    assert me["username"] == "alice"
    assert [group["display_name"] for group in me["groups"]] == ["acme"]
    assert come_back(world, "eve").headers["Location"].startswith("/?signin=refused")


def test_who_leaves_the_organisation_is_out_at_the_next_refresh(world: World) -> None:
    person = world.github.person("bea", orgs={"acme": "active", "second": "active"})
    token = device_token(world, "bea").json()["access_token"]
    ask = world.server.ask

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


def test_an_unlinked_accounts_grant_is_given_back(world: World) -> None:
    world.github.person("cleo", orgs={"acme": "active"})
    user = device_token(world, "cleo").json()
    body = {"provider": "local", "username": "root", "password": PASSWORD}
    linked = world.server.ask("POST", "/v1/me/principals", token=user["access_token"], body=body)
    assert linked.status == 409, "root is somebody already"
    root = world.server.ask(
        "POST", "/v1/login/local", body={"username": "root", "password": PASSWORD}
    ).json()["token"]
    begun = world.server.ask("POST", "/v1/me/principals", token=root, body={"provider": "ghe"})
    world.github.person("root-at-github", orgs={"acme": "active"})
    query = world.github.approve(urlsplit(begun.json()["url"]).query, "root-at-github")
    headers = {"Cookie": f"{SIGN_IN}={cookie(begun, SIGN_IN)}"}
    back = world.server.ask("GET", f"/v1/login/ghe/callback?{query}", headers=headers)
    assert back.headers["Location"] == "/?linked=ghe"
    me = world.server.ask("GET", "/v1/me", token=root).json()
    principal = next(one["id"] for one in me["principals"] if one["provider"] == "ghe")
    revoked = len(world.github.revoked)
    gone = world.server.ask("DELETE", f"/v1/me/principals/{principal}", token=root)
    assert gone.status == 204
    assert len(world.github.revoked) == revoked + 1
