"""Local accounts: what the local provider needs of the store, and changing passwords."""

import asyncio

from management.problems import Problem
from providers.base import (
    Account,
    Attempt,
    ExternalIdentity,
    PasswordAuthenticator,
    ProviderUnavailable,
)
from providers.local import MAX_PASSWORD_BYTES, hash_password, prepared
from store.interfaces import Store, StoreUnavailable, User

HASHES_AT_ONCE = 2
"""New passwords hashed at a time: each takes 64 MiB and a core for a moment."""


class StoredAccounts:
    """The local provider's accounts, in the store. A :class:`providers.base.LocalAccounts`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, username: str) -> Account | None:
        """The account with that sign-in name."""
        try:
            found = await self._store.users.password(username)
        except StoreUnavailable as exc:
            raise ProviderUnavailable("the store is unavailable") from exc
        if found is None:
            return None
        return Account(found.user_id, found.username, found.enabled, found.hash, found.must_change)

    async def rehash(self, account: Account, password_hash: str) -> None:
        """Replace the account's hash, unless somebody has set another password meanwhile.

        Verifying and hashing take a good part of a second; what is left between this look and the
        write is a moment.
        """
        if await self.find(account.username) != account:
            return
        try:
            await self._store.users.set_password(
                account.user_id, account.username, password_hash, must_change=account.must_change
            )
        except StoreUnavailable as exc:
            raise ProviderUnavailable("the store is unavailable") from exc


class LocalPasswords:
    """Changing one's own password. ``local`` is the (throttled) local provider, if there is one."""

    def __init__(
        self, store: Store, local: PasswordAuthenticator | None, *, min_length: int
    ) -> None:
        self._store = store
        self._local = local
        self._min_length = min_length
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)

    async def change(self, user: User, address: str, current: str, new: str) -> None:
        """Change ``user``'s password, who must know the present one. Raises Problem."""
        principal = next((one for one in user.principals if one.provider == "local"), None)
        if principal is None or self._local is None:
            raise Problem(409, "you have no password here: your provider keeps it")
        check_password(new, min_length=self._min_length)
        outcome = await self._local.authenticate(Attempt(principal.name, current, address))
        if not isinstance(outcome, ExternalIdentity):
            raise Problem(403, "the current password is wrong")
        if prepared(new) == prepared(current):
            raise Problem(422, "the new password must not be the current one")
        await self._set(user, principal.name, new, must_change=False)

    async def reset(self, user: User, new: str) -> None:
        """Give ``user`` a password that they must change when they sign in. Raises Problem."""
        principal = next((one for one in user.principals if one.provider == "local"), None)
        if principal is None:
            raise Problem(409, "the user has no password here: their provider keeps it")
        check_password(new, min_length=self._min_length)
        await self._set(user, principal.name, new, must_change=True)

    async def hashed(self, password: str) -> str:
        """The hash of a password for somebody new. Raises Problem."""
        check_password(password, min_length=self._min_length)
        async with self._hashing:
            return await asyncio.to_thread(hash_password, password)

    async def _set(self, user: User, name: str, password: str, *, must_change: bool) -> None:
        async with self._hashing:
            password_hash = await asyncio.to_thread(hash_password, password)
        await self._store.users.set_password(user.id, name, password_hash, must_change=must_change)


async def end_sign_ins(
    store: Store, user_id: str, *, keep: str | None = None, tokens: bool = False
) -> int:
    """End a user's sessions, and with ``tokens`` everything else that acts as them; how many.

    ``keep`` is the name of the one in use.
    """
    if tokens:
        return await store.identities.revoke_tokens(user_id=user_id, keep=keep)
    ended = 0
    for token in await store.tokens.list_for(user_id):
        if token.kind == "session" and token.name != keep:
            ended += await store.tokens.revoke(token.name)
    return ended


def check_password(password: str, *, min_length: int) -> None:
    """Raise Problem for a password that may not be set (NIST SP 800-63B §5.1.1.2: length)."""
    if len(password) < min_length:
        raise Problem(422, f"a password must have {min_length} characters at least")
    try:
        prepared(password)
    except ValueError:
        raise Problem(422, f"a password may have {MAX_PASSWORD_BYTES} bytes at the most") from None
