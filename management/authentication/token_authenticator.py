"""Authenticate bearer tokens: the look-up that every request makes.

A cache hit costs one SHA-256 and one dictionary look-up. Cached entries are dropped as soon as the
store announces a change, so that every replica refuses a revoked token or a disabled user within a
second. While the change feed is down, no entry is trusted for longer than a second.
"""

import asyncio
import hashlib
import math
import time
from collections.abc import Coroutine
from typing import Any

from config.loggers import get_logger
from management.authentication.authenticated_token import (
    EVERY_CLUSTER,
    TRUST_SECONDS,
    AuthenticatedToken,
    cache_tags_of,
    concerns,
    from_external_token,
    from_stored_token,
    size_in_bytes,
)
from management.authentication.external_tokens import (
    ExternalTokens,
    VerifiedExternalToken,
    is_external_token,
)
from management.authentication.tagged_cache import TaggedCache
from store.changes import follow
from store.interfaces import Store
from store.records import Change

TRUST_SECONDS_BLIND = 1.0
"""The longest that an entry is used while the change feed is down."""

MAX_ENTRIES = 50_000
"""Cached tokens; a new one evicts the oldest."""

MAX_ENTRIES_BYTES = 512 * 1024**2
"""The approximate size of all cached entries: some users are in hundreds of groups."""

MAX_BEARER_BYTES = 512
"""Sekisho's tokens have under 80 bytes. A longer one that is not an external token is invalid."""

_LOG = get_logger(__name__)


