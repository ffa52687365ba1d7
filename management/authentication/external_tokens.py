"""Tokens that somebody else has issued, as credentials: a trusted issuer's JWTs.

Used as they are at the gate, where their provider says so, or exchanged for a token of ours
(:mod:`management.oauth.exchange`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from management.door import Door
from management.scoping import projects_named, within
from management.sign_in import SignIn
from management.vouched import memberships_said
from providers.base import BearerVerifier, ProviderUnavailable, Refused, Verified
from store.interfaces import Holdings, Membership, Store, Token, User

MAX_BYTES = 8192
"""The longest that is looked at."""

FOREIGN_PREFIX = "jwt-"
"""What their names begin with, which stand in logs and nowhere in the store."""

SEEN_EVERY = timedelta(minutes=10)
"""How often the use of one is written down as its owner's having been seen."""

_LEAST = frozenset({"unknown_issuer", "audience_mismatch"})

_LOG = structlog.get_logger("sekisho.bearers")


class BearerRefused(Exception):
    """A token that looks like somebody else's isn't accepted. ``why`` is for the audit log."""

    def __init__(self, why: Refused) -> None:
        super().__init__(why.reason)
        self.why = why


@dataclass(frozen=True, slots=True)
class Vouched:
    """A token that is good, and through which provider it came."""

    provider: str
    door: Door
    verified: Verified


@dataclass(frozen=True, slots=True)
class Standing:
    """What a token is worth at the gate: as the store says of one of our own."""

    token: Token
    user: User
    memberships: list[Membership]
    holdings: Holdings


def looks_foreign(bearer: bytes) -> bool:
    """Whether it may be a JWT: three parts, and no colon, which each of ours has."""
    return bearer.count(b".") == 2 and b":" not in bearer and len(bearer) <= MAX_BYTES


class ForeignBearers:
    """Finds out what somebody else's tokens are worth."""

    def __init__(self, store: Store, sign_in: SignIn) -> None:
        self._store = store
        self._sign_in = sign_in

    async def verify(self, bearer: str) -> Vouched | Refused:
        """Whose it is, by the first provider that accepts it.

        Several may trust one issuer, each for its own audience. Raises ProviderUnavailable where
        none accepts it, and one couldn't say.
        """
        why, unavailable = Refused("unknown_issuer"), None
        for provider, door, verifier in self._claimants(bearer):
            try:
                found = await verifier.verify(bearer)
            except ProviderUnavailable as exc:
                unavailable = exc
                continue
            if isinstance(found, Verified):
                return Vouched(provider, door, found)
            # Whoever it was not for says less about it than whoever it was for.
            if why.reason in _LEAST:
                why = found or Refused("refused")
        if unavailable is not None:
            raise unavailable
        return why

    async def standing(self, bearer: bytes, digest: bytes) -> tuple[Vouched, Standing]:
        """What it is worth as it is.

        Raises BearerRefused, ProviderUnavailable and StoreUnavailable.
        """
        found = await self.verify(bearer.decode("ascii", "replace"))
        if isinstance(found, Refused):
            raise _refused("", found)
        if not found.verified.direct:
            raise _refused(found.provider, Refused("not_direct", "it can only be exchanged"))
        return found, await self._standing(found, digest)

    async def still(self, vouched: Vouched, digest: bytes) -> Standing | None:
        """What a token that was good is worth now; None where it isn't any more."""
        if vouched.verified.expires_at <= datetime.now(UTC):
            return None
        door = self._sign_in.doors.get(vouched.provider)
        if door is None or door.bearer is None:
            return None
        try:
            return await self._standing(replace(vouched, door=door), digest)
        except BearerRefused:
            return None

    def _claimants(self, bearer: str) -> list[tuple[str, Door, BearerVerifier]]:
        doors: Mapping[str, Door] = self._sign_in.doors
        return [
            (name, door, door.bearer)
            for name, door in doors.items()
            if door.bearer is not None and door.bearer.claims(bearer)
        ]

    async def _standing(self, vouched: Vouched, digest: bytes) -> Standing:
        identity, scope = vouched.verified.identity, vouched.verified.scope
        user = await self._sign_in.known_user(vouched.provider, vouched.door, identity, proof=False)
        if isinstance(user, Refused):
            raise _refused(vouched.provider, user)
        user = await self._seen(user, identity.principal_id)
        # The token's own groups, not those of the last sign-in: two tokens may differ in them.
        others = [
            one
            for one in await self._store.users.memberships(user.id)
            if one.provider != vouched.provider
        ]
        clusters = await self._clusters(vouched)
        projects = within(await projects_named(self._store, scope.projects), clusters)
        if scope.projects and not projects:
            # No project would mean no limit.
            raise _refused(vouched.provider, Refused("no_project"))
        token = Token(
            name=FOREIGN_PREFIX + digest.hex()[:10],
            kind="bearer",
            digest=digest,
            user_id=user.id,
            principal_id=identity.principal_id,
            description=scope.rule,
            created_at=datetime.now(UTC),
            expires_at=vouched.verified.expires_at,
            clusters=clusters or tuple(sorted({one.cluster_id for one in projects})),
            projects=tuple(one.id for one in projects),
            read_only=scope.read_only,
        )
        memberships = others + memberships_said(vouched.provider, identity)
        groups = [one.id for one in memberships]
        holdings = await self._store.tokens.holdings(user.id, groups, token.projects)
        return Standing(token, user, memberships, holdings)

    async def _clusters(self, vouched: Vouched) -> tuple[str, ...]:
        names = vouched.verified.scope.clusters
        found = [await self._store.clusters.get(name) for name in names]
        ids = tuple(dict.fromkeys(one.id for one in found if one is not None))
        if names and not ids:
            # No cluster would mean every cluster.
            raise _refused(vouched.provider, Refused("no_cluster"))
        return ids

    async def _seen(self, user: User, principal_id: str) -> User:
        """Note now and then that somebody was there; and that they may be again."""
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


def _refused(provider: str, why: Refused) -> BearerRefused:
    _LOG.info(
        "bearer refused", provider=provider or None, reason=why.reason, detail=why.detail or None
    )
    return BearerRefused(why)
