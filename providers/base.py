"""The contract of authentication providers.

**Provider.** A backend that authenticates users: a directory, an identity provider, a table of
passwords. A provider never decides about permissions.

**Outcomes.** There are exactly three. For a credential, a provider

* returns an :class:`ExternalIdentity`: the credential is valid and belongs to this identity;
* returns :class:`Rejected`, or ``None`` without a reason: the credential is not the provider's, or
  is not valid. The reason goes to the audit log; all rejections get the same response;
* raises :class:`ProviderUnavailable`: the backend did not decide. The response is 503. The caller
  never counts this as a wrong password, and never as a success.

**Principals.** An identity's ``principal_id`` is ``<scheme>://<key>``. The backend never reuses the
key, and the key survives a rename (objectGUID, a numeric id; never a name). Groups are principals,
too. A provider may only return principals with the schemes that its type declares, and never names
that begin with ``system:`` or ``sekisho:``. Sekisho checks both where identities enter
(:mod:`management.identity.sign_in`) and does not rely on the provider.

**Capabilities** are protocols with a few methods. Callers test for them with ``isinstance``:

* :class:`PasswordAuthenticator`: sign-in with name and password (local, directories);
* :class:`BrowserAuthenticator`: sign-in on the provider's pages (OAuth 2, OpenID Connect);
* :class:`DeviceAuthenticator`: sign-in with a code on another device (RFC 8628);
* :class:`BearerVerifier`: tokens from another issuer, as JWTs;
* :class:`LogoutListener`: logout notifications from the backend;
* :class:`GrantRevoker`: revocation of a grant that is no longer needed;
* :class:`PrincipalSearch`: search for users and groups by the beginning of a name;
* :class:`Refresher`: the current state of a user and the user's groups.

Wrappers (:mod:`providers.throttle`) satisfy the same protocols.

**Types** are found by entry point in the group ``sekisho.providers`` and chosen by name. No code
depends on a particular type. Each type has its own settings model (pydantic); its errors appear
with the other errors of the configuration. Secrets are ``SecretStr`` fields, for which
``<field>_file`` works automatically.

**Lifecycle.** ``create`` does no I/O. ``start`` runs once before the first request, ``close`` once
after the last. ``check`` raises ProviderUnavailable if the backend is not usable now.

This module is one file over 300 lines, because third parties read it as a whole.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel

from config.address_policy import ANY_ADDRESS, AddressPolicy
from config.errors import UserError
from impersonation.display_names import visible

ENTRY_POINTS = "sekisho.providers"
"""The entry-point group in which provider types are found."""


class ProviderUnavailable(UserError):
    """The provider's backend did not decide. ``retry_after`` is in seconds, if it is known.

    ``secret`` is set if the call used up the given secret: store this one instead.
    """

    def __init__(
        self, message: str, *, retry_after: int | None = None, secret: str | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.secret = secret


class CannotRefresh(Exception):
    """A refresh is not possible: the identity has no ``secret``. Changes nothing."""


class GrantEnded(Exception):
    """The provider's grant for refreshes has ended. The state of the account is unknown.

    Example: the refresh token of a session that has ended. The user must sign in again before the
    next refresh. The message is for the log.
    """


class Throttled(UserError):
    """Too many failures: no credential is checked for ``retry_after`` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many attempts; try again in {retry_after} seconds")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class ExternalGroup:
    """A group of a provider."""

    principal_id: str
    name: str


