"""From a bearer token to who is calling: the look-up that every request pays for.

A hit costs one SHA-256 and one dictionary look-up. What is cached is dropped as soon as the store
announces a change, so a revoked token or a disabled user is refused within a second on every
replica; while no announcements arrive, nothing is trusted for longer than a second anyway.
"""

import asyncio
import hashlib
import hmac
import math
import time
from collections import defaultdict
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import structlog

from impersonation.identity import Group, Identity
from impersonation.policy import ReservedName, refuse_reserved
from management.authorization.access import Access, access_of
from management.authorization.book import RoleBook
from management.foreign_bearers import ForeignBearers, Standing, Vouched, looks_foreign
from management.remembered import Remembered
from store.interfaces import Change, Holdings, Membership, Store, SubjectName, Token, User

ASK_AGAIN_SECONDS = 30.0
"""After how long the store is asked about an entry again, while the change feed works: a net below
it, not the mechanism. Nobody waits for the answer: where a store takes its time, thousands of
callers would, and just when there is most to do."""

TRUST_SECONDS = 45.0
"""How long an entry is believed at most, whatever becomes of that."""

TRUST_SECONDS_BLIND = 1.0
"""The same while the feed is down."""

MAX_ENTRIES = 50_000
"""Tokens kept in memory; the one stored longest makes room."""

MAX_ENTRIES_BYTES = 512 * 1024**2
"""What they may take together, as far as that is known: some people are in hundreds of groups."""

MAX_BEARER_BYTES = 512
"""Ours have under 80; a longer one that isn't somebody else's is nobody's."""

_LOG = structlog.get_logger("sekisho.resolver")


@dataclass(slots=True, eq=False)
class Resolved:
    """A live token and everything a decision needs: who, whose, and what they hold where.

    ``believed_until`` and ``ask_again_at`` are of the monotonic clock, in seconds.
    ``namespaces`` are those of the projects that the token is for, by cluster.
    ``blocks`` keeps the impersonation headers for as long as the identity behind them is believed,
    one for each way of naming users; ``audit_user`` the same for the audit log. ``vouched`` is
    there where the token is somebody else's.
    """

    token: Token
    user: User
    identity: Identity
    access: Access
    expires_at: float
    believed_until: float
    ask_again_at: float = math.inf
    blocks: dict[SubjectName, bytes] = field(default_factory=dict)
    audit_user: str = ""
    vouched: Vouched | None = None
    namespaces: Mapping[str, frozenset[str]] = field(default_factory=dict)


