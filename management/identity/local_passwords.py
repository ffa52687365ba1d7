"""Local accounts in the store, and changes of their passwords."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from management.http.problem import ApiProblem
from providers.base import (
    Account,
    ExternalIdentity,
    PasswordAttempt,
    PasswordAuthenticator,
    ProviderUnavailable,
)
from providers.local import MAX_PASSWORD_BYTES, hash_password, normalize_password
from store.errors import StoreUnavailable
from store.interfaces import Store
from store.records import Check, NewPassword, Password, User

HASHES_AT_ONCE = 2
"""New passwords hashed concurrently: each takes 64 MiB and one core for a moment."""

GIVEN_PASSWORD_LIVES = timedelta(hours=24)
"""Lifetime of a password that an administrator set.

It travels by mail, chat or paper, so it must be replaced soon.
"""


class StoredAccounts:
    """A :class:`providers.base.LocalAccounts` that reads accounts from the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, username: str) -> Account | None:
        """Return the account with that username, or None."""
        try:
            found = await self._store.users.password(username)
        except StoreUnavailable as exc:
            raise ProviderUnavailable("the store is unavailable") from exc
        if found is None:
            return None
        return Account(
            found.user_id,
            found.username,
            found.enabled,
            found.hash,
            found.must_change,
            found.expires_at,
        )

    async def rehash(self, account: Account, password_hash: str) -> None:
        """Replace the account's hash, unless the password was changed in the meantime."""
        known = Password(account.user_id, account.username, account.enabled, account.hash)
        try:
            await self._store.users.rehash(known, password_hash)
        except StoreUnavailable as exc:
            raise ProviderUnavailable("the store is unavailable") from exc


class LocalPasswords:
    """Change and reset local passwords.

    ``local`` is the (throttled) local provider, if one runs.
    """

    def __init__(
        self, store: Store, local: PasswordAuthenticator | None, *, min_length: int
    ) -> None:
        self._store = store
        self._local = local
        self._min_length = min_length
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)

    async def change(
        self, user: User, address: str, current: str, new: str, *, keep: str, revoke_tokens: bool
    ) -> None:
        """Change the password of ``user``, who must send the current one.

        Every session of the user ends except the token ``keep``, which is no longer confined. With
        ``revoke_tokens`` every other token ends too.

        Raises:
            ApiProblem: 403 if the current password is wrong, 409 if the user has no local password,
                422 if the new password may not be set.
        """
        principal = next((one for one in user.principals if one.provider == "local"), None)
        if principal is None or self._local is None:
            raise ApiProblem(409, "you have no password in Sekisho: change it at your provider")
        check_password(new, min_length=self._min_length)
        outcome = await self._local.authenticate(PasswordAttempt(principal.name, current, address))
        if not isinstance(outcome, ExternalIdentity):
            raise ApiProblem(403, "the current password is wrong")
        if normalize_password(new) == normalize_password(current):
            raise ApiProblem(422, "the new password must not be the current one")
        password = NewPassword(
            principal.name,
            await self.hashed(new),
            ends="tokens" if revoke_tokens else "sessions",
            keep=keep,
        )
        await self._store.users.set_password(user.id, password)

    async def reset(self, user: User, new: str, *, revoke_tokens: bool, check: Check | None) -> int:
        """Set a password that ``user`` must change; return the number of tokens that ended.

        Raises:
            ApiProblem: 409 if the user has no local password, 422 if the password may not be set.
                Also whatever ``check`` raises.
        """
        principal = next((one for one in user.principals if one.provider == "local"), None)
        if principal is None:
            raise ApiProblem(409, "the user has no password in Sekisho: it is set at the provider")
        password = replace(
            given_password(principal.name, await self.hashed(new)),
            ends="tokens" if revoke_tokens else "sessions",
        )
        return await self._store.users.set_password(user.id, password, check=check)

    async def given(self, user: User, password: str) -> NewPassword:
        """Return the first password of a user who is not stored yet.

        Raises:
            ApiProblem: 422 if the password may not be set.
        """
        return given_password(user.username, await self.hashed(password))

    async def hashed(self, password: str) -> str:
        """Return the hash of a new password.

        Raises:
            ApiProblem: 422 if the password may not be set.
        """
        check_password(password, min_length=self._min_length)
        async with self._hashing:
            return await asyncio.to_thread(hash_password, password)


def given_password(username: str, password_hash: str, now: datetime | None = None) -> NewPassword:
    """Return a password set by an administrator: it must be changed, and ends in a day."""
    ends = (now or datetime.now(UTC)) + GIVEN_PASSWORD_LIVES
    return NewPassword(username, password_hash, must_change=True, expires_at=ends)


def check_password(password: str, *, min_length: int) -> None:
    """Check that a password may be set (NIST SP 800-63B §5.1.1.2: length).

    Raises:
        ApiProblem: 422 if it is too short or too long.
    """
    if len(password) < min_length:
        raise ApiProblem(422, f"a password must have at least {min_length} characters")
    try:
        normalize_password(password)
    except ValueError:
        raise ApiProblem(422, f"a password may have at most {MAX_PASSWORD_BYTES} bytes") from None