@dataclass(frozen=True, slots=True)
class ExternalIdentity:
    """A user of a provider. The module's docstring says which values are allowed.

    ``secret`` is what the provider needs for a refresh (a GitHub access token, an OpenID refresh
    token). Sekisho stores it encrypted with the principal and passes it to ``refresh``.
    """

    principal_id: str
    username: str
    display_name: str
    groups: tuple[ExternalGroup, ...] = ()
    must_change_password: bool = False
    email: str = ""
    secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Remove invisible characters from the display name."""
        object.__setattr__(self, "display_name", visible(self.display_name))


@dataclass(frozen=True, slots=True)
class Rejected:
    """A credential that is not accepted, with the reason for the audit log, not for the client.

    ``reason`` is short and stable, in lower case with underscores (``account_disabled``), and
    contains no client input. ``detail`` may help an operator to find the cause.
    """

    reason: str
    detail: str = ""


Outcome = ExternalIdentity | Rejected | None
"""The result for a credential. None is a rejection without a reason."""


def _not_counted(principal_id: str) -> None:
    """Count nothing: the attempt is not throttled."""


@dataclass(frozen=True, slots=True)
class PasswordAttempt:
    """A sign-in with a password. ``address`` is the client's.

    A provider calls ``found`` with the account's principal id when it has found the account, before
    it verifies the password, on any thread. ``found`` raises Throttled if that account failed too
    often, under any of its names. The provider must not catch that.
    """

    username: str
    password: str = field(repr=False)
    address: str = ""
    found: Callable[[str], None] = field(default=_not_counted, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class BrowserStart:
    """The URL for the browser, and secrets to ``keep``, bound to that browser, until it returns."""

    url: str
    keep: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeviceStart:
    """A code for ``verification_uri`` on another device (RFC 8628 §3.2). Times in seconds.

    ``keep`` is secret and never leaves Sekisho.
    """

    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int
    keep: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pending:
    """The user has not entered the code yet. Poll again after ``interval`` seconds, not before."""

    interval: int


@dataclass(frozen=True, slots=True)
class BearerScope:
    """The limits of a bearer token, in addition to its user's permissions.

    ``clusters`` are names or ids (empty: every cluster that the user may access). ``projects`` are
    ids, or ``<cluster>/<project>`` (empty: no limit). ``lifetime`` is the longest lifetime of a
    token in exchange for it. ``proxy_read`` extends ``read_only`` to responses of services and
    pods. ``rule`` names the rule that set the limits, for the audit log.
    """

    clusters: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    read_only: bool = False
    proxy_read: bool = False
    lifetime: timedelta | None = None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """The identity of a bearer token that is valid until ``expires_at`` (aware, UTC).

    ``direct``: the proxy accepts it as it is. Otherwise it can only be exchanged for a token of
    Sekisho (RFC 8693).
    """

    identity: ExternalIdentity
    expires_at: datetime
    direct: bool = False
    scope: BearerScope = BearerScope()


@dataclass(frozen=True, slots=True)
class FoundPrincipal:
    """A user or group that a search found."""

    principal_id: str
    name: str
    kind: Literal["user", "group"]
    display_name: str = ""

    def __post_init__(self) -> None:
        """Remove invisible characters from the display name."""
        object.__setattr__(self, "display_name", visible(self.display_name))


class Provider(Protocol):
    """The methods of every provider."""

    @property
    def name(self) -> str:
        """The unique name in the configuration, which is part of URLs."""

    async def start(self) -> None:
        """Prepare for requests. Raises ProviderUnavailable only if waiting cannot help."""

    async def close(self) -> None:
        """Release all resources."""

    async def check(self) -> None:
        """Raise ProviderUnavailable if the backend is not usable now."""


@runtime_checkable
class PasswordAuthenticator(Protocol):
    """A provider that verifies names and passwords."""

    @property
    def name(self) -> str:
        """The provider's name."""

    async def authenticate(self, attempt: PasswordAttempt) -> Outcome:
        """Return the identity with that name, if the password is correct.

        Raises:
            ProviderUnavailable: the backend did not decide.
            Throttled: too many failures (raised by a wrapper).
        """


@runtime_checkable
class BrowserAuthenticator(Protocol):
    """A provider on whose own pages users sign in with a browser."""

    async def start_browser(self, redirect_uri: str) -> BrowserStart:
        """Begin a sign-in that returns to ``redirect_uri``. Raises ProviderUnavailable."""

    async def finish_browser(
        self, redirect_uri: str, keep: Mapping[str, str], answer: Mapping[str, str]
    ) -> Outcome:
        """Return the identity that signed in. Raises ProviderUnavailable.

        ``answer`` is the query with which the browser returned, each name once. ``keep`` comes from
        ``start_browser`` for the same browser and was not used before. It may be another version's,
        or that of another provider which had the name: then the outcome is Rejected.
        """


