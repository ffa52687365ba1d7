"""Sign-in at a certified issuer's pages, through a real Sekisho."""

import re
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp

from tests.management.oauth.conftest import World
from tests.management.oauth.sign_in import come_back, me, sign_in
from tests.support.certified_issuer import BrowserUser
from tests.support.log_lines import events_of
from tests.support.waiting import wait_until


def sign_in_cookies(session: aiohttp.ClientSession) -> list[tuple[str, str]]:
    """Return the cookies that have a value."""
    begins = "__Host-sekisho-signin-"
    return [
        (one.key, one.value)
        for one in session.cookie_jar
        if one.key.startswith(begins) and one.value
    ]


async def _visit(world: World, url: str, **headers: str) -> str:
    """Return where another browser is redirected, with those headers and no cookies."""
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=world.tls())) as other,
        other.get(url, headers=headers, allow_redirects=False) as response,
    ):
        return response.headers["Location"]


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


def test_logs_contain_no_secrets(oidc: World) -> None:
    wait_until(lambda: "signed in" in oidc.server.log)
    audit = (oidc.server.folder / "data" / "audit.log").read_text()
    for text in (oidc.server.log, audit):
        assert "a secret of the tests" not in text
        # Names of parameters may appear; values of queries and secrets of tokens may not.
        assert re.search(r"[?&](code|state|iss|code_challenge)=(?!\[redacted\])", text) is None
        assert re.search(r"(session|token|kubeconfig)-[a-z2-7]{10}:[A-Za-z0-9_-]{20}", text) is None
    assert events_of(audit)[-1]["kind"] == "Event"