class TokenAuthenticator:
    """Authenticate bearer tokens, with a cache; one per process.

    Run :meth:`follow_changes` beside it.
    """

    def __init__(
        self,
        store: Store,
        external: ExternalTokens | None = None,
        *,
        max_entries: int = MAX_ENTRIES,
        max_bytes: int = MAX_ENTRIES_BYTES,
    ) -> None:
        self._store = store
        self._external = external
        self._cache: TaggedCache[bytes, AuthenticatedToken] = TaggedCache(
            cache_tags_of, size_in_bytes, most=max_entries, most_bytes=max_bytes
        )
        self._entries = self._cache.entries
        self._pending: dict[bytes, asyncio.Task[AuthenticatedToken | None]] = {}
        self._meanwhile: dict[bytes, list[Change]] = {}
        self.hits = 0
        self.misses = 0

    @property
    def entries(self) -> int:
        """Return the number of cached tokens."""
        return len(self._entries)

    def cached(self, bearer: bytes) -> AuthenticatedToken | None:
        """Return the cached entry for ``bearer`` without reading the store, or None."""
        return self.cached_by_digest(hashlib.sha256(bearer).digest())

    async def resolve(self, bearer: bytes) -> AuthenticatedToken | None:
        """Return the entry for ``bearer``; None if it is not a live token of an enabled user.

        Concurrent requests with one token that is not cached make one query.

        Raises:
            StoreUnavailable: the store cannot be read.
            TokenRejected: the token is of another issuer and is not accepted.
            ProviderUnavailable: the provider cannot verify a token of another issuer now.

        """
        if len(bearer) > MAX_BEARER_BYTES and not is_external_token(bearer):
            return None
        digest = hashlib.sha256(bearer).digest()
        entry = self.cached_by_digest(digest)
        if entry is not None:
            return entry
        self.misses += 1
        task = self._pending.get(digest)
        if task is None:
            task = self._begin(digest, self._query(bearer, digest))
        # Shielded: a client that disconnects must not fail the others that await the same query.
        return await asyncio.shield(task)

    async def revalidate(self, entry: AuthenticatedToken) -> AuthenticatedToken | None:
        """Return the current entry for the token of ``entry``; None if it is no longer valid.

        Raises:
            StoreUnavailable: the store cannot be read.

        """
        if entry.external is not None:
            return await self._revalidate_external(entry, entry.external)
        found = await self._store.tokens.resolve(entry.token.name)
        return None if found is None else from_stored_token(*found, digest=entry.token.digest)

    async def follow_changes(self) -> None:
        """Drop the entries that the store's change feed makes stale, until cancelled."""
        await follow(self._store.changes, self._apply)

    async def _apply(self, change: Change) -> None:
        self.forget(change)

    def forget(self, change: Change) -> None:
        """Drop every entry that ``change`` may make stale."""
        for seen in self._meanwhile.values():
            seen.append(change)
        if change.kind in {"all", "role"} or change.key is None:
            self._cache.clear()
            return
        self._cache.invalidate_tag((change.kind, change.key))
        if change.kind == "cluster":
            self._cache.invalidate_tag(EVERY_CLUSTER)

    def cached_by_digest(self, digest: bytes) -> AuthenticatedToken | None:
        """Return the cached entry for the token with that SHA-256, as :meth:`cached` does."""
        entry = self._entries.get(digest)
        if entry is None:
            return None
        if time.time() >= entry.expires_at:
            self._cache.drop(digest)
            return None
        now = time.monotonic()
        if now >= entry.trusted_until or (
            not self._store.changes.live
            and now >= entry.trusted_until - TRUST_SECONDS + TRUST_SECONDS_BLIND
        ):
            self._cache.drop(digest)
            return None
        if now >= entry.revalidate_at:
            self._revalidate_later(entry, digest)
        self.hits += 1
        return entry

    def _revalidate_later(self, entry: AuthenticatedToken, digest: bytes) -> None:
        """Start one revalidation in the background. If it fails, the entry ends with its trust.

        A token of another issuer is not revalidated: only the token itself can prove it again.
        """
        entry.revalidate_at = math.inf
        if entry.external is None and digest not in self._pending and self._store.changes.live:
            task = self._begin(digest, self.revalidate(entry))
            task.add_done_callback(_log_failure)

    def _begin(
        self, digest: bytes, query: Coroutine[Any, Any, AuthenticatedToken | None]
    ) -> asyncio.Task[AuthenticatedToken | None]:
        task = asyncio.create_task(self._load(query, digest))
        self._pending[digest] = task
        task.add_done_callback(lambda _: self._pending.pop(digest, None))
        return task

    async def _load(
        self, query: Coroutine[Any, Any, AuthenticatedToken | None], digest: bytes
    ) -> AuthenticatedToken | None:
        changes = self._meanwhile[digest] = []
        try:
            entry = await query
        finally:
            del self._meanwhile[digest]
        if entry is None:
            self._cache.drop(digest)
        # A change during the query may or may not be in its result: the entry is right for this
        # request, but must not be cached.
        if entry is not None and not any(concerns(change, entry) for change in changes):
            self._cache.put(digest, entry)
        return entry

    async def _query(self, bearer: bytes, digest: bytes) -> AuthenticatedToken | None:
        name = _token_name(bearer)
        if name is not None:
            found = await self._store.tokens.resolve(name)
            return None if found is None else from_stored_token(*found, digest=digest)
        if self._external is None or not is_external_token(bearer):
            return None
        verified, grants = await self._external.authenticate(bearer, digest)
        return from_external_token(verified, grants)

    async def _revalidate_external(
        self, entry: AuthenticatedToken, verified: VerifiedExternalToken
    ) -> AuthenticatedToken | None:
        if self._external is None:
            return None
        grants = await self._external.revalidate(verified, entry.token.digest)
        return None if grants is None else from_external_token(verified, grants)


def _log_failure(task: asyncio.Task[AuthenticatedToken | None]) -> None:
    """Log an error of a background revalidation: no caller may be waiting for the task."""
    if not task.cancelled() and isinstance(task.exception(), Exception):
        _LOG.warning("token revalidation failed", error=str(task.exception()))


def _token_name(bearer: bytes) -> str | None:
    name, colon, secret = bearer.partition(b":")
    if not colon or not name or not secret or not bearer.isascii():
        return None
    return name.decode("ascii")
