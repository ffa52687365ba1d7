"""Signing in at a certified issuer's pages, through a real Sekisho."""

import base64
import hashlib
import json
import re
import secrets
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import pytest

from tests.management.signing_in.conftest import World
from tests.parts.certified_issuer import Person
from tests.parts.waiting import until

COOKIE = "__Host-sekisho"


def cookie(session: aiohttp.ClientSession, name: str) -> str | None:
    return next((one.value for one in session.cookie_jar if one.key == name), None)


async def come_back(world: World, person: Person, session: aiohttp.ClientSession) -> str:
    """Sign in up to the callback; its URL, not visited yet."""
    url = f"{world.server.url}/v1/login/corp/start"
    async with session.get(url, allow_redirects=False) as answer:
        assert answer.status == 303
        away = answer.headers["Location"]
    return await person.go(away, f"{world.server.url}/v1/login/corp/callback")


async def sign_in(world: World, person: Person, session: aiohttp.ClientSession) -> str:
    """The whole way; where it ends."""
    url = await come_back(world, person, session)
    async with session.get(url, allow_redirects=False) as answer:
        assert answer.status == 303
        return answer.headers["Location"]


async def me(world: World, session: aiohttp.ClientSession, **headers: str) -> Any:
    async with session.get(f"{world.server.url}/v1/me", headers=headers) as answer:
        return await answer.json() if answer.status == 200 else None


async def post_token(
    world: World, session: aiohttp.ClientSession, **form: str
) -> tuple[int, dict[str, Any]]:
    url = f"{world.server.url}/v1/token"
    async with session.post(url, data=form, cookies={}) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, await answer.json()


async def _visit(world: World, url: str, **headers: str) -> str:
    """Where another browser is sent, with those headers and no cookies."""
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=world.tls())) as other,
        other.get(url, headers=headers, allow_redirects=False) as answer,
    ):
        return answer.headers["Location"]


def pkce() -> tuple[str, str]:
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_the_ways_to_sign_in_are_told(oidc: World) -> None:
    items = oidc.server.ask("GET", "/v1/providers").json()["items"]
    assert items == [
        {"name": "local", "kind": "password", "methods": ["password"]},
        {"name": "corp", "kind": "browser", "methods": ["browser", "device"]},
    ]


async def test_who_comes_back_has_a_session(
    oidc: World, person: Person, session: aiohttp.ClientSession
) -> None:
    assert await sign_in(oidc, person, session) == "/"
    assert cookie(session, "__Host-sekisho-signin") in {None, ""}
    who = await me(oidc, session)
    assert who["username"] == "alice"
    assert who["principals"][0]["id"] == "oidc_corp_user://alice"
    # What no provider may hand out is left out.
    assert [one["id"] for one in who["groups"]] == [
        "oidc_corp_group://dev",
        "oidc_corp_group://ops",
    ]


async def test_the_same_person_is_the_same_user(
    oidc: World, person: Person, session: aiohttp.ClientSession
) -> None:
    await sign_in(oidc, person, session)
    first = (await me(oidc, session))["id"]
    session.cookie_jar.clear()
    await sign_in(oidc, person, session)
    assert (await me(oidc, session))["id"] == first