@runtime_checkable
class DeviceAuthenticator(Protocol):
    """A provider to which users sign in with a code on another device."""

    async def start_device(self) -> DeviceStart:
        """Request a code. Raises ProviderUnavailable."""

    async def poll_device(self, keep: Mapping[str, str]) -> Outcome | Pending:
        """Return the identity that entered the code, or Pending. Raises ProviderUnavailable.

        ``keep`` comes from ``start_device``; see :meth:`BrowserAuthenticator.finish_browser`.
        """


@runtime_checkable
class BearerVerifier(Protocol):
    """A provider whose backend issues tokens that Sekisho accepts."""

    def claims(self, bearer: str) -> bool:
        """Return whether ``bearer`` looks like the provider's, without I/O: by a JWT's issuer."""

    async def verify(self, bearer: str) -> Verified | Rejected | None:
        """Return the token's identity, end and limits. Raises ProviderUnavailable."""


@runtime_checkable
class LogoutListener(Protocol):
    """A provider whose backend reports logouts (OpenID Connect Back-Channel Logout 1.0)."""

    async def logged_out(self, logout_token: str) -> str | Rejected:
        """Return the principal whose sessions must end. Raises ProviderUnavailable."""


@runtime_checkable
class GrantRevoker(Protocol):
    """A provider that can revoke the grant behind an identity's ``secret``."""

    async def revoke_grant(self, principal_id: str, secret: str) -> None:
        """Revoke the grant of an unlinked principal. Raises ProviderUnavailable."""


@runtime_checkable
class PrincipalSearch(Protocol):
    """A provider that finds users and groups."""

    async def search(self, text: str, *, limit: int) -> Sequence[FoundPrincipal]:
        """Return at most ``limit`` principals with a name that begins with ``text``.

        ``text`` is user input: it contains no wildcards and no filters.

        Raises:
            ProviderUnavailable: the backend did not respond.
        """


@runtime_checkable
class Refresher(Protocol):
    """A provider that can return the current state of an identity."""

    async def refresh(self, principal_id: str, secret: str | None) -> Outcome:
        """Return the current identity, with a new ``secret`` if that has changed.

        Rejected if the account is gone, disabled, or no longer allowed.

        Raises:
            ProviderUnavailable: the backend did not decide. Nothing changes for the user.
            CannotRefresh: a refresh needs a secret. Nothing changes for the user.
            GrantEnded: ``secret`` has ended, and the state of the account is unknown.
        """


@dataclass(frozen=True, slots=True)
class Account:
    """A local account."""

    user_id: str
    username: str
    enabled: bool
    hash: str = field(repr=False)
    must_change: bool = False
    expires_at: datetime | None = None


class LocalAccounts(Protocol):
    """The local provider's accounts. An adapter of the store implements this."""

    async def find(self, username: str) -> Account | None:
        """Return the account with that login name, without regard to case.

        Raises:
            ProviderUnavailable: the store is unavailable.
        """

    async def rehash(self, account: Account, password_hash: str) -> None:
        """Replace the account's hash by a stronger one of the same password.

        Does nothing if the password was changed after ``account`` was read.

        Raises:
            ProviderUnavailable: the store is unavailable.
        """


@dataclass(frozen=True, slots=True)
class ProviderContext:
    """What Sekisho passes to a new provider."""

    accounts: LocalAccounts
    clock: Callable[[], float]
    """A monotonic clock, in seconds."""
    addresses: AddressPolicy = ANY_ADDRESS
    """The addresses that the provider may connect to, checked on each connection."""


class ProviderType(Protocol):
    """A provider type: the object that an entry point names."""

    @property
    def settings_model(self) -> type[BaseModel]:
        """The provider's own settings, in addition to ``type`` and ``name``."""

    def schemes(self, name: str, settings: Any) -> tuple[str, ...]:
        """Return the schemes of the provider's principals, without ``://``.

        Example: ``("github_user", "github_org", "github_team")``. In Sekisho each scheme has one
        owner: Sekisho renames the principals of a second provider that declares it
        (:mod:`management.identity.principal_ownership`). The provider itself only sees the schemes
        that its type declares. ``settings`` are the provider's settings.
        """

    def create(self, name: str, settings: Any, context: ProviderContext) -> Provider:
        """Return a provider called ``name``; ``settings`` is an instance of ``settings_model``."""
