"""Signing in: from what a provider says of somebody to a user, and a session's token.

Here providers' identities enter Sekisho, so what they may say is checked here, for all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from impersonation.policy import ReservedName, refuse_reserved
from management.tokens import IssuedToken, TokenService
from management.users import random_id
from providers.base import Attempt, ExternalIdentity, PasswordAuthenticator, ProviderUnavailable
from store.interfaces import Conflict, Membership, Principal, Store, User

_LOG = structlog.get_logger("sekisho.sign_in")


class UnknownProvider(Exception):
    """No provider of that name signs people in with a password."""


@dataclass(frozen=True, slots=True)
class Door:
    """A provider that people sign in through, and the principals it may speak of."""

    authenticator: PasswordAuthenticator
    schemes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A sign-in that succeeded."""

    user: User
    issued: IssuedToken
    must_change_password: bool


class SignIn:
    """Signs people in through providers."""

    def __init__(self, store: Store, tokens: TokenService, doors: Mapping[str, Door]) -> None:
        self._store = store
        self._tokens = tokens
        self._doors = doors

    @property
    def providers(self) -> list[str]:
        """Names of the providers that people may sign in through."""
        return list(self._doors)

    async def with_password(self, provider: str, attempt: Attempt) -> SignedIn | None:
        """Sign somebody in; None for every way in which a credential can be refused.

        Raises UnknownProvider, ProviderUnavailable, Throttled, StoreUnavailable.
        """
        door = self._doors.get(provider)
        if door is None:
            raise UnknownProvider(provider)
        identity = await door.authenticator.authenticate(attempt)
        if identity is None:
            return None
        _check(provider, door, identity)
        user = await self._provision(provider, identity)
        if not user.enabled:
            return None
        issued = await self._tokens.issue(
            user, kind="session", principal_id=identity.principal_id, description="sign-in"
        )
        return SignedIn(user, issued, identity.must_change_password)

    async def _provision(self, provider: str, identity: ExternalIdentity) -> User:
        """The user who owns the principal, made where there is none; with the groups of now."""
        user = await self._store.users.by_principal(identity.principal_id)
        if user is None:
            user = await self._create(provider, identity)
        groups = [Membership(one.principal_id, provider, one.name) for one in identity.groups]
        known = [
            one for one in await self._store.users.memberships(user.id) if one.provider == provider
        ]
        if sorted(known, key=lambda one: one.id) != sorted(groups, key=lambda one: one.id):
            await self._store.users.set_memberships(user.id, provider, groups)
        return user

    async def _create(self, provider: str, identity: ExternalIdentity) -> User:
        fresh = User(
            id=random_id("u"),
            username=identity.username,
            display_name=identity.display_name or identity.username,
            enabled=True,
            administrator=False,
            created_at=datetime.now(UTC),
            principals=(Principal(identity.principal_id, provider, identity.username),),
        )
        try:
            await self._store.users.create(fresh)
        except Conflict:
            # Somebody signed in twice at once, on another replica perhaps.
            user = await self._store.users.by_principal(identity.principal_id)
            if user is None:
                raise
            return user
        return fresh


def _check(provider: str, door: Door, identity: ExternalIdentity) -> None:
    """Refuse what a provider must not say. It is the provider's fault, so nobody else's answer."""
    principals = [identity.principal_id, *(group.principal_id for group in identity.groups)]
    try:
        refuse_reserved([*principals, identity.username, *(g.name for g in identity.groups)])
    except ReservedName as exc:
        _LOG.error("provider handed out a reserved name", provider=provider, error=str(exc))
        raise ProviderUnavailable("the provider named somebody it may not") from exc
    for principal in principals:
        scheme, separator, key = principal.partition("://")
        if scheme not in door.schemes or not separator or not key:
            _LOG.error("provider spoke of another's principal", provider=provider, scheme=scheme)
            raise ProviderUnavailable("the provider named somebody it may not")