async def test_an_answer_is_good_once_and_in_its_own_browser_only(
    oidc: World, person: Person, session: aiohttp.ClientSession
) -> None:
    url = await come_back(oidc, person, session)
    assert (await _visit(oidc, url)).startswith("/?signin=again")
    kept = cookie(session, "__Host-sekisho-signin")
    async with session.get(url, allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/"
    again = await _visit(oidc, url, Cookie=f"__Host-sekisho-signin={kept}")
    assert again.startswith("/?signin=again")


async def test_another_state_or_no_consent_comes_to_nothing(
    oidc: World, person: Person, session: aiohttp.ClientSession
) -> None:
    for change in ({"state": "x"}, {"error": "access_denied"}):
        parts = urlsplit(await come_back(oidc, person, session))
        query = urlencode(dict(parse_qsl(parts.query)) | change)
        async with session.get(
            parts._replace(query=query).geturl(), allow_redirects=False
        ) as answer:
            assert answer.headers["Location"].startswith("/?signin=refused&request=")
        assert await me(oidc, session) is None


async def test_a_sign_in_begins_with_a_link_not_with_an_image(oidc: World) -> None:
    for headers in ({"Sec-Fetch-Mode": "no-cors"}, {"Sec-Fetch-Dest": "iframe"}):
        answer = oidc.server.ask("GET", "/v1/login/corp/start", headers=headers)
        assert answer.status == 403
        assert "Set-Cookie" not in answer.headers
    assert oidc.server.ask("GET", "/v1/login/local/start").status == 404
    assert oidc.server.ask("GET", "/v1/login/nobody/start").status == 404


async def test_a_command_line_waits_on_loopback_and_gets_a_code(
    oidc: World, person: Person, session: aiohttp.ClientSession
) -> None:
    verifier, challenge = pkce()
    back = "http://127.0.0.1:54321/cb"
    query = {
        "redirect_uri": back,
        "state": "s-1",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    url = f"{oidc.server.url}/v1/login/corp/start?{urlencode(query)}"
    arrived = dict(parse_qsl(urlsplit(await person.go(url, back)).query))
    assert set(arrived) == {"code", "state"}
    assert arrived["state"] == "s-1"
    assert await me(oidc, session) is None
    form = {"grant_type": "authorization_code", "redirect_uri": back, "code": arrived["code"]}
    wrong = await post_token(oidc, session, **form, code_verifier=pkce()[0])
    assert wrong[0] == 400
    assert wrong[1]["error"] == "invalid_grant"
    # One guess is all there is.
    assert (await post_token(oidc, session, **form, code_verifier=verifier))[0] == 400

    arrived = dict(parse_qsl(urlsplit(await person.go(url, back)).query))
    form["code"] = arrived["code"]
    status, said = await post_token(oidc, session, **form, code_verifier=verifier)
    assert status == 200
    assert said["token_type"] == "Bearer"
    assert 0 < said["expires_in"] <= 16 * 3600
    assert said["user"]["username"] == "alice"
    who = oidc.server.ask("GET", "/v1/me", token=said["access_token"]).json()
    assert who["id"] == said["user"]["id"]
    assert (await post_token(oidc, session, **form, code_verifier=verifier))[0] == 400


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": "https://evil.example/cb"},
        {"redirect_uri": "http://127.0.0.1.evil.example:80/cb"},
        {"redirect_uri": "http://localhost:5000/cb"},
        {"redirect_uri": "http://127.0.0.1/cb"},
        {"redirect_uri": "http://x@127.0.0.1:5000/cb"},
        {"redirect_uri": "http://127.0.0.1:5000/cb?x=1"},
        {"redirect_uri": "http://127.0.0.1:5000/cb#x"},
        {"redirect_uri": "http://127.0.0.1:5000/\r\nX: y"},
        {"redirect_uri": ""},
        {"code_challenge_method": "plain"},
        {"code_challenge": "short"},
        {"state": ""},
    ],
)
async def test_a_code_goes_to_this_very_machine_only(oidc: World, change: dict[str, str]) -> None:
    query = {
        "redirect_uri": "http://127.0.0.1:5000/cb",
        "state": "s",
        "code_challenge": pkce()[1],
        "code_challenge_method": "S256",
    } | change
    answer = oidc.server.ask("GET", f"/v1/login/corp/start?{urlencode(query)}")
    assert answer.status == 400
    assert "Set-Cookie" not in answer.headers


async def test_a_code_typed_on_another_device_signs_in(
    oidc: World, person: Person, session: aiohttp.ClientSession
) -> None:
    url = f"{oidc.server.url}/v1/login/corp/device"
    async with session.post(url) as answer:
        started = await answer.json()
    assert set(started) == {
        *("device_code", "user_code", "verification_uri", "verification_uri_complete"),
        *("expires_in", "interval"),
    }
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": started["device_code"],
    }
    status, said = await post_token(oidc, session, **form)
    assert (status, said["error"]) == (400, "authorization_pending")
    assert said["interval"] == started["interval"]
    await person.go(started["verification_uri_complete"], "nowhere:")
    status, said = await post_token(oidc, session, **form)
    assert status == 200, said
    assert said["user"]["username"] == "alice"
    assert (await post_token(oidc, session, **form))[0] == 400
    made_up = await post_token(oidc, session, **(form | {"device_code": "x"}))
    assert made_up[1]["error"] == "expired_token"