class TokenResolver:
    """Resolves bearers, and remembers. One per process; run :meth:`follow_changes` beside it."""

    def __init__(
        self,
        store: Store,
        bearers: ForeignBearers | None = None,
        *,
        max_entries: int = MAX_ENTRIES,
        max_bytes: int = MAX_ENTRIES_BYTES,
    ) -> None:
        self._store = store
        self._bearers = bearers
        self._memory: Remembered[bytes, Resolved] = Remembered(
            topics_of, _bytes_of, most=max_entries, most_bytes=max_bytes
        )
        self._entries = self._memory.entries
        self._pending: dict[bytes, asyncio.Task[Resolved | None]] = {}
        self._meanwhile: dict[bytes, list[Change]] = {}
        self.hits = 0
        self.misses = 0

    @property
    def entries(self) -> int:
        """How many tokens are remembered."""
        return len(self._entries)

    def cached(self, bearer: bytes) -> Resolved | None:
        """The live entry for ``bearer``, if it can be told without asking the store."""
        return self.live(hashlib.sha256(bearer).digest())

    async def resolve(self, bearer: bytes) -> Resolved | None:
        """Who presents ``bearer``; None where it isn't a live token of an enabled user.

        Raises StoreUnavailable where the store can't say, and for somebody else's token
        BearerRefused and ProviderUnavailable. Many requests at once with one token that isn't
        cached make one query.
        """
        if len(bearer) > MAX_BEARER_BYTES and not looks_foreign(bearer):
            return None
        digest = hashlib.sha256(bearer).digest()
        entry = self.live(digest)
        if entry is not None:
            return entry
        self.misses += 1
        task = self._pending.get(digest)
        if task is None:
            task = self._begin(digest, self._found(bearer, digest))
        # Shielded: a client that goes away must not fail the others who wait for the same answer.
        return await asyncio.shield(task)

    async def again(self, entry: Resolved) -> Resolved | None:
        """What the store says now of the token behind ``entry``; None where it stands no more.

        Raises StoreUnavailable.
        """
        if entry.vouched is not None:
            return await self._vouched_again(entry, entry.vouched)
        found = await self._store.tokens.resolve(entry.token.name)
        return None if found is None else _resolved(*found, digest=entry.token.digest)

    async def follow_changes(self) -> None:
        """Drop what the store says is stale, until cancelled."""
        async with self._store.changes.subscribe() as changes:
            async for change in changes:
                self.forget(change)

    def forget(self, change: Change) -> None:
        """Drop every entry that ``change`` may concern."""
        for heard in self._meanwhile.values():
            heard.append(change)
        if change.kind in {"all", "role"} or change.key is None:
            self._memory.clear()
            return
        self._memory.drop_about((change.kind, change.key))
        if change.kind == "cluster":
            self._memory.drop_about(_EVERY_CLUSTER)

    def live(self, digest: bytes) -> Resolved | None:
        """The live entry for the bearer with that SHA-256, as :meth:`cached` finds it."""
        entry = self._entries.get(digest)
        if entry is None:
            return None
        if time.time() >= entry.expires_at:
            self._memory.drop(digest)
            return None
        now = time.monotonic()
        if now >= entry.believed_until or (
            not self._store.changes.live
            and now >= entry.believed_until - TRUST_SECONDS + TRUST_SECONDS_BLIND
        ):
            self._memory.drop(digest)
            return None
        if now >= entry.ask_again_at:
            self._ask_again(entry, digest)
        self.hits += 1
        return entry

    def _ask_again(self, entry: Resolved, digest: bytes) -> None:
        """Have the store asked, once; where it can't say, the entry ends when its time has come.

        What only its bearer proves anew, somebody else's token, is left to end.
        """
        entry.ask_again_at = math.inf
        if entry.vouched is None and digest not in self._pending and self._store.changes.live:
            task = self._begin(digest, self.again(entry))
            task.add_done_callback(_heed)

    def _begin(
        self, digest: bytes, asking: Coroutine[Any, Any, Resolved | None]
    ) -> asyncio.Task[Resolved | None]:
        task = asyncio.create_task(self._load(asking, digest))
        self._pending[digest] = task
        task.add_done_callback(lambda _: self._pending.pop(digest, None))
        return task

    async def _load(
        self, asking: Coroutine[Any, Any, Resolved | None], digest: bytes
    ) -> Resolved | None:
        heard = self._meanwhile[digest] = []
        try:
            entry = await asking
        finally:
            del self._meanwhile[digest]
        if entry is None:
            self._memory.drop(digest)
        # What changed while we asked may be in it or not: right for this request, but not to be
        # remembered.
        if entry is not None and not any(concerns(change, entry) for change in heard):
            self._memory.put(digest, entry)
        return entry

    async def _found(self, bearer: bytes, digest: bytes) -> Resolved | None:
        name = _token_name(bearer)
        if name is not None:
            found = await self._store.tokens.resolve(name)
            return None if found is None else _resolved(*found, digest=digest)
        if self._bearers is None or not looks_foreign(bearer):
            return None
        vouched, standing = await self._bearers.standing(bearer, digest)
        return _standing(vouched, standing)

    async def _vouched_again(self, entry: Resolved, vouched: Vouched) -> Resolved | None:
        if self._bearers is None:
            return None
        standing = await self._bearers.still(vouched, entry.token.digest)
        return None if standing is None else _standing(vouched, standing)


def _heed(task: asyncio.Task[Resolved | None]) -> None:
    """Nobody has to wait for it, so an error of the store's may be nobody's to see."""
    if not task.cancelled() and isinstance(task.exception(), Exception):
        _LOG.warning("a token could not be looked up again", error=str(task.exception()))


_EVERY_CLUSTER = ("cluster", None)


