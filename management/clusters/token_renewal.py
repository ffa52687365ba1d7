"""Renewing the tokens with which the gate enters clusters, before they end.

Each replica runs this. A token that was asked for doesn't end the one before it, so two replicas
that renew at the same time do no harm: the later one finds the record changed and throws its own
tokens away.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from management.cluster_errors import ClusterError
from management.cluster_records import controller_client, utc_now
from management.downstream.accounts import TOKEN_SECONDS, claimed_lifetime, request_tokens
from management.downstream.errors import DownstreamError
from store.interfaces import Cluster, CredentialSource, Store, StoreError

LIFE_SPENT = 2 / 3
"""The part of a token's life after which it is renewed; what is left is for outages."""

JITTER = 0.05
"""The part of a token's life by which renewals are spread, so that clusters don't all come due at
once, and replicas seldom together."""

LOOK_SECONDS = 30.0
"""How often the store is asked whose tokens are due. No token lives for less than ten minutes."""

FIRST_RETRY, LAST_RETRY = timedelta(seconds=30), timedelta(minutes=15)
"""The pause after a first failure, and the longest; each is twice the one before."""

_LOG = structlog.get_logger("sekisho.renewal")

Sleep = Callable[[float], Awaitable[None]]


@dataclass(slots=True)
class _Pause:
    """Until when a cluster that failed is left alone, and how long it was for."""

    until: datetime
    length: timedelta


class TokenRenewer:
    """Renews what is due. Time and chance come in from outside; it sleeps for no one."""

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
        self._pauses: dict[str, _Pause] = {}
        self._draws: dict[str, tuple[str, float]] = {}

    async def renew_due(self) -> list[str]:
        """Renew every cluster's tokens that are due; the names of the clusters that got new ones.

        What fails is logged and tried again later. Raises StoreError where the store can't say.
        """
        return [
            cluster.name
            for cluster in await self._store.clusters.list_all()
            if self._is_due(cluster) and await self._renewed(cluster)
        ]

    def _is_due(self, cluster: Cluster) -> bool:
        if cluster.credential_source is not CredentialSource.TOKEN_REQUEST:
            return False
        pause = self._pauses.get(cluster.id)
        if pause is not None and self._now() < pause.until:
            return False
        due = renewal_time(cluster, self._seconds)
        return due is not None and self._now() >= due + self._spread(cluster)

    def _spread(self, cluster: Cluster) -> timedelta:
        """How long after its time this replica renews: drawn once for each token."""
        token = cluster.impersonator_token
        drawn = self._draws.get(cluster.id)
        if drawn is None or drawn[0] != token:
            drawn = self._draws[cluster.id] = (token, self._chance())
        return _life(token, self._seconds) * JITTER * drawn[1]

    async def _renewed(self, cluster: Cluster) -> bool:
        try:
            async with controller_client(cluster) as client:
                tokens = await request_tokens(client, self._seconds)
        except (DownstreamError, ClusterError) as exc:
            self._failed(cluster, exc)
            return False
        self._pauses.pop(cluster.id, None)
        current = await self._store.clusters.get(cluster.id)
        if current != cluster:
            return False
        await self._store.clusters.replace(
            replace(
                cluster,
                impersonator_token=tokens.impersonator,
                controller_token=tokens.controller,
                tokens_expire_at=tokens.expire_at,
            )
        )
        _LOG.info("tokens renewed", cluster=cluster.name, until=str(tokens.expire_at))
        return True

    def _failed(self, cluster: Cluster, exc: Exception) -> None:
        before = self._pauses.get(cluster.id)
        length = min(before.length * 2, LAST_RETRY) if before else FIRST_RETRY
        pause = length * (1 + self._chance()) / 2
        self._pauses[cluster.id] = _Pause(self._now() + pause, length)
        ended = cluster.tokens_expire_at is not None and cluster.tokens_expire_at <= self._now()
        _LOG.error(
            "tokens have ended; import the cluster again" if ended else "tokens not renewed",
            cluster=cluster.name,
            error=str(exc),
            ends=str(cluster.tokens_expire_at),
            retry_in=round(pause.total_seconds()),
        )


def renewal_time(cluster: Cluster, seconds: int = TOKEN_SECONDS) -> datetime | None:
    """When a cluster's tokens should be renewed; None where they don't end.

    By the token's own claims. A token that makes none is taken for one of ``seconds``.
    """
    if cluster.tokens_expire_at is None:
        return None
    life = _life(cluster.impersonator_token, seconds)
    return cluster.tokens_expire_at - life * (1 - LIFE_SPENT)


def _life(token: str, seconds: int) -> timedelta:
    claimed = claimed_lifetime(token)
    return claimed[1] - claimed[0] if claimed else timedelta(seconds=seconds)


async def renew_forever(store: Store, *, sleep: Sleep = asyncio.sleep) -> None:
    """Renew every cluster's tokens in time, until cancelled."""
    renewer = TokenRenewer(store)
    while True:
        try:
            await renewer.renew_due()
        except StoreError as exc:
            _LOG.warning("tokens not looked at", error=str(exc))
        await sleep(LOOK_SECONDS * (0.5 + random.random()))  # noqa: S311 - not for secrecy
