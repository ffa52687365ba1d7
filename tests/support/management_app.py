"""The management application by itself, over real HTTP, with a real store."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from management.accounts import LocalPasswords
from management.app import build_app
from management.browser_sign_in import BrowserSignIn
from management.foreign_bearers import ForeignBearers
from management.oauth.grant import Granting
from management.resolver import TokenResolver
from management.sealed import Sealer
from management.services import Services
from management.sessions import SessionCookies
from management.sign_in import SignIn
from management.tokens import Lifetimes, TokenService
from store.interfaces import Store

URL = "https://sekisho.example.test"
DAY = timedelta(days=1)

Client = TestClient[Any, Any]


def token_service(store: Store) -> TokenService:
    """Tokens with lives of days."""
    return TokenService(store.tokens, Lifetimes(DAY, 90 * DAY, 30 * DAY, 365 * DAY))


@asynccontextmanager
async def served(store: Store, tokens: TokenService) -> AsyncIterator[Client]:
    """The application on a loopback port. Its token cache is nobody's to renew."""
    sign_in, resolver = SignIn(store, tokens, {}), TokenResolver(store)
    sealer = Sealer([secrets.token_bytes(32)])
    bearers = ForeignBearers(store, sign_in)
    services = Services(
        store=store,
        resolver=resolver,
        sign_in=sign_in,
        browser=BrowserSignIn(sign_in, store.one_time, sealer, URL),
        granting=Granting(store, tokens, sign_in, resolver, sealer, bearers),
        tokens=tokens,
        passwords=LocalPasswords(store, None, min_length=12),
        cookies=SessionCookies([secrets.token_bytes(32)], external_url=URL, max_age=3600),
        sealer=sealer,
        external_url=URL,
        ca_pem="PEM",
        session_ttl=DAY,
    )
    async with TestClient(TestServer(build_app(services))) as client:
        yield client
