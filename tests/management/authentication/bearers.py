"""A stored token, and its entry in the cache."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from management.authentication.authenticated_token import AuthenticatedToken
from management.authentication.token_authenticator import TokenAuthenticator
from store.database import SqlStore
from tests.store.records import a_token, a_user

BEARER = b"token-a:secret"


async def furnish(store: SqlStore, **token: Any) -> None:
    await store.users.create(a_user())
    values: dict[str, Any] = {
        "digest": hashlib.sha256(BEARER).digest(),
        "expires_at": datetime.now(UTC) + timedelta(hours=1),
    }
    await store.tokens.create(a_token(**(values | token)))


async def remembered(resolver: TokenAuthenticator) -> AuthenticatedToken:
    """Return the entry of the token that :func:`furnish` created."""
    entry = await resolver.resolve(BEARER)
    assert entry is not None
    return entry
