"""Signing in: from what a provider says of somebody to a user, and a session's token.

Here providers' identities enter Sekisho, so what they may say is checked here, for all of them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from impersonation.policy import ReservedName, refuse_reserved
from management.tokens import IssuedToken, TokenService
from management.users import random_id
from providers.base import (
    Attempt,
    ExternalIdentity,
    Outcome,
    PasswordAuthenticator,
    ProviderUnavailable,
    Refused,
)
from store.interfaces import Conflict, Membership, Principal, Store, User

_LOG = structlog.get_logger("sekisho.sign_in")
_UNTELLABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""What no header and no database can hold."""


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

    async def with_password(self, provider: str, attempt: Attempt) -> SignedIn | Refused:
        """Sign somebody in, or say why not: for the audit log, not for them.

        Raises UnknownProvider, ProviderUnavailable, Throttled, StoreUnavailable.
        """
        door = self._doors.get(provider)
        if door is None:
            raise UnknownProvider(provider)
        outcome = await door.authenticator.authenticate(attempt)
        return await self.admit(provider, door, outcome, attempt.address)

    async def admit(
        self, provider: str, door: Door, outcome: Outcome, address: str
    ) -> SignedIn | Refused:
        """Let somebody in whom ``provider`` has vouched for, or say why not."""
        if not isinstance(outcome, ExternalIdentity):
            return self._refused(provider, address, outcome or Refused("refused"))
        identity = outcome
        user = await self._user(provider, door, identity)
        if not user.enabled:
            return self._refused(provider, address, Refused("user_disabled"))
        issued = await self._tokens.issue(
            user, kind="session", principal_id=identity.principal_id, description="sign-in"
        )
        _LOG.info(
            "signed in",
            provider=provider,
            address=address,
            user=user.id,
            token=issued.token.name,
        )
        return SignedIn(user, issued, identity.must_change_password)

    def _refused(self, provider: str, address: str, why: Refused) -> Refused:
        # Not the name: people type passwords into its field.
        _LOG.info(
            "sign-in refused",
            provider=provider,
            address=address,
            reason=why.reason,
            detail=why.detail or None,
        )
        return why

    async def _user(self, provider: str, door: Door, identity: ExternalIdentity) -> User:
        """The user who owns the principal, made where there is none; with the groups of now."""
        _check(provider, door, identity)
        user = await self._store.users.by_principal(identity.principal_id)
        if user is None:
            user = await self._create(provider, identity)
        owner = next(one for one in user.principals if one.id == identity.principal_id).provider
        if owner != provider and owner in self._doors:
            # Two providers of one type share its schemes, but not their people.
            raise _not_theirs(provider, "another provider's user", identity.principal_id)
        await self._set_groups(provider, user, identity)
        return user

    async def _set_groups(self, provider: str, user: User, identity: ExternalIdentity) -> None:
        groups = [
            Membership(one.principal_id, provider, _shown(one.name)) for one in identity.groups
        ]
        known = [
            one for one in await self._store.users.memberships(user.id) if one.provider == provider
        ]
        if sorted(known, key=lambda one: one.id) != sorted(groups, key=lambda one: one.id):
            await self._store.users.set_memberships(user.id, provider, groups)

    async def _create(self, provider: str, identity: ExternalIdentity) -> User:
        fresh = User(
            id=random_id("u"),
            username=identity.username,
            display_name=_shown(identity.display_name) or identity.username,
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
        raise _not_theirs(provider, "a reserved name", exc.name) from exc
    for principal in principals:
        scheme, _, key = principal.partition("://")
        if scheme not in door.schemes or not key:
            raise _not_theirs(provider, "a principal that isn't its own", principal)
    for name in (*principals, identity.username):
        if not name.strip() or _UNTELLABLE.search(name):
            raise _not_theirs(provider, "a name that is empty or has control characters", name)


def _not_theirs(provider: str, what: str, name: str) -> ProviderUnavailable:
    _LOG.error("a provider handed out what it may not", provider=provider, what=what, name=name)
    return ProviderUnavailable("the provider named somebody it may not")


def _shown(name: str) -> str:
    """A display name that can be stored and told. Nothing depends on it."""
    return _UNTELLABLE.sub("\ufffd", name)
