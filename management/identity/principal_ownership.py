"""Map the schemes that a provider's type declares to the schemes that the provider owns. Pure.

Two providers of one type declare the same schemes. In Sekisho each scheme has one owner
(:mod:`store.claim_records`). So the principals of the other provider are renamed where they enter
Sekisho, and renamed back where they are sent to that provider. Code above these wrappers sees only
principals whose owner is in their id.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from providers.base import (
    BearerVerifier,
    BrowserAuthenticator,
    BrowserStart,
    DeviceAuthenticator,
    DeviceStart,
    ExternalGroup,
    ExternalIdentity,
    FoundPrincipal,
    GrantRevoker,
    LogoutListener,
    Outcome,
    PasswordAttempt,
    PasswordAuthenticator,
    Pending,
    PrincipalSearch,
    Refresher,
    Rejected,
    Verified,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ownership:
    """The schemes of one provider: declared scheme to owned scheme."""

    schemes: Mapping[str, str] = field(default_factory=dict)

    @property
    def owned(self) -> tuple[str, ...]:
        """Return the schemes that the provider owns."""
        return tuple(self.schemes.values())

    @property
    def renames(self) -> bool:
        """Return whether an owned scheme differs from the declared one."""
        return any(declared != owned for declared, owned in self.schemes.items())

    def inward(self, principal_id: str) -> str:
        """Return the id in Sekisho of the provider's ``principal_id``.

        An id with an undeclared scheme is returned unchanged; validation rejects it later.
        """
        scheme, separator, key = principal_id.partition("://")
        owned = self.schemes.get(scheme)
        return principal_id if owned is None else f"{owned}{separator}{key}"

    def outward(self, principal_id: str) -> str:
        """Return the provider's id of the principal with that id in Sekisho."""
        scheme, separator, key = principal_id.partition("://")
        for declared, owned in self.schemes.items():
            if owned == scheme:
                return f"{declared}{separator}{key}"
        return principal_id

    def own(self, principal_id: str) -> str:
        """Return the id in Sekisho of a principal in this provider's settings.

        Operators may write either scheme: the declared one, or the one that Sekisho shows.
        """
        scheme = principal_id.partition("://")[0]
        return principal_id if scheme in self.owned else self.inward(principal_id)

    def identity(self, external: ExternalIdentity) -> ExternalIdentity:
        """Return an identity with its principals renamed to Sekisho's ids."""
        groups = tuple(
            ExternalGroup(self.inward(one.principal_id), one.name) for one in external.groups
        )
        return replace(external, principal_id=self.inward(external.principal_id), groups=groups)

    def outcome(self, outcome: T) -> T:
        """Return an outcome with its principals renamed to Sekisho's ids."""
        return self.identity(outcome) if isinstance(outcome, ExternalIdentity) else outcome  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class OwnPasswords:
    """A :class:`providers.base.PasswordAuthenticator` whose principals are renamed."""

    inner: PasswordAuthenticator
    ownership: Ownership

    @property
    def name(self) -> str:
        """Return the provider's name."""
        return self.inner.name

    async def authenticate(self, attempt: PasswordAttempt) -> Outcome:
        """Authenticate with a password."""
        return self.ownership.outcome(await self.inner.authenticate(attempt))


@dataclass(frozen=True, slots=True)
class OwnBrowser:
    """A :class:`providers.base.BrowserAuthenticator` whose principals are renamed."""

    inner: BrowserAuthenticator
    ownership: Ownership

    async def start_browser(self, redirect_uri: str) -> BrowserStart:
        """Begin a sign-in."""
        return await self.inner.start_browser(redirect_uri)

    async def finish_browser(
        self, redirect_uri: str, keep: Mapping[str, str], answer: Mapping[str, str]
    ) -> Outcome:
        """Complete a sign-in."""
        result = await self.inner.finish_browser(redirect_uri, keep, answer)
        return self.ownership.outcome(result)


@dataclass(frozen=True, slots=True)
class OwnDevices:
    """A :class:`providers.base.DeviceAuthenticator` whose principals are renamed."""

    inner: DeviceAuthenticator
    ownership: Ownership

    async def start_device(self) -> DeviceStart:
        """Begin a sign-in; return the code to type."""
        return await self.inner.start_device()

    async def poll_device(self, keep: Mapping[str, str]) -> Outcome | Pending:
        """Return the outcome, or Pending until a user has typed the code."""
        return self.ownership.outcome(await self.inner.poll_device(keep))


@dataclass(frozen=True, slots=True)
class OwnBearers:
    """A :class:`providers.base.BearerVerifier` whose principals are renamed."""

    inner: BearerVerifier
    ownership: Ownership

    def claims(self, bearer: str) -> bool:
        """Return whether ``bearer`` looks like one of the provider's tokens."""
        return self.inner.claims(bearer)

    async def verify(self, bearer: str) -> Verified | Rejected | None:
        """Verify a token."""
        result = await self.inner.verify(bearer)
        if not isinstance(result, Verified):
            return result
        return replace(result, identity=self.ownership.identity(result.identity))


@dataclass(frozen=True, slots=True)
class OwnLogouts:
    """A :class:`providers.base.LogoutListener` whose principals are renamed."""

    inner: LogoutListener
    ownership: Ownership

    async def logged_out(self, logout_token: str) -> str | Rejected:
        """Return the principal whose sessions end."""
        result = await self.inner.logged_out(logout_token)
        return result if isinstance(result, Rejected) else self.ownership.inward(result)


@dataclass(frozen=True, slots=True)
class OwnGrants:
    """A :class:`providers.base.GrantRevoker` whose principals are renamed."""

    inner: GrantRevoker
    ownership: Ownership

    async def revoke_grant(self, principal_id: str, secret: str) -> None:
        """Revoke the grant at the backend."""
        await self.inner.revoke_grant(self.ownership.outward(principal_id), secret)


@dataclass(frozen=True, slots=True)
class OwnSearch:
    """A :class:`providers.base.PrincipalSearch` whose principals are renamed."""

    inner: PrincipalSearch
    ownership: Ownership

    async def search(self, text: str, *, limit: int) -> Sequence[FoundPrincipal]:
        """Return the principals whose names begin with ``text``."""
        found = await self.inner.search(text, limit=limit)
        return [replace(one, principal_id=self.ownership.inward(one.principal_id)) for one in found]


@dataclass(frozen=True, slots=True)
class OwnRefresher:
    """A :class:`providers.base.Refresher` whose principals are renamed."""

    inner: Refresher
    ownership: Ownership

    async def refresh(self, principal_id: str, secret: str | None) -> Outcome:
        """Return the identity as it is now."""
        result = await self.inner.refresh(self.ownership.outward(principal_id), secret)
        return self.ownership.outcome(result)


def capability(
    subject: object, protocol: type[T], wrapper: Callable[[T, Ownership], T], ownership: Ownership
) -> T | None:
    """Return ``subject`` as ``protocol``, renamed if needed; None if it lacks the capability."""
    if not isinstance(subject, protocol):
        return None
    return wrapper(subject, ownership) if ownership.renames else subject
