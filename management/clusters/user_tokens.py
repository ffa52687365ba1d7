"""Tokens of users' service accounts in clusters whose ``impersonator`` is ``per_user``.

A service account is created on first use and updated with the user's groups. Its token comes from
the TokenRequest API, lives for an hour, and is kept in memory only, never in a Secret.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from config.loggers import get_logger
from management.authentication.authenticated_token import AuthenticatedToken
from management.authentication.tagged_cache import TaggedCache
from management.clusters.rejection_backoff import RejectionBackoff
from management.clusters.service_account_tokens import request_token
from management.desired_state.apply import apply_one, sekisho_namespace_uid
from management.desired_state.diff import ObjectAction, ObjectChange, with_cluster_label
from management.desired_state.snapshot import subject_names
from management.desired_state.user_service_accounts import account_name, user_account
from management.errors import ManagementError
from management.kubernetes.client import POLL_SECONDS, ClusterClient
from management.kubernetes.cluster_client import controller_client, endpoint_of
from management.kubernetes.endpoint import ClusterCredential
from management.kubernetes.errors import ApiForbidden, ClusterApiError
from store.interfaces import Store
from store.records import Change, Cluster

TOKEN_SECONDS = 3600
"""Requested lifetime of a token."""

RENEWAL_FRACTION = 0.7
"""The part of a token's lifetime after which a new one is requested."""

PROPAGATION_SECONDS = 5.0
"""How long an API server may take to honour new objects."""

MAX_ENTRIES = 20_000
"""Service accounts whose tokens are cached; the one cached longest is evicted."""

MAX_ENTRIES_BYTES = 64 * 1024**2
"""Estimated memory for the cache."""

_REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_LOG = get_logger(__name__)


class ServiceAccountMissing(Exception):
    """A user's service account can't be created or used now. The message is for the log."""


class NotStored(Exception):
    """The caller has groups that are not stored, so the service account does not have them."""


@dataclass(frozen=True, slots=True)
class _Entry:
    user_id: str
    token: str = field(repr=False)
    renew_at: float
    ends_at: float
    rights: frozenset[str]


class UserServiceAccountTokens:
    """Tokens of users' service accounts. One instance per process."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._cache: TaggedCache[tuple[str, str], _Entry] = TaggedCache(
            _topics_of, _bytes_of, most=MAX_ENTRIES, most_bytes=MAX_ENTRIES_BYTES
        )
        self._pending: dict[tuple[str, str], asyncio.Task[_Entry]] = {}
        self._rejections = RejectionBackoff(clock)

    async def token(self, cluster: Cluster, resolved: AuthenticatedToken) -> str:
        """Return the token of the caller's service account.

        Raises:
            ServiceAccountMissing: the service account can't be created or used now.
            NotStored: the caller has groups that are not stored.
            StoreError: the store is not available.
        """
        key = cluster.id, resolved.user.id
        rights = _rights(cluster, resolved)
        entry = self._cache.entries.get(key)
        now = self._clock()
        if entry is not None and entry.rights == rights and now < entry.renew_at:
            return entry.token
        try:
            fresh = await self._renew_once(key, cluster, resolved, rights)
        except ServiceAccountMissing:
            # The cached token works until it expires.
            if entry is not None and entry.rights == rights and now < entry.ends_at:
                return entry.token
            raise
        return fresh.token

    async def follow_changes(self) -> None:
        """Invalidate tokens whose user's rights may have changed, until cancelled."""
        async with self._store.changes.subscribe() as changes:
            async for change in changes:
                if change.kind in {"all", "user", "group", "role"}:
                    self._invalidate(change)

    def refused(self, cluster_id: str, user_id: str, token: str) -> None:
        """Drop a token that the API server rejects: the service account may have been deleted.

        The rejection of a token that has been replaced since is ignored. After repeated rejections,
        no token is requested during a pause that doubles each time.
        """
        key = cluster_id, user_id
        entry = self._cache.entries.get(key)
        if entry is not None and entry.token == token:
            self._cache.drop(key)
            self._rejections.note(key)

    def _invalidate(self, change: Change) -> None:
        if change.key is None:
            self._cache.clear()
        else:
            self._cache.invalidate_tag(change.key)

    async def _renew_once(
        self,
        key: tuple[str, str],
        cluster: Cluster,
        resolved: AuthenticatedToken,
        rights: frozenset[str],
    ) -> _Entry:
        """Request a token once for all concurrent callers."""
        while (task := self._pending.get(key)) is not None:
            entry = await asyncio.shield(task)
            if entry.rights == rights:
                return entry
        pause = self._rejections.pause(key)
        if pause:
            raise ServiceAccountMissing(
                f"the cluster rejected the last tokens; none is made for {pause:.0f} s"
            )
        task = asyncio.create_task(self._renew(cluster, resolved, rights))
        self._pending[key] = task
        task.add_done_callback(lambda _: self._pending.pop(key, None))
        entry = await asyncio.shield(task)
        self._cache.put(key, entry)
        return entry

    async def _renew(
        self, cluster: Cluster, resolved: AuthenticatedToken, rights: frozenset[str]
    ) -> _Entry:
        if resolved.external is not None:
            stored = {one.id for one in await self._store.users.memberships(resolved.user.id)}
            if not {group.id for group in resolved.identity.groups} <= stored:
                raise NotStored
        token = ""
        try:
            async with controller_client(cluster) as client:
                await _ensure_account(client, cluster, resolved)
                began = self._clock()
                account = account_name(resolved.user.id)
                token, ends = await request_token(client, account, TOKEN_SECONDS)
                lifetime = min((ends - datetime.now(UTC)).total_seconds(), TOKEN_SECONDS)
            await _await_propagation(cluster, token, resolved)
        except (ClusterApiError, ManagementError) as exc:
            if token:
                self._rejections.note((cluster.id, resolved.user.id))
            _LOG.warning(
                "service account missing",
                cluster=cluster.name,
                user=resolved.user.id,
                error=str(exc),
            )
            raise ServiceAccountMissing(str(exc)) from exc
        renew_at = began + lifetime * RENEWAL_FRACTION
        return _Entry(resolved.user.id, token, renew_at, began + lifetime, rights)


