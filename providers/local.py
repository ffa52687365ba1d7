"""The local provider: passwords kept by Sekisho itself, as Argon2id hashes (RFC 9106).

Hashing takes tens of milliseconds of a core and tens of megabytes on purpose, so it runs on two
threads off the event loop, and no more than a bounded number of sign-ins wait for them.

An unknown name costs the same as a wrong password: a hash that no password has is verified for it.

Names are compared NFC-normalised and without case (in the spirit of RFC 8265 §3.3, without its
width mapping and prohibitions: a name that may not be given can't be asked for either).
"""

import asyncio
import base64
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import ARGON2_VERSION
from pydantic import BaseModel, ConfigDict

from providers.base import (
    Account,
    Attempt,
    ExternalIdentity,
    LocalAccounts,
    Outcome,
    Provider,
    ProviderContext,
    ProviderUnavailable,
    Refused,
)

MAX_PASSWORD_BYTES = 1024
MAX_USERNAME_LENGTH = 256

THREADS = 2
MAX_WAITING = 64
"""Sign-ins that may wait for a thread; the last of them waits about two seconds."""

_HASHER = PasswordHasher()
"""argon2-cffi's defaults: RFC 9106's low-memory profile (64 MiB, 3 passes, 4 lanes)."""


def hash_password(password: str) -> str:
    """The Argon2id hash of a password, as a PHC string. Takes tens of milliseconds."""
    return _HASHER.hash(prepared(password))


def prepared(password: str) -> bytes:
    """A password's bytes, NFC-normalised: keyboards differ in how they compose (RFC 8265 §4.2).

    Raises ValueError where it is longer than MAX_PASSWORD_BYTES.
    """
    encoded = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    if len(encoded) > MAX_PASSWORD_BYTES:
        raise ValueError(f"a password may have {MAX_PASSWORD_BYTES} bytes at the most")
    return encoded


def _nobodys(hasher: PasswordHasher) -> str:
    """A PHC string that costs ``hasher`` as much as anybody's, and that no password fits.

    Its digest is random, not computed: a real one would cost every start a hash.
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
    """The local provider has no settings of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LocalProvider:
    """Signs in to accounts that are kept in the store."""

    def __init__(
        self, name: str, accounts: LocalAccounts, hasher: PasswordHasher = _HASHER
    ) -> None:
        self._name = name
        self._accounts = accounts
        self._hasher = hasher
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
        self._waiting = 0
        self._nobodys = _nobodys(hasher)

    @property
    def name(self) -> str:
        """What the operator called it."""
        return self._name

    async def start(self) -> None:
        """Nothing is to be done: the accounts are in the store."""

    async def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(self) -> None:
        """The accounts are in the store, which has a check of its own."""

    async def authenticate(self, attempt: Attempt) -> Outcome:
        """Verify a password. Raises ProviderUnavailable where too many others are waiting."""
        try:
            password = prepared(attempt.password)
        except ValueError:
            return Refused("password_too_long")
        if not attempt.password or len(attempt.username) > MAX_USERNAME_LENGTH:
            return Refused("password_empty" if not attempt.password else "unknown_user")
        account = await self._accounts.find(unicodedata.normalize("NFC", attempt.username))
        valid = await self._verify(account.hash if account else self._nobodys, password)
        if account is None or not valid:
            return Refused("unknown_user" if account is None else "wrong_password")
        if not account.enabled:
            return Refused("account_disabled")
        await self._strengthen(account, password)
        return ExternalIdentity(
            principal_id=f"local://{account.user_id}",
            username=account.username,
            display_name=account.username,
            must_change_password=account.must_change,
        )

    async def _verify(self, password_hash: str, password: bytes) -> bool:
        if self._waiting >= MAX_WAITING:
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
        """Hash again where the parameters have changed since: only now is the password known."""
        if not self._hasher.check_needs_rehash(account.hash):
            return
        loop = asyncio.get_running_loop()
        fresh = await loop.run_in_executor(self._threads, self._hasher.hash, password)
        await self._accounts.rehash(account, fresh)


@dataclass(frozen=True, slots=True)
class LocalType:
    """The entry point ``local``."""

    settings_model: type[BaseModel] = LocalSettings

    def schemes(self, name: str, settings: Any) -> tuple[str, ...]:
        """The schemes of its principals: users are of Sekisho's own making."""
        return ("local",)

    def create(self, name: str, settings: Any, context: ProviderContext) -> Provider:
        """A local provider called ``name``."""
        return LocalProvider(name, context.accounts)


PROVIDER = LocalType()
