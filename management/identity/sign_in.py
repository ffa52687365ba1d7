"""Sign users in: from a provider's identity to a user and a session's token.

Every identity from a provider enters Sekisho here, however the user signed in (password, browser,
device, or a token of the provider's issuer). So this module validates identities and applies the
sign-in policy for all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from config.errors import UserError
from config.loggers import get_logger
from management.identity.identity_validation import (
    foreign_principal,
    memberships_from,
    shown_name,
    usable_username,
    validate_identity,
)
from management.identity.provider_capabilities import ProviderCapabilities
from management.identity.session_origin import describe_origin
from management.identity.sign_in_counts import ACCEPTED, REFUSED, SignInCounts
from management.identity.sign_in_policy import NOT_ALLOWED
from management.identity.tokens import IssuedToken, TokenIssuer, TokenSpec
from management.identity.users import random_id
from management.tracing.provider_calls import provider_span
from providers.base import ExternalIdentity, Outcome, PasswordAttempt, Rejected
from store.claim_records import LOCAL
from store.errors import Conflict
from store.interfaces import Store
from store.records import Principal, User

_LOG = get_logger(__name__)


class UnknownProvider(UserError):
    """No provider of that name offers that way to sign in."""


@dataclass(frozen=True, slots=True)
class SignInResult:
    """A sign-in that succeeded."""

    user: User
    issued: IssuedToken
    must_change_password: bool = False


class SignInService:
    """Sign users in through providers."""

    def __init__(
        self, store: Store, tokens: TokenIssuer, providers: Mapping[str, ProviderCapabilities]
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._providers = providers
        self.counts = SignInCounts()

    @property
    def providers(self) -> Mapping[str, ProviderCapabilities]:
        """Return the running providers by name."""
        return self._providers

    async def with_password(
        self, provider: str, attempt: PasswordAttempt, *, user_agent: str = ""
    ) -> SignInResult | Rejected:
        """Sign a user in with a password, or return why not: for the audit log, not for the user.

        ``user_agent`` is the client's, as in the other methods: it describes the session.

        Raises:
            UnknownProvider: no such provider takes passwords.
            ProviderUnavailable: the provider cannot be reached.
            Throttled: there were too many attempts.
            StoreUnavailable: the store cannot be read.
        """
        capabilities = self._providers.get(provider)
        if capabilities is None or capabilities.password is None:
            raise UnknownProvider(provider)
        with self.counts.failures(provider), provider_span(provider, "password"):
            outcome = await capabilities.password.authenticate(attempt)
        return await self.admit(
            provider, capabilities, outcome, attempt.address, user_agent=user_agent
        )

    async def admit(
        self,
        provider: str,
        capabilities: ProviderCapabilities,
        outcome: Outcome,
        address: str,
        *,
        user_agent: str = "",
    ) -> SignInResult | Rejected:
        """Issue a session for an outcome of ``provider``, or return why not.

        Raises:
            UnknownProvider: the provider was disabled in the meantime.
            ProviderUnavailable, StoreUnavailable: see :meth:`resolve_user`.
        """
        if not isinstance(outcome, ExternalIdentity):
            return self.log_rejection(provider, address, outcome or Rejected("refused"))
        with self.counts.failures(provider):
            user = await self.resolve_user(provider, capabilities, outcome)
        if isinstance(user, Rejected):
            return self.log_rejection(provider, address, user)
        issued = await self._tokens.issue(
            user,
            TokenSpec(
                kind="session",
                principal_id=outcome.principal_id,
                description=describe_origin(user_agent, address),
                confined=outcome.must_change_password,
            ),
        )
        late = await self.recheck(provider, capabilities, outcome)
        if late is not None:
            await self._store.tokens.revoke(issued.token.name)
            return self.log_rejection(provider, address, late)
        self.log_sign_in(provider, address, user, issued)
        return SignInResult(user, issued, outcome.must_change_password)

    async def resume(
        self,
        provider: str,
        user_id: str,
        principal_id: str,
        address: str,
        *,
        must_change_password: bool = False,
        user_agent: str = "",
    ) -> SignInResult | Rejected:
        """Issue a session for a user whom :meth:`resolve_user` returned a moment ago, or return why
        not. Raises StoreUnavailable.
        """
        issued = None
        user = await self._store.users.get(user_id)
        if user is not None:
            issued = await self._tokens.issue(
                user,
                TokenSpec(
                    kind="session",
                    principal_id=principal_id,
                    description=describe_origin(user_agent, address),
                    confined=must_change_password,
                ),
            )
        # Checked after the token is issued, so that no change can come between the check and the
        # token.
        why = await self._rejection_of(provider, user_id, principal_id)
        if user is None or issued is None or why is not None:
            if issued is not None:
                await self._store.tokens.revoke(issued.token.name)
            return self.log_rejection(provider, address, why or Rejected("user_gone"))
        self.log_sign_in(provider, address, user, issued)
        return SignInResult(user, issued, must_change_password)

    async def _rejection_of(
        self, provider: str, user_id: str, principal_id: str
    ) -> Rejected | None:
        """Return why a known user may not sign in, or None."""
        capabilities = self._providers.get(provider)
        if capabilities is None:
            return Rejected("provider_disabled")
        user = await self._store.users.get(user_id)
        if user is None:
            return Rejected("user_gone")
        if not user.enabled:
            return Rejected("user_disabled")
        principal = next((one for one in user.principals if one.id == principal_id), None)
        if principal is None or principal.disabled_reason is not None:
            return Rejected("principal_disabled")
        groups = await self._store.users.memberships(user_id)
        theirs = [one.id for one in groups if one.provider == provider]
        return await capabilities.policy.refusal(principal_id, theirs)

    async def resolve_user(
        self,
        provider: str,
        capabilities: ProviderCapabilities,
        identity: ExternalIdentity,
        *,
        proof: bool = True,
    ) -> User | Rejected:
        """Return the user of ``identity``, created if necessary, with current groups.

        ``proof``: see :meth:`known_user`. Raises StoreUnavailable, and ProviderUnavailable if the
        provider returned an invalid identity.
        """
        user = await self.known_user(provider, capabilities, identity, proof=proof)
        if isinstance(user, Rejected):
            return user
        await self._set_groups(provider, user, identity)
        await self._store.identities.take_name(identity.principal_id, usable_username(identity))
        now = datetime.now(UTC)
        await self._store.identities.seen(identity.principal_id, now, identity.secret, fresh=proof)
        return user

    async def known_user(
        self,
        provider: str,
        capabilities: ProviderCapabilities,
        identity: ExternalIdentity,
        *,
        proof: bool,
    ) -> User | Rejected:
        """Return the user of ``identity``, created if necessary, otherwise unchanged.

        ``proof``: whether the user has just authenticated. A token that was issued a while ago is
        no proof, so it does not re-enable a principal that the provider has disabled since.
        """
        validate_identity(provider, capabilities.schemes, identity)
        refusal = await capabilities.policy.refusal_of(identity)
        if refusal is not None:
            return refusal
        user = await self._store.users.by_principal(identity.principal_id)
        if user is None:
            user = await self._create(provider, identity)
        principal = next(one for one in user.principals if one.id == identity.principal_id)
        if principal.provider != provider and LOCAL not in capabilities.schemes:
            # Whether or not the other provider runs. The accounts in the store belong to one local
            # provider, whatever its name is.
            raise foreign_principal(provider, identity.principal_id)
        if not user.enabled:
            return Rejected("user_disabled")
        if not proof and principal.disabled_reason not in {None, NOT_ALLOWED}:
            return Rejected("principal_disabled", principal.disabled_reason or "")
        return user

    async def recheck(
        self, provider: str, capabilities: ProviderCapabilities, identity: ExternalIdentity
    ) -> Rejected | None:
        """Return why ``identity`` may no longer sign in, or None. Call this after issuing a token.

        Disabling or changing a provider revokes the tokens that exist by then. This check finds a
        token that was issued at the same time.
        """
        current = self._providers.get(provider)
        if current is capabilities:
            return None
        if current is None:
            return Rejected("provider_disabled")
        return await current.policy.refusal_of(identity)

    def log_sign_in(self, provider: str, address: str, user: User, issued: IssuedToken) -> None:
        """Log and count a sign-in."""
        self.counts.add(provider, ACCEPTED)
        _LOG.info(
            "signed in",
            provider=provider,
            address=address,
            user=user.id,
            token=issued.token.name,
        )

    def log_rejection(self, provider: str, address: str, why: Rejected) -> Rejected:
        """Log and count a rejected sign-in, and return its reason."""
        self.counts.add(provider, REFUSED)
        # Not the username: users type passwords into its field.
        _LOG.info(
            "sign-in rejected",
            provider=provider,
            address=address,
            reason=why.reason,
            detail=why.detail or None,
        )
        return why

    async def _set_groups(self, provider: str, user: User, identity: ExternalIdentity) -> None:
        groups = memberships_from(provider, identity)
        known = [
            one for one in await self._store.users.memberships(user.id) if one.provider == provider
        ]
        if sorted(known, key=lambda one: one.id) != groups:
            await self._store.users.set_memberships(user.id, provider, groups)

    async def _create(self, provider: str, identity: ExternalIdentity) -> User:
        username = usable_username(identity)
        fresh = User(
            id=random_id("u"),
            username=username,
            display_name=shown_name(identity.display_name) or username,
            enabled=True,
            administrator=False,
            created_at=datetime.now(UTC),
            principals=(Principal(identity.principal_id, provider, username),),
        )
        try:
            await self._store.users.create(fresh)
        except Conflict:
            # The user signed in twice at the same time, perhaps on two replicas.
            user = await self._store.users.by_principal(identity.principal_id)
            if user is None:
                raise
            return user
        await self._set_groups(provider, fresh, identity)
        await self._store.identities.take_name(identity.principal_id, usable_username(identity))
        return fresh
