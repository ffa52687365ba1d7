"""The contract of authentication providers.

**What a provider is.** Something that can say who somebody is: a directory, an identity provider, a
table of passwords. Sekisho never asks it what somebody may do.

**Three outcomes, and no other.** Asked about a credential, a provider

* returns an :class:`ExternalIdentity`: the credential is valid, and this is whose it is;
* returns :class:`Refused` (or ``None``, where it has nothing to say): it isn't mine, or it isn't
  valid. The reason is for the audit log; the caller answers all of them alike;
* raises :class:`ProviderUnavailable`: the backend couldn't say. Never a wrong password, never a
  pass: the caller answers 503.

**Principals.** An identity's ``principal_id`` is ``<scheme>://<key>`` with a key that the
backend never reuses and that survives a renaming (objectGUID, a numeric id; never a name). Groups
are principals, too. A provider may only speak of principals that begin with one of the schemes that
its type declares, and never of names that begin with ``system:`` or ``sekisho:``; both are checked
where identities enter (:mod:`management.sign_in`), not left to the provider.

**Capabilities** are protocols of a few methods; a provider has those it can, and is asked by
``isinstance``:

* :class:`PasswordAuthenticator`: a name and a password (local, directories);
* :class:`BrowserAuthenticator`: the browser is sent away and comes back (OAuth 2, OpenID Connect);
* :class:`DeviceAuthenticator`: a code typed on another device (RFC 8628), for command lines;
* :class:`BearerVerifier`: tokens that somebody else has issued, as JWTs;
* :class:`LogoutListener`: being told by the backend that somebody has signed out there;
* :class:`GrantRevoker`: giving back what was granted, once nobody needs it any more;
* :class:`PrincipalSearch`: finding people and groups by a part of their names;
* :class:`Refresher`: whether somebody is still there, and in which groups.

Wrappers (:mod:`providers.throttle`) satisfy the same protocols.

**Types** are found by entry point in the group ``sekisho.providers`` and chosen by name; nobody
switches on them. Each names its own settings model (pydantic), whose errors are told with the rest
of the configuration's. Secrets are ``SecretStr`` fields; ``<field>_file`` then works by itself.

**Lifecycle.** ``create`` does no I/O. ``start`` runs once before the first request, ``close``
once after the last. ``check`` raises ProviderUnavailable where the backend can't be used now.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel

ENTRY_POINTS = "sekisho.providers"
"""The entry-point group in which provider types are found."""


class ProviderUnavailable(Exception):
    """The provider's backend can't say. ``retry_after`` is in seconds, where it is known.

    ``secret`` is there where asking has used up the one that was given: the one to keep instead.
    """

    def __init__(
        self, message: str, *, retry_after: int | None = None, secret: str | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.secret = secret


class CannotRefresh(Exception):
    """Nobody can be asked about this one: there is no ``secret`` for it. Changes nothing."""


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
    """Somebody as a provider knows them. See the module's text for what may be in here.

    ``secret`` is what the provider needs to ask about them later (a GitHub access token, an OpenID
    refresh token): kept encrypted beside the principal, and given back to ``refresh``.
    """

    principal_id: str
    username: str
    display_name: str
    groups: tuple[ExternalGroup, ...] = ()
    must_change_password: bool = False
    email: str = ""
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """A credential that isn't accepted, and why: for the audit log, never for the caller.

    ``reason`` is short and stable, in lower case with underscores (``account_disabled``), and says
    nothing that somebody typed. ``detail`` may add what an operator needs to find the cause.
    """

    reason: str
    detail: str = ""


Outcome = ExternalIdentity | Refused | None
"""What a provider says of a credential; None is a refusal without a reason."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in with a password; ``address`` is where it comes from."""

    username: str
    password: str = field(repr=False)
    address: str = ""


@dataclass(frozen=True, slots=True)
class BrowserStart:
    """Where to send the browser, and what to ``keep`` (secret, bound to it) until it is back."""

    url: str
    keep: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeviceStart:
    """A code to type at ``verification_uri`` on another device (RFC 8628 §3.2). Times in seconds.

    ``keep`` is secret; it stays with Sekisho.
    """

    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int
    keep: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pending:
    """The code hasn't been typed yet: ask again after ``interval`` seconds, not before."""

    interval: int


