"""A principal that its provider has refused is worth nothing; over a real store."""

import hashlib

from management.resolver import TokenResolver
from store.database import SqlStore
from tests.store.records import NOW, a_token, a_user


async def test_a_token_that_was_made_while_its_principal_was_refused_is_worthless(
    store: SqlStore,
) -> None:
    bearer = b"token-a:secret"
    await store.users.create(a_user())
    assert await store.identities.refuse("local://u-alice", "account_disabled") == 0
    late = a_token(digest=hashlib.sha256(bearer).digest(), expires_at=None)
    await store.tokens.create(late)
    assert await TokenResolver(store).resolve(bearer) is None
    await store.identities.seen("local://u-alice", NOW)
    assert await TokenResolver(store).resolve(bearer) is not None
