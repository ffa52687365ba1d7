"""Codes that sign in the command line: on loopback addresses, and typed on another device."""

import asyncio
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import pytest

from tests.management.oauth.conftest import World
from tests.management.oauth.sign_in import me, pkce, post_token
from tests.support.certified_issuer import BrowserUser


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
