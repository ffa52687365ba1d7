"""Tokens of other issuers as credentials: JWTs of an issuer that a provider trusts.

The proxy accepts them directly if their provider is configured so. Otherwise they can be exchanged
for a token of Sekisho (:mod:`management.oauth.token_exchange`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from config.loggers import get_logger
from management.authentication.token_scopes import find_projects, intersect_scope
from management.identity.identity_validation import memberships_from
from management.identity.provider_capabilities import ProviderCapabilities
from management.identity.sign_in import SignInService
from management.tracing.provider_calls import provider_span
from providers.base import BearerVerifier, ProviderUnavailable, Rejected, Verified
from store.interfaces import Store
from store.records import Holdings, Membership, Token, User

MAX_BYTES = 8192
"""Longer tokens are not parsed."""

EXTERNAL_PREFIX = "jwt-"
"""The prefix of their names, which appear in logs and are never stored."""

SEEN_EVERY = timedelta(minutes=10)
"""The shortest interval between two updates of ``last_seen_at`` of a token's owner."""

_WEAK_REASONS = frozenset({"unknown_issuer", "audience_mismatch"})

_LOG = get_logger(__name__)


class TokenRejected(Exception):
    """An external token is not accepted. ``why`` is for the audit log."""

    def __init__(self, why: Rejected) -> None:
        super().__init__(why.reason)
        self.why = why


@dataclass(frozen=True, slots=True)
class VerifiedExternalToken:
    """A verified token, and the provider that verified it."""

    provider: str
    capabilities: ProviderCapabilities
    verified: Verified


@dataclass(frozen=True, slots=True)
class TokenGrants:
    """The grants of an external token, in the form that the store returns for a stored token."""

    token: Token
    user: User
    memberships: list[Membership]
    holdings: Holdings


def is_external_token(bearer: bytes) -> bool:
    """Return whether it may be a JWT: three parts and no colon, which Sekisho's tokens have."""
    return bearer.count(b".") == 2 and b":" not in bearer and len(bearer) <= MAX_BYTES


class ExternalTokens:
    """Verify tokens of other issuers and determine what they grant."""

    def __init__(self, store: Store, sign_in: SignInService) -> None:
        self._store = store
        self._sign_in = sign_in

    async def verify(self, bearer: str) -> VerifiedExternalToken | Rejected:
        """Return the result of the first provider that accepts the token, or why all reject it.

        Several providers may trust one issuer, each for its own audience.

        Raises:
            ProviderUnavailable: no provider accepts the token, and one of them is unavailable.

        """
        why, unavailable = Rejected("unknown_issuer"), None
        for provider, capabilities, verifier in self._claimants(bearer):
            try:
                with provider_span(provider, "verify"):
                    found = await verifier.verify(bearer)
            except ProviderUnavailable as exc:
                unavailable = exc
                continue
            if isinstance(found, Verified):
                return VerifiedExternalToken(provider, capabilities, found)
            # The reason of a provider that the token is not for tells less than the others.
            if why.reason in _WEAK_REASONS:
                why = found or Rejected("refused")
        if unavailable is not None:
            raise unavailable
        return why

    async def authenticate(
        self, bearer: bytes, digest: bytes
    ) -> tuple[VerifiedExternalToken, TokenGrants]:
        """Verify a token that is used directly, without an exchange, and return its grants.

        Raises:
            TokenRejected: the token is not accepted.
            ProviderUnavailable: the provider cannot verify it now.
            StoreUnavailable: the store cannot be read.

        """
        found = await self.verify(bearer.decode("ascii", "replace"))
        if isinstance(found, Rejected):
            raise _rejected("", found)
        if not found.verified.direct:
            raise _rejected(found.provider, Rejected("not_direct", "it can only be exchanged"))
        return found, await self._grants(found, digest)

    async def revalidate(
        self, external: VerifiedExternalToken, digest: bytes
    ) -> TokenGrants | None:
        """Return the current grants of a verified token; None if it is no longer valid."""
        if external.verified.expires_at <= datetime.now(UTC):
            return None
        capabilities = self._sign_in.providers.get(external.provider)
        if capabilities is None or capabilities.bearer is None:
            return None
        try:
            return await self._grants(replace(external, capabilities=capabilities), digest)
        except TokenRejected:
            return None

    def _claimants(self, bearer: str) -> list[tuple[str, ProviderCapabilities, BearerVerifier]]:
        providers: Mapping[str, ProviderCapabilities] = self._sign_in.providers
        return [
            (name, capabilities, capabilities.bearer)
            for name, capabilities in providers.items()
            if capabilities.bearer is not None and capabilities.bearer.claims(bearer)
        ]

    async def _grants(self, external: VerifiedExternalToken, digest: bytes) -> TokenGrants:
        identity, scope = external.verified.identity, external.verified.scope
        user = await self._sign_in.known_user(
            external.provider, external.capabilities, identity, proof=False
        )
        if isinstance(user, Rejected):
            raise _rejected(external.provider, user)
        user = await self._note_seen(user, identity.principal_id)
        # The groups in the token, not those of the last sign-in: two tokens may differ in them.
        others = [
            one
            for one in await self._store.users.memberships(user.id)
            if one.provider != external.provider
        ]
        clusters = await self._clusters(external)
        projects = intersect_scope(await find_projects(self._store, scope.projects), clusters)
        if scope.projects and not projects:
            # An empty list of projects would mean no limit.
            raise _rejected(external.provider, Rejected("no_project"))
        token = Token(
            name=EXTERNAL_PREFIX + digest.hex()[:10],
            kind="bearer",
            digest=digest,
            user_id=user.id,
            principal_id=identity.principal_id,
            description=scope.rule,
            created_at=datetime.now(UTC),
            expires_at=external.verified.expires_at,
            clusters=clusters or tuple(sorted({one.cluster_id for one in projects})),
            projects=tuple(one.id for one in projects),
            read_only=scope.read_only,
            proxy_read=scope.proxy_read,
        )
        memberships = others + memberships_from(external.provider, identity)
        groups = [one.id for one in memberships]
        holdings = await self._store.tokens.holdings(user.id, groups, token.projects)
        return TokenGrants(token, user, memberships, holdings)

    async def _clusters(self, external: VerifiedExternalToken) -> tuple[str, ...]:
        names = external.verified.scope.clusters
        found = [await self._store.clusters.get(name) for name in names]
        ids = tuple(dict.fromkeys(one.id for one in found if one is not None))
        if names and not ids:
            # An empty list of clusters would mean every cluster.
            raise _rejected(external.provider, Rejected("no_cluster"))
        return ids

    async def _note_seen(self, user: User, principal_id: str) -> User:
        """Update ``last_seen_at`` and re-enable the principal, at most once in ``SEEN_EVERY``."""
        known = await self._store.identities.get(principal_id)
        now = datetime.now(UTC)
        if known is None or (
            known.disabled_reason is None
            and known.last_seen_at is not None
            and now - known.last_seen_at < SEEN_EVERY
        ):
            return user
        await self._store.identities.seen(principal_id, now, fresh=False)
        return await self._store.users.get(user.id) or user


def _rejected(provider: str, why: Rejected) -> TokenRejected:
    _LOG.info(
        "external token rejected",
        provider=provider or None,
        reason=why.reason,
        detail=why.detail or None,
    )
    return TokenRejected(why)