def _topics_of(entry: _Entry) -> frozenset[str]:
    """Return the keys of store changes that invalidate an entry."""
    return entry.rights | {entry.user_id}


def _bytes_of(entry: _Entry) -> int:
    """Estimate the memory that an entry takes."""
    return 1_000 + len(entry.token) + 150 * len(entry.rights)


def _rights(cluster: Cluster, resolved: AuthenticatedToken) -> frozenset[str]:
    """Return what the service account's rights depend on. Another set requires an update."""
    groups = (group.id for group in resolved.identity.groups)
    administrator = "administrator" if resolved.identity.administrator else ""
    # After any change of the record, it may refer to another cluster, or one without the accounts.
    return frozenset({str(cluster.revision), administrator, *groups})


async def _ensure_account(
    client: ClusterClient, cluster: Cluster, resolved: AuthenticatedToken
) -> None:
    namespace_uid = await sekisho_namespace_uid(client)
    desired = user_account(
        resolved.user.id,
        subject_names(cluster, resolved.user),
        (group.id for group in resolved.identity.groups),
        administrator=resolved.identity.administrator,
    )
    for manifest in with_cluster_label(desired, cluster.id):
        await apply_one(client, ObjectChange(ObjectAction.CREATE, manifest), namespace_uid)


async def _await_propagation(cluster: Cluster, token: str, resolved: AuthenticatedToken) -> None:
    """Wait until every API server lets the service account impersonate its user.

    Each API server learns of new objects by itself.
    """
    groups = [group.id for group in resolved.identity.groups]
    headers = {"Impersonate-User": subject_names(cluster, resolved.user)[0]}
    if groups:
        headers["Impersonate-Group"] = groups[-1]
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    deadline = asyncio.get_running_loop().time() + PROPAGATION_SECONDS
    endpoint = endpoint_of(cluster)
    for server in endpoint.servers:
        one = replace(endpoint, servers=(server,))
        async with ClusterClient(one, ClusterCredential(token=token)) as client:
            while True:
                try:
                    await client.post(_REVIEW, review, headers)
                    break
                except ApiForbidden:
                    if asyncio.get_running_loop().time() >= deadline:
                        raise
                except ClusterApiError:
                    break  # This API server does not respond; it will know when it is back.
                await asyncio.sleep(POLL_SECONDS)
