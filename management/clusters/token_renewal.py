"""Renew the tokens of Sekisho's service accounts in clusters before they expire.

Each replica runs this. A new token does not end the one before it, so two replicas may renew at the
same time: the second one finds that the record has changed and discards its tokens.
"""

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from config.loggers import get_logger
from management.backoff import Backoff
from management.clusters.clock import utc_now
from management.clusters.service_account_tokens import (
    TOKEN_SECONDS,
    claimed_lifetime,
    request_tokens,
)
from management.errors import ManagementError
from management.kubernetes.cluster_client import controller_client
from management.kubernetes.errors import ClusterApiError
from store.errors import RecordNotFound, StaleRevision, StoreError
from store.interfaces import Store
from store.records import Cluster, CredentialSource

RENEWAL_FRACTION = 2 / 3
"""The part of a token's lifetime after which it is renewed. The rest is reserve for outages."""

JITTER = 0.05
"""The part of a token's lifetime over which renewals are spread, so that clusters are not all due
at once, and replicas seldom renew together."""

SCAN_SECONDS = 30.0
"""Interval of scans of the store for tokens that are due. Tokens live for at least ten minutes."""

FIRST_RETRY, LAST_RETRY = 30.0, 900.0
"""Seconds of the first and the longest pause after a failure; each pause doubles."""

RENEWAL_SECONDS = 30.0
"""How long the renewal of one cluster may take, over all its API servers."""

MAX_CONCURRENT, MAX_CONCURRENT_RETRIES = 16, 8
"""Concurrent renewals. Clusters that failed before have their own limit, so that clusters that
respond do not wait for unreachable ones."""

_LOG = get_logger(__name__)

Sleep = Callable[[float], Awaitable[None]]


@dataclass(slots=True)
class _Failures:
    """The pauses of a cluster whose renewal failed. It is not due again before ``until``."""

    backoff: Backoff
    until: datetime


