"""Sign-in at a certified issuer's pages, through a real Sekisho."""

import asyncio
import base64
import hashlib
import json
import re
import secrets
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import pytest

from tests.management.oauth.conftest import World
from tests.support.certified_issuer import BrowserUser
from tests.support.waiting import wait_until

COOKIE = "__Host-sekisho"


def cookie(session: aiohttp.ClientSession, name: str) -> str | None:
    return next((one.value for one in session.cookie_jar if one.key == name), None)


def sign_in_cookies(session: aiohttp.ClientSession) -> list[tuple[str, str]]:
    """Return the cookies that have a value."""
    begins = "__Host-sekisho-signin-"
    return [
        (one.key, one.value)
        for one in session.cookie_jar
        if one.key.startswith(begins) and one.value
    ]


async def come_back(world: World, person: BrowserUser, session: aiohttp.ClientSession) -> str:
    """Sign in at the issuer; return the URL of the callback, not visited yet."""
    url = f"{world.server.url}/v1/login/corp/start"
    async with session.get(url, allow_redirects=False) as response:
        assert response.status == 303
        away = response.headers["Location"]
    return await person.follow(away, f"{world.server.url}/v1/login/corp/callback")


async def sign_in(world: World, person: BrowserUser, session: aiohttp.ClientSession) -> str:
    """Sign in; return the final URL."""
    url = await come_back(world, person, session)
    async with session.get(url, allow_redirects=False) as response:
        assert response.status == 303
        return response.headers["Location"]


async def me(world: World, session: aiohttp.ClientSession, **headers: str) -> Any:
    async with session.get(f"{world.server.url}/v1/me", headers=headers) as response:
        return await response.json() if response.status == 200 else None


async def post_token(
    world: World, session: aiohttp.ClientSession, **form: str
) -> tuple[int, dict[str, Any]]:
    url = f"{world.server.url}/v1/token"
    async with session.post(url, data=form, cookies={}) as response:
        assert response.headers["Cache-Control"] == "no-store"
        return response.status, await response.json()


async def _visit(world: World, url: str, **headers: str) -> str:
    """Return where another browser is redirected, with those headers and no cookies."""
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=world.tls())) as other,
        other.get(url, headers=headers, allow_redirects=False) as response,
    ):
        return response.headers["Location"]


def pkce() -> tuple[str, str]:
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_provider_list_shows_the_ways_to_sign_in(oidc: World) -> None:
    items = oidc.server.request("GET", "/v1/providers").json()["items"]
    assert items == [
        {"name": "local", "kind": "password", "methods": ["password"]},
        {"name": "corp", "kind": "browser", "methods": ["browser", "device"]},
    ]


async def test_callback_begins_a_session(
    oidc: World, person: BrowserUser, session: aiohttp.ClientSession
) -> None:
    assert await sign_in(oidc, person, session) == "/"
    who = await me(oidc, session)
    assert who["username"] == "alice"
    assert who["principals"][0]["id"] == "oidc_corp_user://alice"
    # Reserved groups are left out.
    assert [one["id"] for one in who["groups"]] == [
        "oidc_corp_group://dev",
        "oidc_corp_group://ops",
    ]


async def test_second_sign_in_finds_the_same_user(
    oidc: World, person: BrowserUser, session: aiohttp.ClientSession
) -> None:
    await sign_in(oidc, person, session)
    first = (await me(oidc, session))["id"]
    session.cookie_jar.clear()
    await sign_in(oidc, person, session)
    assert (await me(oidc, session))["id"] == first


async def test_callback_works_once_and_only_in_its_browser(
    oidc: World, person: BrowserUser, session: aiohttp.ClientSession
) -> None:
    url = await come_back(oidc, person, session)
    assert (await _visit(oidc, url)).startswith("/?signin=again")
    [(name, kept)] = sign_in_cookies(session)
    async with session.get(url, allow_redirects=False) as response:
        assert response.headers["Location"] == "/"
    # The second callback signs no user in, even with the cookie.
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=oidc.tls())) as other,
        other.get(url, headers={"Cookie": f"{name}={kept}"}, allow_redirects=False) as response,
    ):
        assert response.headers["Location"] == "/"
        assert "Set-Cookie" not in response.headers


async def test_repeated_callback_redirects_to_the_page_without_an_error(
    oidc: World, person: BrowserUser, session: aiohttp.ClientSession
) -> None:
    url = await come_back(oidc, person, session)
    for _ in range(3):
        async with session.get(url, allow_redirects=False) as response:
            assert response.headers["Location"] == "/"
    assert (await me(oidc, session))["username"] == "alice"


