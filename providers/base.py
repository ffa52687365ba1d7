"""The contract of authentication providers.

**What a provider is.** Something that can say who somebody is: a directory, an identity provider, a
table of passwords. Sekisho never asks it what somebody may do.

**Three outcomes, and no other.** Asked about a credential, a provider

* returns an :class:`ExternalIdentity`: the credential is valid, and this is whose it is;
* returns ``None``: it isn't mine, or it isn't valid, for whatever reason (unknown, wrong, disabled,
  expired). The caller answers all of them alike;
* raises :class:`ProviderUnavailable`: the backend couldn't say. Never a wrong password, never a
  pass: the caller answers 503.

**Principals.** An identity's ``principal_id`` is ``<type>_user://<key>`` with a key that the
backend never reuses and that survives a renaming (objectGUID, a numeric id; never a name). Groups
are principals, too. A provider may only speak of principals that begin with one of the schemes that
its type declares, and never of names that begin with ``system:`` or ``sekisho:``; both are checked
where identities enter (:mod:`management.sign_in`), not left to the provider.

**Capabilities** are protocols of a few methods; a provider has those it can. Now there is
:class:`PasswordAuthenticator`. Wrappers (:mod:`providers.throttle`) satisfy the same protocol.

**Types** are found by entry point in the group ``sekisho.providers`` and chosen by name; nobody
switches on them. Each names its own settings model (pydantic), whose errors are told with the rest
of the configuration's. Secrets are ``SecretStr`` fields; ``<field>_file`` then works by itself.

**Lifecycle.** ``create`` does no I/O. ``start`` runs once before the first request, ``close``
once after the last. ``check`` raises ProviderUnavailable where the backend can't be used now.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel

ENTRY_POINTS = "sekisho.providers"
"""The entry-point group in which provider types are found."""


class ProviderUnavailable(Exception):
    """The provider's backend can't say. ``retry_after`` is in seconds, where it is known."""

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Throttled(Exception):
    """Too many failures: come back after ``retry_after`` seconds, whatever the credential is."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many attempts; try again in {retry_after} seconds")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class ExternalGroup:
    """A group as a provider knows it."""

    principal_id: str
    name: str


@dataclass(frozen=True, slots=True)
class ExternalIdentity:
    """Somebody as a provider knows them. See the module's text for what may be in here."""

    principal_id: str
    username: str
    display_name: str
    groups: tuple[ExternalGroup, ...] = ()
    must_change_password: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in with a password; ``address`` is where it comes from."""

    username: str
    password: str = field(repr=False)
    address: str = ""


class Provider(Protocol):
    """What every provider has."""

    @property
    def name(self) -> str:
        """What the operator called it: unique, and part of URLs."""

    async def start(self) -> None:
        """Get ready. Raises ProviderUnavailable only where waiting can't help."""

    async def close(self) -> None:
        """Let go of everything."""

    async def check(self) -> None:
        """Raise ProviderUnavailable where the backend can't be used now."""


@runtime_checkable
class PasswordAuthenticator(Protocol):
    """A provider that people sign in to with a name and a password."""

    @property
    def name(self) -> str:
        """The provider's name."""

    async def authenticate(self, attempt: Attempt) -> ExternalIdentity | None:
        """Who it is. Raises ProviderUnavailable and (a wrapper) Throttled."""


@dataclass(frozen=True, slots=True)
class Account:
    """A local account, as the local provider needs to know it."""

    user_id: str
    username: str
    enabled: bool
    hash: str = field(repr=False)
    must_change: bool = False


class LocalAccounts(Protocol):
    """Where the local provider's accounts are. Satisfied by an adapter of the store."""

    async def find(self, username: str) -> Account | None:
        """The account with that sign-in name, compared without case. Raises ProviderUnavailable."""

    async def rehash(self, account: Account, password_hash: str) -> None:
        """Replace the account's hash by a stronger one of the same password.

        Nothing where the hash has changed since ``account`` was read: somebody has set another
        password. Raises ProviderUnavailable.
        """


@dataclass(frozen=True, slots=True)
class ProviderContext:
    """What Sekisho hands to a provider that is created."""

    accounts: LocalAccounts
    clock: Callable[[], float]
    """Seconds that only go forward."""


class ProviderType(Protocol):
    """What an entry point names."""

    @property
    def settings_model(self) -> type[BaseModel]:
        """The provider's own settings, beside ``type`` and ``name``."""

    @property
    def schemes(self) -> tuple[str, ...]:
        """The schemes of its principals, without ``://``: ``("github_user", "github_team")``."""

    def create(self, name: str, settings: Any, context: ProviderContext) -> Provider:
        """A provider called ``name``; ``settings`` is an instance of ``settings_model``."""