async def test_a_session_is_renewed_and_the_old_one_ends(
    oidc: World, session: aiohttp.ClientSession
) -> None:
    body = {"username": "carol", "password": "correct horse battery staple"}
    first = oidc.server.ask("POST", "/v1/login/local", body=body).json()
    assert first["renewable_until"] is not None
    form = {"grant_type": "refresh_token", "refresh_token": first["token"]}
    status, said = await post_token(oidc, session, **form)
    assert status == 200
    assert said["renewable_until"] == first["renewable_until"]
    assert said["access_token"] != first["token"]
    tokens = oidc.server.ask("GET", "/v1/tokens", token=said["access_token"]).json()["items"]
    old = next(one for one in tokens if first["token"].startswith(one["name"]))
    new = next(one for one in tokens if said["access_token"].startswith(one["name"]))
    assert old["expires_at"] < new["expires_at"]
    oidc.server.ask("POST", "/v1/logout", token=said["access_token"])
    for gone in (said["access_token"], "session-x:y", "nonsense"):
        status, answer = await post_token(oidc, session, **(form | {"refresh_token": gone}))
        assert (status, answer["error"]) == (400, "invalid_grant")


async def test_an_api_token_is_no_session_to_renew(
    oidc: World, session: aiohttp.ClientSession
) -> None:
    token = oidc.server.token("carol")
    status, said = await post_token(oidc, session, grant_type="refresh_token", refresh_token=token)
    assert (status, said["error"]) == (400, "invalid_grant")


async def test_signing_out_at_the_issuer_ends_the_sessions_here(
    oidc: World, person: Person, session: aiohttp.ClientSession
) -> None:
    await sign_in(oidc, person, session)
    assert await me(oidc, session) is not None
    await person.go(f"{oidc.issuer_url}/session/end", "nowhere:")
    headers = {"Cookie": f"{COOKIE}={cookie(session, COOKIE)}"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=oidc.tls())) as other:
        for _ in range(200):
            if await me(oidc, other, **headers) is None:
                break
        else:
            raise AssertionError("the session goes on")


async def test_one_more_principal_is_linked_by_the_browser(
    oidc: World, session: aiohttp.ClientSession
) -> None:
    body = {
        "username": "carol",
        "password": "correct horse battery staple",
        "session": True,
    }
    url = oidc.server.url
    async with session.post(f"{url}/v1/login/local", json=body) as answer:
        assert answer.status == 200
    who = await me(oidc, session)
    csrf = {"X-CSRF-Token": who["csrf_token"]}
    async with session.post(
        f"{url}/v1/me/principals", json={"provider": "corp"}, headers=csrf
    ) as answer:
        assert answer.status == 200
        away = (await answer.json())["url"]
    back = await Person(session, "carol-of-corp").go(away, f"{url}/v1/login/corp/callback")
    async with session.get(back, allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/?linked=corp"
    linked = await me(oidc, session)
    assert linked["id"] == who["id"]
    assert {one["id"] for one in linked["principals"]} == {
        f"local://{who['id']}",
        "oidc_corp_user://carol-of-corp",
    }
    async with session.delete(
        f"{url}/v1/me/principals/oidc_corp_user://carol-of-corp", headers=csrf
    ) as answer:
        assert answer.status == 204


async def test_refresh_asks_the_issuer_and_rotates(
    oidc: World, person: Person, session: aiohttp.ClientSession
) -> None:
    await sign_in(oidc, person, session)
    csrf = {"X-CSRF-Token": (await me(oidc, session))["csrf_token"]}
    for _ in range(3):
        async with session.post(f"{oidc.server.url}/v1/me/refresh", headers=csrf) as answer:
            assert answer.status == 200
            items = (await answer.json())["items"]
        assert items == [{"principal": "oidc_corp_user://alice", "result": "refreshed"}]


def test_nothing_secret_is_in_the_logs(oidc: World) -> None:
    until(lambda: "signed in" in oidc.server.log)
    audit = (oidc.server.folder / "data" / "audit.log").read_text()
    for text in (oidc.server.log, audit):
        assert "a secret of the tests" not in text
        # Names may be there; values of queries, and what comes after a token's name, may not.
        assert re.search(r"[?&](code|state|iss|code_challenge)=(?!\[redacted\])", text) is None
        assert re.search(r"(session|token|kubeconfig)-[a-z2-7]{10}:[A-Za-z0-9_-]{20}", text) is None
    assert json.loads(audit.splitlines()[-1])["kind"] == "Event"