async def test_failed_sign_in_leaves_no_cookie(
    oidc: World, person: BrowserUser, session: aiohttp.ClientSession
) -> None:
    url = await come_back(oidc, person, session)
    # A callback without a pending sign-in uses up none.
    async with session.get(f"{url.partition('?')[0]}?state=x&code=y") as response:
        assert len(sign_in_cookies(session)) == 1
    parts = urlsplit(url)
    query = urlencode(dict(parse_qsl(parts.query)) | {"error": "access_denied"})
    failed = parts._replace(query=query).geturl()
    async with session.get(failed, allow_redirects=False) as response:
        assert response.headers["Location"].startswith("/?signin=refused")
    assert sign_in_cookies(session) == []


async def test_concurrent_sign_ins_in_two_tabs_use_their_own_cookies(
    oidc: World, person: BrowserUser, session: aiohttp.ClientSession
) -> None:
    """Sign-ins begin one after the other and finish in either order; also in six tabs."""
    urls = [await come_back(oidc, person, session) for _ in range(3)]
    for url in (urls[1], urls[0], urls[2]):
        async with session.get(url, allow_redirects=False) as response:
            assert response.headers["Location"] == "/"
            assert "__Host-sekisho" in response.cookies


async def test_browser_keeps_few_sign_in_cookies_and_drops_the_oldest(
    oidc: World, person: BrowserUser, session: aiohttp.ClientSession
) -> None:
    urls = [await come_back(oidc, person, session) for _ in range(7)]
    assert len(sign_in_cookies(session)) == 5
    async with session.get(urls[-1], allow_redirects=False) as response:
        assert response.headers["Location"] == "/"
    async with session.get(urls[0], allow_redirects=False) as response:
        assert response.headers["Location"].startswith("/?signin=")


async def test_callback_with_another_state_or_without_consent_fails(
    oidc: World, person: BrowserUser, session: aiohttp.ClientSession
) -> None:
    for change, why in (({"state": "x"}, "again"), ({"error": "access_denied"}, "refused")):
        parts = urlsplit(await come_back(oidc, person, session))
        query = urlencode(dict(parse_qsl(parts.query)) | change)
        async with session.get(
            parts._replace(query=query).geturl(), allow_redirects=False
        ) as response:
            assert response.headers["Location"].startswith(f"/?signin={why}&request=")
        assert await me(oidc, session) is None


async def test_sign_in_must_begin_with_a_top_level_navigation(oidc: World) -> None:
    for headers in ({"Sec-Fetch-Mode": "no-cors"}, {"Sec-Fetch-Dest": "iframe"}):
        response = oidc.server.request("GET", "/v1/login/corp/start", headers=headers)
        assert response.status == 403
        assert "Set-Cookie" not in response.headers
    assert oidc.server.request("GET", "/v1/login/local/start").status == 404
    assert oidc.server.request("GET", "/v1/login/unknown/start").status == 404


