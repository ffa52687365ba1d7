"""``sekisho login`` with a browser or a device code, with a real server and issuer."""

import json
import re
from urllib.parse import urlsplit

import aiohttp

from tests.management.oauth.command_line import ca_file, credential, running_login, said
from tests.management.oauth.conftest import World
from tests.support.certified_issuer import BrowserUser
from tests.support.sekisho import Sekisho


async def test_browser_sign_in_returns_to_the_command_line(
    oidc: World, laptop: Sekisho, person: BrowserUser, session: aiohttp.ClientSession
) -> None:
    async with running_login(oidc, laptop, "-o", "json") as process:
        url = await said(process, r"https://\S+/start\?\S+")
        back = await person.follow(url, "http://127.0.0.1:")
        while urlsplit(back).port != _port_of(url):
            back = await person.follow(back, f"http://127.0.0.1:{_port_of(url)}/")
        async with session.get(back) as response:
            assert response.status == 200
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            assert "Close this window" in await response.text()
        assert process.stdout is not None
        printed = json.loads(await process.stdout.read())
        assert await process.wait() == 0
    assert printed["user"].startswith("alice of the tests (u-")
    assert printed["provider"] == "corp"
    token = credential(laptop, oidc)["status"]["token"]
    assert oidc.server.request("GET", "/v1/me", token=token).json()["username"] == "alice"
    # The CA is cached, so later commands need no option for it.
    assert laptop.run("logout", "--server", oidc.server.url).stdout == "signed out\n"
    assert oidc.server.request("GET", "/v1/me", token=token).status == 401


def _port_of(url: str) -> int:
    found = re.search(r"redirect_uri=http%3A%2F%2F127\.0\.0\.1%3A(\d+)", url)
    assert found is not None
    return int(found[1])


async def test_unexpected_requests_to_the_loopback_address_get_nothing(
    oidc: World, laptop: Sekisho, session: aiohttp.ClientSession
) -> None:
    async with running_login(oidc, laptop) as process:
        url = await said(process, r"https://\S+/start\?\S+")
        found = re.search(r"redirect_uri=([^&]+)&state=([^&]+)", url)
        assert found is not None
        loopback = f"http://127.0.0.1:{_port_of(url)}"
        path = found[1].rpartition("%2F")[2]
        for where, headers, status in (
            ("/favicon.ico", {}, 404),
            (f"/{path}?code=x&state={found[2]}", {"Host": "evil.example"}, 404),
            (f"/{path}?code=x&state=another", {}, 400),
            (f"/{path}?error=access_denied&state={found[2]}", {}, 403),
        ):
            async with session.get(loopback + where, headers=headers) as response:
                assert response.status == status
        assert await said(process, "not signed in: access_denied")
        assert await process.wait() == 1


async def test_device_code_signs_in_without_a_browser(
    oidc: World, laptop: Sekisho, person: BrowserUser
) -> None:
    async with running_login(oidc, laptop, "--no-browser") as process:
        uri = (await said(process, r"http://\S+/device")).strip()
        code = (await said(process, r"code: \S+")).removeprefix("code: ")
        await person.follow(f"{uri}?user_code={code}", "nowhere:")
        assert process.stdout is not None
        assert (await process.stdout.read()).startswith(b"signed in as alice")
    assert credential(laptop, oidc)["status"]["token"].startswith("session-")


def test_login_with_several_providers_asks_for_a_choice(oidc: World, laptop: Sekisho) -> None:
    command = ("login", "--server", oidc.server.url, "--ca-file", ca_file(oidc))
    done = laptop.run(*command, stdin="", check=False)
    assert done.stderr == ("sekisho: error: choose a provider with --provider: corp, local\n")
    done = laptop.run(*command, "--provider", "other", check=False)
    assert done.stderr == "sekisho: error: provider other doesn't exist; known: corp, local\n"
