"""Signing in: from what a provider says of somebody to a user, and a session's token.

Here providers' identities enter Sekisho, whichever way they came (password, browser, device, or a
token of their backend's), so what they may say and who may come in is decided here, for all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from management.access_modes import NOT_ALLOWED
from management.door import Door
from management.tokens import IssuedToken, TokenService
from management.users import random_id
from management.vouched import check_vouched, foreign_principal, memberships_said, shown_name
from providers.base import Attempt, ExternalIdentity, Outcome, Refused
from store.interfaces import Conflict, Principal, Store, User

_LOG = structlog.get_logger("sekisho.sign_in")


class UnknownProvider(Exception):
    """No provider of that name signs people in in that way."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A sign-in that succeeded."""

    user: User
    issued: IssuedToken
    must_change_password: bool = False


class SignIn:
    """Signs people in through providers."""

    def __init__(self, store: Store, tokens: TokenService, doors: Mapping[str, Door]) -> None:
        self._store = store
        self._tokens = tokens
        self._doors = doors

    @property
    def doors(self) -> Mapping[str, Door]:
        """Every provider that may be come in through, by name."""
        return self._doors

    async def with_password(self, provider: str, attempt: Attempt) -> SignedIn | Refused:
        """Sign somebody in, or say why not: for the audit log, not for them.

        Raises UnknownProvider, ProviderUnavailable, Throttled, StoreUnavailable.
        """
        door = self._doors.get(provider)
        if door is None or door.password is None:
            raise UnknownProvider(provider)
        outcome = await door.password.authenticate(attempt)
        return await self.admit(provider, door, outcome, attempt.address)

    async def admit(
        self, provider: str, door: Door, outcome: Outcome, address: str
    ) -> SignedIn | Refused:
        """Let somebody in whom ``provider`` has vouched for through ``door``, or say why not.

        Raises UnknownProvider where it was disabled meanwhile, ProviderUnavailable for what a
        provider must not say, and StoreUnavailable.
        """
        if not isinstance(outcome, ExternalIdentity):
            return self.tell_refused(provider, address, outcome or Refused("refused"))
        user = await self.user_of(provider, door, outcome)
        if isinstance(user, Refused):
            return self.tell_refused(provider, address, user)
        issued = await self._tokens.issue(
            user, kind="session", principal_id=outcome.principal_id, description="sign-in"
        )
        late = await self.still_open(provider, door, outcome)
        if late is not None:
            await self._store.tokens.revoke(issued.token.name)
            return self.tell_refused(provider, address, late)
        self.tell_signed_in(provider, address, user, issued)
        return SignedIn(user, issued, outcome.must_change_password)

    async def resume(
        self,
        provider: str,
        user_id: str,
        principal_id: str,
        address: str,
        *,
        must_change_password: bool = False,
    ) -> SignedIn | Refused:
        """Let somebody in who was known a moment ago (:meth:`user_of`), if they still may.

        Raises StoreUnavailable.
        """
        issued = None
        user = await self._store.users.get(user_id)
        if user is not None:
            issued = await self._tokens.issue(
                user, kind="session", principal_id=principal_id, description="sign-in"
            )
        # Asked with the token there, so that nothing can come between the answer and the token.
        why = await self._why_not(provider, user_id, principal_id)
        if user is None or issued is None or why is not None:
            if issued is not None:
                await self._store.tokens.revoke(issued.token.name)
            return self.tell_refused(provider, address, why or Refused("user_gone"))
        self.tell_signed_in(provider, address, user, issued)
        return SignedIn(user, issued, must_change_password)

    async def _why_not(self, provider: str, user_id: str, principal_id: str) -> Refused | None:
        """Why somebody who is known may not come in, or None."""
        door = self._doors.get(provider)
        if door is None:
            return Refused("provider_disabled")
        user = await self._store.users.get(user_id)
        if user is None:
            return Refused("user_gone")
        if not user.enabled:
            return Refused("user_disabled")
        principal = next((one for one in user.principals if one.id == principal_id), None)
        if principal is None or principal.disabled_reason is not None:
            return Refused("principal_disabled")
        groups = await self._store.users.memberships(user_id)
        theirs = [one.id for one in groups if one.provider == provider]
        return await door.admission.refusal(principal_id, theirs)

    async def user_of(
        self, provider: str, door: Door, identity: ExternalIdentity, *, proof: bool = True
    ) -> User | Refused:
        """The user behind ``identity``, made where there is none, with the groups of now.

        ``proof``: see :meth:`known_user`. Raises ProviderUnavailable for what a provider must not
        say, and StoreUnavailable.
        """
        user = await self.known_user(provider, door, identity, proof=proof)
        if isinstance(user, Refused):
            return user
        await self._set_groups(provider, user, identity)
        now = datetime.now(UTC)
        await self._store.identities.seen(identity.principal_id, now, identity.secret, fresh=proof)
        return user

    async def known_user(
        self, provider: str, door: Door, identity: ExternalIdentity, *, proof: bool
    ) -> User | Refused:
        """The user behind ``identity``, made where there is none; else left as it is.

        ``proof``: whether they have just shown who they are. A token that they were given a while
        ago is none, so it doesn't bring back whom the provider has cut off since.
        """
        check_vouched(provider, door.schemes, identity)
        refusal = await door.admission.refusal_of(identity)
        if refusal is not None:
            return refusal
        user = await self._store.users.by_principal(identity.principal_id)
        if user is None:
            user = await self._create(provider, identity)
        principal = next(one for one in user.principals if one.id == identity.principal_id)
        if principal.provider != provider and principal.provider in self._doors:
            # Two providers of one type share its schemes, but not their people.
            raise foreign_principal(provider, identity.principal_id)
        if not user.enabled:
            return Refused("user_disabled")
        if not proof and principal.disabled_reason not in {None, NOT_ALLOWED}:
            return Refused("principal_disabled", principal.disabled_reason or "")
        return user

    async def still_open(
        self, provider: str, door: Door, identity: ExternalIdentity
    ) -> Refused | None:
        """Why ``identity`` may not come in any more: asked once a token for it is there.

        A provider that is disabled or changed has the tokens revoked that are there by then; this
        catches the one that was made at the same time. Raises UnknownProvider.
        """
        current = self._doors.get(provider)
        if current is door:
            return None
        if current is None:
            return Refused("provider_disabled")
        return await current.admission.refusal_of(identity)

    def tell_signed_in(self, provider: str, address: str, user: User, issued: IssuedToken) -> None:
        """Log a sign-in."""
        _LOG.info(
            "signed in",
            provider=provider,
            address=address,
            user=user.id,
            token=issued.token.name,
        )

    def tell_refused(self, provider: str, address: str, why: Refused) -> Refused:
        """Log a sign-in that was refused, and why."""
        # Not the name: people type passwords into its field.
        _LOG.info(
            "sign-in refused",
            provider=provider,
            address=address,
            reason=why.reason,
            detail=why.detail or None,
        )
        return why

    async def _set_groups(self, provider: str, user: User, identity: ExternalIdentity) -> None:
        groups = memberships_said(provider, identity)
        known = [
            one for one in await self._store.users.memberships(user.id) if one.provider == provider
        ]
        if sorted(known, key=lambda one: one.id) != groups:
            await self._store.users.set_memberships(user.id, provider, groups)

    async def _create(self, provider: str, identity: ExternalIdentity) -> User:
        fresh = User(
            id=random_id("u"),
            username=identity.username,
            display_name=shown_name(identity.display_name) or identity.username,
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
        await self._set_groups(provider, fresh, identity)
        return fresh
