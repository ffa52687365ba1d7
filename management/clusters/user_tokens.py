"""The tokens with which the gate enters a cluster as one user, where each has an account.

An account is made on first use and kept current with the user's groups; its token is asked for
(TokenRequest), lives for an hour, and is held in memory only. Nothing of it is in a Secret.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from management.cluster_errors import ClusterError
from management.cluster_records import controller_client, endpoint_of
from management.downstream.apply import POLL_SECONDS
from management.downstream.client import ClusterClient
from management.downstream.endpoint import Credential
from management.downstream.errors import DownstreamError, Failed, Refused
from management.downstream.objects import token_path
from management.remembered import Remembered
from management.resolver import Resolved
from management.wanted.accounts import account_name, user_account
from management.wanted.carrying_out import carry_out_one, our_namespace
from management.wanted.difference import Change as Mending
from management.wanted.difference import Verb, labelled
from management.wanted.snapshot import subject_names
from store.interfaces import Change, Cluster, Store

TOKEN_SECONDS = 3600
"""How long a token is asked to live."""

SPENT = 0.7
"""The part of its life after which another is asked for."""

SETTLE_SECONDS = 5.0
"""How long the cluster may take to know of what was just made."""

MAX_ENTRIES = 20_000
"""Accounts whose tokens are kept in memory; the one stored longest makes room."""

MAX_ENTRIES_BYTES = 64 * 1024**2
"""What they may take together, as far as that is known."""

_REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_LOG = structlog.get_logger("sekisho.accounts")


class NoAccount(Exception):
    """A user's account in a cluster can't be made or used now. The message is for the log."""


class NotStored(Exception):
    """The caller's groups aren't those that are stored, so the account doesn't have them."""


@dataclass(frozen=True, slots=True)
class _Entry:
    user_id: str
    token: str = field(repr=False)
    renew_at: float
    ends_at: float
    rights: frozenset[str]


class UserAccounts:
    """Tokens of users' accounts. One per process."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._memory: Remembered[tuple[str, str], _Entry] = Remembered(
            _topics_of, _bytes_of, most=MAX_ENTRIES, most_bytes=MAX_ENTRIES_BYTES
        )
        self._pending: dict[tuple[str, str], asyncio.Task[_Entry]] = {}

    async def token(self, cluster: Cluster, resolved: Resolved) -> str:
        """The token of the caller's account. Raises NoAccount, NotStored and StoreUnavailable."""
        key = cluster.id, resolved.user.id
        rights = _rights(cluster, resolved)
        entry = self._memory.entries.get(key)
        now = self._clock()
        if entry is not None and entry.rights == rights and now < entry.renew_at:
            return entry.token
        try:
            made = await self._made(key, cluster, resolved, rights)
        except NoAccount:
            # What is there still works until it ends.
            if entry is not None and entry.rights == rights and now < entry.ends_at:
                return entry.token
            raise
        return made.token

    async def follow_changes(self) -> None:
        """Make anew what may have been taken away and given back meanwhile, until cancelled."""
        async with self._store.changes.subscribe() as changes:
            async for change in changes:
                if change.kind in {"all", "user", "group", "role"}:
                    self._doubt(change)

    def refused(self, cluster_id: str, user_id: str) -> None:
        """The cluster doesn't accept the token: somebody has deleted the account."""
        self._memory.drop((cluster_id, user_id))

    def _doubt(self, change: Change) -> None:
        if change.key is None:
            self._memory.clear()
        else:
            self._memory.drop_about(change.key)

    async def _made(
        self, key: tuple[str, str], cluster: Cluster, resolved: Resolved, rights: frozenset[str]
    ) -> _Entry:
        """Make it, once for all who wait."""
        while (task := self._pending.get(key)) is not None:
            entry = await asyncio.shield(task)
            if entry.rights == rights:
                return entry
        task = asyncio.create_task(self._make(cluster, resolved, rights))
        self._pending[key] = task
        task.add_done_callback(lambda _: self._pending.pop(key, None))
        entry = await asyncio.shield(task)
        self._memory.put(key, entry)
        return entry

    async def _make(self, cluster: Cluster, resolved: Resolved, rights: frozenset[str]) -> _Entry:
        if resolved.vouched is not None:
            stored = {one.id for one in await self._store.users.memberships(resolved.user.id)}
            if not {group.id for group in resolved.identity.groups} <= stored:
                raise NotStored
        try:
            async with controller_client(cluster) as client:
                await _ensure(client, cluster, resolved)
                began = self._clock()
                token, lives = await _request(client, resolved.user.id)
            await _settled(cluster, token, resolved)
        except (DownstreamError, ClusterError) as exc:
            _LOG.warning("no account", cluster=cluster.name, user=resolved.user.id, error=str(exc))
            raise NoAccount(str(exc)) from exc
        return _Entry(resolved.user.id, token, began + lives * SPENT, began + lives, rights)


def _topics_of(entry: _Entry) -> frozenset[str]:
    """The keys of changes after which an account must be looked at again."""
    return entry.rights | {entry.user_id}


def _bytes_of(entry: _Entry) -> int:
    """About how large an entry is."""
    return 1_000 + len(entry.token) + 150 * len(entry.rights)


def _rights(cluster: Cluster, resolved: Resolved) -> frozenset[str]:
    """All that decides what the account may be, to tell when it must be another."""
    groups = (group.id for group in resolved.identity.groups)
    administrator = "administrator" if resolved.identity.administrator else ""
    # Whatever was changed of the cluster: it may be another by now, or the accounts be gone.
    return frozenset({str(cluster.revision), administrator, *groups})


async def _ensure(client: ClusterClient, cluster: Cluster, resolved: Resolved) -> None:
    namespace_uid = await our_namespace(client)
    wanted = user_account(
        resolved.user.id,
        subject_names(cluster, resolved.user),
        (group.id for group in resolved.identity.groups),
        administrator=resolved.identity.administrator,
    )
    for manifest in labelled(wanted, cluster.id):
        await carry_out_one(client, Mending(Verb.CREATE, manifest), namespace_uid)


async def _request(client: ClusterClient, user_id: str) -> tuple[str, float]:
    answer = await client.post(
        token_path(account_name(user_id)),
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": TOKEN_SECONDS},
        },
    )
    status: Any = answer.get("status")
    try:
        ends = datetime.fromisoformat(status["expirationTimestamp"])
        lives = min(ends - datetime.now(UTC), timedelta(seconds=TOKEN_SECONDS))
        return str(status["token"]), lives.total_seconds()
    except (TypeError, KeyError, ValueError) as exc:
        raise Failed("the cluster gave no token for the user's account") from exc


async def _settled(cluster: Cluster, token: str, resolved: Resolved) -> None:
    """Wait until every master lets the account be its user: each learns of that by itself."""
    groups = [group.id for group in resolved.identity.groups]
    headers = {"Impersonate-User": subject_names(cluster, resolved.user)[0]}
    if groups:
        headers["Impersonate-Group"] = groups[-1]
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
    endpoint = endpoint_of(cluster)
    for server in endpoint.servers:
        one = type(endpoint)((server,), endpoint.ca_pem, endpoint.tls_server_name)
        async with ClusterClient(one, Credential(token=token)) as client:
            while True:
                try:
                    await client.post(_REVIEW, review, headers)
                    break
                except Refused:
                    if asyncio.get_running_loop().time() >= deadline:
                        raise
                except DownstreamError:
                    break  # This one is away: it will have learnt when it is back.
                await asyncio.sleep(POLL_SECONDS)
