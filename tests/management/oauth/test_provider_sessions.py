"""Sessions of a sign-in at a certified issuer: renewal, logout, links, and refresh."""

import aiohttp

from tests.management.oauth.conftest import World
from tests.management.oauth.sign_in import me, post_token, sign_in
from tests.support.certified_issuer import BrowserUser
from tests.support.waiting import eventually

COOKIE = "__Host-sekisho"


def cookie(session: aiohttp.ClientSession, name: str) -> str | None:
    return next((one.value for one in session.cookie_jar if one.key == name), None)


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

        async def ended() -> bool:
            return await me(oidc, other, **headers) is None

        await eventually(ended, what="the end of the session")


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
