"""The management application without the proxy, over real HTTP, with a real store."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from management.api.services import Services
from management.app import build_app
from management.authentication.external_tokens import ExternalTokens
from management.authentication.token_authenticator import TokenAuthenticator
from management.identity.browser_sign_in import BrowserSignIn
from management.identity.local_passwords import LocalPasswords
from management.identity.sealed_state import StateCipher
from management.identity.session_cookies import SessionCookies
from management.identity.sign_in import SignInService
from management.identity.tokens import TokenIssuer, TokenLifetimes
from management.oauth.grants import GrantServices
from store.interfaces import Store
from tests.support.addresses import LOOPBACK_ALLOWED

URL = "https://sekisho.example.test"
DAY = timedelta(days=1)

Client = TestClient[Any, Any]


def make_token_issuer(store: Store) -> TokenIssuer:
    """Create a token issuer with lifetimes of days."""
    return TokenIssuer(store.tokens, TokenLifetimes(DAY, 90 * DAY, 30 * DAY, 365 * DAY))


@asynccontextmanager
async def serve_management(
    store: Store, tokens: TokenIssuer, url: str = URL
) -> AsyncIterator[Client]:
    """Run the application on a loopback port. Nothing renews its token cache."""
    sign_in, authenticator = SignInService(store, tokens, {}), TokenAuthenticator(store)
    cipher = StateCipher([secrets.token_bytes(32)])
    external_tokens = ExternalTokens(store, sign_in)
    services = Services(
        store=store,
        authenticator=authenticator,
        sign_in=sign_in,
        browser=BrowserSignIn(sign_in, store.nonces, cipher, url),
        grant_services=GrantServices(
            store, tokens, sign_in, authenticator, cipher, external_tokens
        ),
        tokens=tokens,
        passwords=LocalPasswords(store, None, min_length=12),
        cookies=SessionCookies([secrets.token_bytes(32)], external_url=url, max_age=3600),
        cipher=cipher,
        external_url=url,
        ca_pem="PEM",
        session_ttl=DAY,
        cluster_addresses=LOOPBACK_ALLOWED,
    )
    async with TestClient(TestServer(build_app(services))) as client:
        yield client