class TokenRenewer:
    """Renews tokens that are due. ``now`` and ``chance`` are arguments for tests."""

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], datetime] = utc_now,
        chance: Callable[[], float] = random.random,
        seconds: int = TOKEN_SECONDS,
    ) -> None:
        self._store = store
        self._now = now
        self._chance = chance
        self._seconds = seconds
        self._failures: dict[str, _Failures] = {}
        self._draws: dict[str, tuple[str, float]] = {}
        self._tasks: dict[str, asyncio.Task[str | None]] = {}
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._retry_slots = asyncio.Semaphore(MAX_CONCURRENT_RETRIES)

    async def renew_due(self) -> list[str]:
        """Renew all tokens that are due. Return the names of the clusters with new tokens.

        Failures are logged and retried later. Raises StoreError if the store is not available.
        """
        renewed = await asyncio.gather(*await self.begin_due())
        return [name for name in renewed if name is not None]

    async def begin_due(self) -> list[asyncio.Task[str | None]]:
        """Start the renewals that are due and not running, each in its own task.

        The result of a task is the cluster's name if it got new tokens. Raises StoreError.
        """
        clusters = await self._store.clusters.list_all()
        due = [one for one in clusters if one.id not in self._tasks and self._is_due(one)]
        for cluster in due:
            task = asyncio.create_task(self._renew(cluster), name=f"renewal-{cluster.name}")
            self._tasks[cluster.id] = task
            task.add_done_callback(functools.partial(self._ended, cluster.id))
        return [self._tasks[one.id] for one in due]

    def _ended(self, cluster_id: str, task: asyncio.Task[str | None]) -> None:
        self._tasks.pop(cluster_id, None)

    async def close(self) -> None:
        """Cancel running renewals."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _renew(self, cluster: Cluster) -> str | None:
        failed_before = cluster.id in self._failures
        async with self._retry_slots if failed_before else self._slots:
            try:
                return cluster.name if await self._renewed(cluster) else None
            except StoreError as exc:
                _LOG.warning("tokens not renewed", cluster=cluster.name, error=str(exc))
                return None

    def _is_due(self, cluster: Cluster) -> bool:
        if cluster.credential_source is not CredentialSource.TOKEN_REQUEST or cluster.unreadable:
            return False
        failures = self._failures.get(cluster.id)
        if failures is not None and self._now() < failures.until:
            return False
        due = renewal_time(cluster, self._seconds)
        return due is not None and self._now() >= due + self._jitter(cluster)

    def _jitter(self, cluster: Cluster) -> timedelta:
        """Return this replica's delay after the due time: drawn once for each token."""
        token = cluster.impersonator_token
        drawn = self._draws.get(cluster.id)
        if drawn is None or drawn[0] != token:
            drawn = self._draws[cluster.id] = (token, self._chance())
        return _lifetime(token, self._seconds) * JITTER * drawn[1]

    async def _renewed(self, cluster: Cluster) -> bool:
        try:
            async with asyncio.timeout(RENEWAL_SECONDS), controller_client(cluster) as client:
                tokens = await request_tokens(client, self._seconds)
        except TimeoutError:
            self._failed(cluster, f"no response within {RENEWAL_SECONDS:g} s")
            return False
        except (ClusterApiError, ManagementError) as exc:
            self._failed(cluster, str(exc))
            return False
        self._failures.pop(cluster.id, None)
        current = await self._store.clusters.get(cluster.id)
        if current != cluster:
            return False
        renewed = replace(
            cluster,
            impersonator_token=tokens.impersonator,
            controller_token=tokens.controller,
            tokens_expire_at=tokens.expire_at,
        )
        try:
            await self._store.clusters.replace(renewed, revision=cluster.revision)
        except (StaleRevision, RecordNotFound):
            return False
        _LOG.info("tokens renewed", cluster=cluster.name, until=str(tokens.expire_at))
        return True

    def _failed(self, cluster: Cluster, error: str) -> None:
        failures = self._failures.get(cluster.id)
        if failures is None:
            backoff = Backoff(FIRST_RETRY, LAST_RETRY, chance=self._chance)
            failures = self._failures[cluster.id] = _Failures(backoff, self._now())
        pause = failures.backoff.pause()
        failures.until = self._now() + timedelta(seconds=pause)
        expired = cluster.tokens_expire_at is not None and cluster.tokens_expire_at <= self._now()
        _LOG.error(
            "tokens have expired; import the cluster again" if expired else "tokens not renewed",
            cluster=cluster.name,
            error=error,
            ends=str(cluster.tokens_expire_at),
            retry_in=round(pause),
        )


def renewal_time(cluster: Cluster, seconds: int = TOKEN_SECONDS) -> datetime | None:
    """Return when to renew a cluster's tokens; None if they do not expire.

    The lifetime comes from the token's claims. Without claims it is ``seconds``.
    """
    if cluster.tokens_expire_at is None:
        return None
    lifetime = _lifetime(cluster.impersonator_token, seconds)
    return cluster.tokens_expire_at - lifetime * (1 - RENEWAL_FRACTION)


def _lifetime(token: str, seconds: int) -> timedelta:
    claimed = claimed_lifetime(token)
    return claimed[1] - claimed[0] if claimed else timedelta(seconds=seconds)


async def renew_forever(store: Store, *, sleep: Sleep = asyncio.sleep) -> None:
    """Renew the tokens of all clusters in time, until cancelled."""
    renewer = TokenRenewer(store)
    try:
        await _scan_forever(renewer, sleep)
    finally:
        await renewer.close()


async def _scan_forever(renewer: TokenRenewer, sleep: Sleep) -> None:
    while True:
        try:
            await renewer.begin_due()
        except StoreError as exc:
            _LOG.warning("token scan failed", error=str(exc))
        await sleep(SCAN_SECONDS * (0.5 + random.random()))  # noqa: S311 - not for secrecy