@dataclass(frozen=True, slots=True)
class BearerScope:
    """The most that a bearer is good for, whatever its user may do.

    ``clusters`` are names or ids (empty: every one that the user may enter); ``projects`` ids, or
    ``<cluster>/<project>`` (empty: no limit). ``lifetime`` is the longest life of a token that it
    is exchanged for. ``rule`` is what said so, for the audit log.
    """

    clusters: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    read_only: bool = False
    lifetime: timedelta | None = None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """A bearer that is good until ``expires_at`` (aware, UTC), and whose it is.

    ``direct``: it may be used at the gate as it is. Else it can only be exchanged for a token of
    Sekisho's own (RFC 8693).
    """

    identity: ExternalIdentity
    expires_at: datetime
    direct: bool = False
    scope: BearerScope = BearerScope()


@dataclass(frozen=True, slots=True)
class FoundPrincipal:
    """A person or group that a search found."""

    principal_id: str
    name: str
    kind: Literal["user", "group"]
    display_name: str = ""


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

    async def authenticate(self, attempt: Attempt) -> Outcome:
        """Who it is. Raises ProviderUnavailable and (a wrapper) Throttled."""


@runtime_checkable
class BrowserAuthenticator(Protocol):
    """A provider that people sign in to in the browser, at its own pages."""

    async def start_browser(self, redirect_uri: str) -> BrowserStart:
        """Begin a sign-in that will come back to ``redirect_uri``. Raises ProviderUnavailable."""

    async def finish_browser(
        self, redirect_uri: str, keep: Mapping[str, str], answer: Mapping[str, str]
    ) -> Outcome:
        """Who it is. ``answer`` is the query that the browser came back with, each name once.

        ``keep`` is what ``start_browser`` said, of the same browser and not used before. Raises
        ProviderUnavailable.
        """


@runtime_checkable
class DeviceAuthenticator(Protocol):
    """A provider that people sign in to by a code typed on another device."""

    async def start_device(self) -> DeviceStart:
        """Ask for a code. Raises ProviderUnavailable."""

    async def poll_device(self, keep: Mapping[str, str]) -> Outcome | Pending:
        """Who typed it, if somebody has. Raises ProviderUnavailable."""


@runtime_checkable
class BearerVerifier(Protocol):
    """A provider whose backend issues tokens that are accepted as they are."""

    def claims(self, bearer: str) -> bool:
        """Whether ``bearer`` looks like one of its own, without I/O: its issuer, for a JWT."""

    async def verify(self, bearer: str) -> Verified | Refused | None:
        """Whose it is, how long, and for what. Raises ProviderUnavailable."""


@runtime_checkable
class LogoutListener(Protocol):
    """A provider whose backend says when somebody has signed out there (OpenID Connect
    Back-Channel Logout 1.0).
    """

    async def logged_out(self, logout_token: str) -> str | Refused:
        """The principal whose sessions end. Raises ProviderUnavailable."""


@runtime_checkable
class GrantRevoker(Protocol):
    """A provider that can give back what the ``secret`` of an identity stands for."""

    async def revoke_grant(self, principal_id: str, secret: str) -> None:
        """Revoke it at the backend: it was unlinked here. Raises ProviderUnavailable."""


@runtime_checkable
class PrincipalSearch(Protocol):
    """A provider that finds people and groups."""

    async def search(self, text: str, *, limit: int) -> Sequence[FoundPrincipal]:
        """Those whose names begin with ``text``, ``limit`` at the most. Raises ProviderUnavailable.

        ``text`` is what somebody typed: nothing in it is a wildcard or a filter.
        """


@runtime_checkable
class Refresher(Protocol):
    """A provider that can say later what has become of somebody."""

    async def refresh(self, principal_id: str, secret: str | None) -> Outcome:
        """The identity as it is now, with a new ``secret`` where that has changed.

        Refused where they are gone, disabled, or not allowed any more. Raises ProviderUnavailable
        and CannotRefresh, which change nothing for them.
        """


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

    def schemes(self, name: str, settings: Any) -> tuple[str, ...]:
        """The schemes of the principals of the provider ``name``, without ``://``.

        ``("github_user", "github_org", "github_team")``. Two providers of one type may share them
        (their backends are one name space), or have their own, made of their names. Where that
        depends on ``settings``, they are those that the provider is created with.
        """

    def create(self, name: str, settings: Any, context: ProviderContext) -> Provider:
        """A provider called ``name``; ``settings`` is an instance of ``settings_model``."""