async def test_command_line_on_loopback_gets_a_code(
    oidc: World, person: BrowserUser, session: aiohttp.ClientSession
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
    arrived = dict(parse_qsl(urlsplit(await person.follow(url, back)).query))
    assert set(arrived) == {"code", "state"}
    assert arrived["state"] == "s-1"
    assert await me(oidc, session) is None
    form = {"grant_type": "authorization_code", "redirect_uri": back, "code": arrived["code"]}
    wrong = await post_token(oidc, session, **form, code_verifier=pkce()[0])
    assert wrong[0] == 400
    assert wrong[1]["error"] == "invalid_grant"
    # Only one guess is allowed.
    assert (await post_token(oidc, session, **form, code_verifier=verifier))[0] == 400

    arrived = dict(parse_qsl(urlsplit(await person.follow(url, back)).query))
    form["code"] = arrived["code"]
    status, said = await post_token(oidc, session, **form, code_verifier=verifier)
    assert status == 200
    assert said["token_type"] == "Bearer"
    assert 0 < said["expires_in"] <= 16 * 3600
    assert said["user"]["username"] == "alice"
    who = oidc.server.request("GET", "/v1/me", token=said["access_token"]).json()
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
async def test_code_is_sent_to_loopback_addresses_only(oidc: World, change: dict[str, str]) -> None:
    query = {
        "redirect_uri": "http://127.0.0.1:5000/cb",
        "state": "s",
        "code_challenge": pkce()[1],
        "code_challenge_method": "S256",
    } | change
    response = oidc.server.request("GET", f"/v1/login/corp/start?{urlencode(query)}")
    assert response.status == 400
    assert "Set-Cookie" not in response.headers


async def test_device_code_typed_elsewhere_signs_in(
    oidc: World, person: BrowserUser, session: aiohttp.ClientSession
) -> None:
    url = f"{oidc.server.url}/v1/login/corp/device"
    async with session.post(url) as response:
        started = await response.json()
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
    await person.follow(started["verification_uri_complete"], "nowhere:")
    await asyncio.sleep(started["interval"])  # as RFC 8628 asks of a client
    status, said = await post_token(oidc, session, **form)
    assert status == 200, said
    assert said["user"]["username"] == "alice"
    assert (await post_token(oidc, session, **form))[0] == 400
    made_up = await post_token(oidc, session, **(form | {"device_code": "x"}))
    assert made_up[1]["error"] == "expired_token"


async def test_session_renewal_ends_the_old_session(
    oidc: World, session: aiohttp.ClientSession
) -> None:
    body = {"username": "carol", "password": "correct horse battery staple"}
    first = oidc.server.request("POST", "/v1/login/local", body=body).json()
    assert first["renewable_until"] is not None
    form = {"grant_type": "refresh_token", "refresh_token": first["token"]}
    status, said = await post_token(oidc, session, **form)
    assert status == 200
    assert said["renewable_until"] == first["renewable_until"]
    assert said["access_token"] != first["token"]
    tokens = oidc.server.request("GET", "/v1/tokens", token=said["access_token"]).json()["items"]
    old = next(one for one in tokens if first["token"].startswith(one["name"]))
    new = next(one for one in tokens if said["access_token"].startswith(one["name"]))
    assert old["expires_at"] < new["expires_at"]
    oidc.server.request("POST", "/v1/logout", token=said["access_token"])
    for gone in (said["access_token"], "session-x:y", "nonsense"):
        status, response = await post_token(oidc, session, **(form | {"refresh_token": gone}))
        assert (status, response["error"]) == (400, "invalid_grant")


async def test_api_token_cannot_be_renewed(oidc: World, session: aiohttp.ClientSession) -> None:
    token = oidc.server.token("carol")
    status, said = await post_token(oidc, session, grant_type="refresh_token", refresh_token=token)
    assert (status, said["error"]) == (400, "invalid_grant")


async def test_backchannel_logout_ends_the_sessions(
    oidc: World, person: BrowserUser, session: aiohttp.ClientSession
) -> None:
    await sign_in(oidc, person, session)
    assert await me(oidc, session) is not None
    await person.follow(f"{oidc.issuer_url}/session/end", "nowhere:")
    headers = {"Cookie": f"{COOKIE}={cookie(session, COOKIE)}"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=oidc.tls())) as other:
        for _ in range(200):
            if await me(oidc, other, **headers) is None:
                break
        else:
            raise AssertionError("the session goes on")


async def test_second_principal_is_linked_by_the_browser(
    oidc: World, session: aiohttp.ClientSession
) -> None:
    body = {
        "username": "carol",
        "password": "correct horse battery staple",
        "session": True,
    }
    url = oidc.server.url
    async with session.post(f"{url}/v1/login/local", json=body) as response:
        assert response.status == 200
    who = await me(oidc, session)
    csrf = {"X-CSRF-Token": who["csrf_token"]}
    async with session.post(
        f"{url}/v1/me/principals", json={"provider": "corp"}, headers=csrf
    ) as response:
        assert response.status == 200
        away = (await response.json())["url"]
    back = await BrowserUser(session, "carol-of-corp").follow(away, f"{url}/v1/login/corp/callback")
    async with session.get(back, allow_redirects=False) as response:
        assert response.headers["Location"] == "/?linked=corp"
    linked = await me(oidc, session)
    assert linked["id"] == who["id"]
    assert {one["id"] for one in linked["principals"]} == {
        f"local://{who['id']}",
        "oidc_corp_user://carol-of-corp",
    }
    async with session.delete(
        f"{url}/v1/me/principals/oidc_corp_user://carol-of-corp", headers=csrf
    ) as response:
        assert response.status == 204


async def test_refresh_queries_the_issuer_and_rotates_the_secret(
    oidc: World, person: BrowserUser, session: aiohttp.ClientSession
) -> None:
    await sign_in(oidc, person, session)
    csrf = {"X-CSRF-Token": (await me(oidc, session))["csrf_token"]}
    for _ in range(3):
        async with session.post(f"{oidc.server.url}/v1/me/refresh", headers=csrf) as response:
            assert response.status == 200
            items = (await response.json())["items"]
        assert items == [{"principal": "oidc_corp_user://alice", "result": "refreshed"}]


def test_logs_contain_no_secrets(oidc: World) -> None:
    wait_until(lambda: "signed in" in oidc.server.log)
    audit = (oidc.server.folder / "data" / "audit.log").read_text()
    for text in (oidc.server.log, audit):
        assert "a secret of the tests" not in text
        # Names of parameters may appear; values of queries and secrets of tokens may not.
        assert re.search(r"[?&](code|state|iss|code_challenge)=(?!\[redacted\])", text) is None
        assert re.search(r"(session|token|kubeconfig)-[a-z2-7]{10}:[A-Za-z0-9_-]{20}", text) is None
    assert json.loads(audit.splitlines()[-1])["kind"] == "Event"
