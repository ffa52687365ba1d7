"""A sign-in at a certified issuer's pages, and the tokens of it."""

import base64
import hashlib
import secrets
from typing import Any

import aiohttp

from tests.management.oauth.conftest import World
from tests.support.certified_issuer import BrowserUser


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


def pkce() -> tuple[str, str]:
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
