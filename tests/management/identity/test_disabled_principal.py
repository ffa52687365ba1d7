"""Tokens of a disabled principal are invalid; with a real store."""

import hashlib

from management.authentication.token_authenticator import TokenAuthenticator
from store.database import SqlStore
from tests.store.records import NOW, a_token, a_user


async def test_token_issued_while_its_principal_was_disabled_is_invalid(
    store: SqlStore,
) -> None:
    bearer = b"token-a:secret"
    await store.users.create(a_user())
    assert await store.identities.refuse("local://u-alice", "account_disabled") == 0
    late = a_token(digest=hashlib.sha256(bearer).digest(), expires_at=None)
    await store.tokens.create(late)
    assert await TokenAuthenticator(store).resolve(bearer) is None
    await store.identities.seen("local://u-alice", NOW)
    assert await TokenAuthenticator(store).resolve(bearer) is not None
