"""The local provider: passwords in Sekisho's store, as Argon2id hashes (RFC 9106).

Hashing takes tens of milliseconds of a core and tens of megabytes by design. It runs on two threads
beside the event loop, and a limited number of sign-ins may wait for them.

An unknown name takes as long as a wrong password: the provider verifies a hash that no password
has.

The store compares names without regard to case, width or composition (as in RFC 8265 §3.3, without
its prohibitions: no account has a prohibited name).
"""

import asyncio
import base64
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import ARGON2_VERSION
from pydantic import BaseModel, ConfigDict

from config.composed import composed
from providers.base import (
    Account,
    ExternalIdentity,
    LocalAccounts,
    Outcome,
    PasswordAttempt,
    Provider,
    ProviderContext,
    ProviderUnavailable,
    Rejected,
)

MAX_PASSWORD_BYTES = 1024
MAX_USERNAME_LENGTH = 256

THREADS = 2
MAX_WAITING = 64
"""Sign-ins that may wait for a thread. The last one waits about two seconds."""

_HASHER = PasswordHasher()
"""argon2-cffi's defaults: RFC 9106's low-memory profile (64 MiB, 3 passes, 4 lanes)."""


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password, as a PHC string. Takes tens of milliseconds."""
    return _HASHER.hash(normalize_password(password))


def normalize_password(password: str) -> bytes:
    """Return a password's bytes in NFC: keyboards compose characters differently (RFC 8265 §4.2).

    Raises:
        ValueError: the password is longer than MAX_PASSWORD_BYTES.
    """
    # No character is composed from more than four, so a longer password cannot fit.
    if len(password) > MAX_PASSWORD_BYTES:
        raise ValueError(f"a password may have at most {MAX_PASSWORD_BYTES} bytes")
    encoded = composed(password).encode("utf-8", "surrogatepass")
    if len(encoded) > MAX_PASSWORD_BYTES:
        raise ValueError(f"a password may have at most {MAX_PASSWORD_BYTES} bytes")
    return encoded


def _unmatchable_hash(hasher: PasswordHasher) -> str:
    """Return a PHC string that takes as long as any to verify, and that no password matches.

    The digest is random: computing one would cost a hash at every start.
    """
    salt, digest = secrets.token_bytes(hasher.salt_len), secrets.token_bytes(hasher.hash_len)
    return (
        f"$argon2{hasher.type.name.lower()}$v={ARGON2_VERSION}"
        f"$m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
        f"${_unpadded(salt)}${_unpadded(digest)}"
    )


def _unpadded(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii").rstrip("=")


class LocalSettings(BaseModel):
    """The settings of the local provider: none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LocalProvider:
    """Password sign-in with the accounts in the store."""

    def __init__(
        self,
        name: str,
        accounts: LocalAccounts,
        hasher: PasswordHasher = _HASHER,
        *,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._name = name
        self._accounts = accounts
        self._hasher = hasher
        self._max_waiting = max_waiting
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
        self._waiting = 0
        self._unmatchable_hash = _unmatchable_hash(hasher)

    @property
    def name(self) -> str:
        """The provider's name in the configuration."""
        return self._name

    async def start(self) -> None:
        """Do nothing: the accounts are in the store."""

    async def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(self) -> None:
        """Do nothing: the store has its own check."""

    async def authenticate(self, attempt: PasswordAttempt) -> Outcome:
        """Verify a password. Raises ProviderUnavailable if too many sign-ins wait."""
        try:
            password = normalize_password(attempt.password)
        except ValueError:
            return Rejected("password_too_long")
        if not attempt.password or len(attempt.username) > MAX_USERNAME_LENGTH:
            return Rejected("password_empty" if not attempt.password else "unknown_user")
        account = await self._accounts.find(attempt.username)
        if account is not None:
            attempt.found(f"local://{account.user_id}")
        valid = await self._verify(account.hash if account else self._unmatchable_hash, password)
        if account is None or not valid:
            return Rejected("unknown_user" if account is None else "wrong_password")
        if not account.enabled:
            return Rejected("account_disabled")
        if account.expires_at is not None and account.expires_at <= datetime.now(UTC):
            return Rejected(
                "password_expired", "set another with `sekisho admin user set-password`"
            )
        await self._strengthen(account, password)
        return ExternalIdentity(
            principal_id=f"local://{account.user_id}",
            username=account.username,
            display_name=account.username,
            must_change_password=account.must_change,
        )

    async def _verify(self, password_hash: str, password: bytes) -> bool:
        if self._waiting >= self._max_waiting:
            raise ProviderUnavailable("too many sign-ins at once", retry_after=2)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._matches, password_hash, password)
        finally:
            self._waiting -= 1

    def _matches(self, password_hash: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (Argon2Error, InvalidHashError):
            return False

    async def _strengthen(self, account: Account, password: bytes) -> None:
        """Hash again if the parameters have changed: only a sign-in has the password."""
        if not self._hasher.check_needs_rehash(account.hash):
            return
        loop = asyncio.get_running_loop()
        fresh = await loop.run_in_executor(self._threads, self._hasher.hash, password)
        await self._accounts.rehash(account, fresh)


@dataclass(frozen=True, slots=True)
class LocalType:
    """The entry point ``local``."""

    settings_model: type[BaseModel] = LocalSettings
    accounts_of_the_store: bool = True

    def schemes(self, name: str, settings: Any) -> tuple[str, ...]:
        """Return the scheme of local accounts."""
        return ("local",)

    def create(self, name: str, settings: Any, context: ProviderContext) -> Provider:
        """Return a local provider called ``name``."""
        return LocalProvider(name, context.accounts)


PROVIDER = LocalType()