def topics_of(entry: Resolved) -> list[tuple[str, str | None]]:
    """What is known of a caller is made of these: kinds of changes, and the keys they have."""
    access, token = entry.access, entry.token
    about: list[tuple[str, str | None]] = [
        ("token", token.name),
        ("user", entry.user.id),
        ("provider", entry.identity.provider),
    ]
    about += [("group", group.id) for group in entry.identity.groups]
    about += [("project", one) for one in {*token.projects, *access.project_clusters}]
    about += [("cluster", one) for one in access.clusters]
    if access.owns_clusters:
        about.append(_EVERY_CLUSTER)
    return about


def concerns(change: Change, entry: Resolved) -> bool:
    """Whether what is known of a caller may be stale after ``change``: one of its topics is."""
    if change.kind in {"all", "role"} or change.key is None:
        return True
    if change.kind == "token":
        return entry.token.name == change.key
    if change.kind == "user":
        return entry.user.id == change.key
    if change.kind == "group":
        return any(group.id == change.key for group in entry.identity.groups)
    if change.kind == "provider":
        return entry.identity.provider == change.key
    if change.kind == "project":
        return change.key in entry.token.projects or change.key in entry.access.project_clusters
    # Whose roles have changed is told by itself, and what is seen of clusters decides nothing.
    return change.kind == "cluster" and entry.access.enters(change.key)


def _bytes_of(entry: Resolved) -> int:
    """About how large an entry is, with what is kept beside it for the cluster and the logs."""
    access = entry.access
    held = len(access.roles) + len(entry.namespaces)
    return 5_000 + 260 * len(entry.identity.groups) + 500 * held


def _token_name(bearer: bytes) -> str | None:
    name, colon, secret = bearer.partition(b":")
    if not colon or not name or not secret or not bearer.isascii():
        return None
    return name.decode("ascii")


def _resolved(
    token: Token,
    user: User,
    memberships: Sequence[Membership],
    holdings: Holdings,
    *,
    digest: bytes,
) -> Resolved | None:
    """The entry for a stored token, or None where the secret, the time or the user says no."""
    if not hmac.compare_digest(token.digest, digest):
        return None
    return _worth(token, user, memberships, holdings)


def _standing(vouched: Vouched, standing: Standing) -> Resolved | None:
    entry = _worth(standing.token, standing.user, standing.memberships, standing.holdings)
    if entry is not None:
        entry.vouched = vouched
    return entry


def _worth(
    token: Token, user: User, memberships: Sequence[Membership], holdings: Holdings
) -> Resolved | None:
    """The entry for a token that is whom it says, or None where the time or the user says no."""
    if token.expires_at is not None and token.expires_at <= datetime.now(UTC):
        return None
    access = access_of(holdings.bindings, RoleBook(holdings.roles))
    identity = identity_of(
        user, token.principal_id, memberships, administrator=access.owns_clusters
    )
    if not user.enabled or identity is None:
        return None
    now = time.monotonic()
    return Resolved(
        token=token,
        user=user,
        identity=identity,
        access=access,
        expires_at=token.expires_at.timestamp() if token.expires_at else float("inf"),
        believed_until=now + TRUST_SECONDS,
        ask_again_at=now + ASK_AGAIN_SECONDS,
        namespaces=_namespaces(holdings),
    )


def _namespaces(holdings: Holdings) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for one in holdings.namespaces:
        found[one.cluster_id].add(one.namespace)
    return MappingProxyType({cluster: frozenset(names) for cluster, names in found.items()})


def identity_of(
    user: User,
    principal_id: str,
    memberships: Sequence[Membership],
    *,
    administrator: bool = False,
) -> Identity | None:
    """``user`` acting as one of its principals; None where it isn't the user's, or is disabled.

    ``administrator``: of every cluster.

    A reserved name in what was stored (by an older version, or by hand) is refused here as well.
    """
    principal = next((one for one in user.principals if one.id == principal_id), None)
    if principal is None or principal.disabled_reason is not None:
        return None
    try:
        refuse_reserved([user.id, principal.id, principal.name, *(m.id for m in memberships)])
    except ReservedName:
        return None
    return Identity(
        user_id=user.id,
        username=principal.name,
        provider=principal.provider,
        principal_id=principal.id,
        groups=tuple(Group(one.id, one.name) for one in memberships),
        administrator=administrator,
    )
