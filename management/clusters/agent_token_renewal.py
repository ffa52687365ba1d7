"""Renew the token of a cluster's agents when it is old. The replica that leads the cluster does."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from config.loggers import get_logger
from management.backoff import Backoff
from management.clusters.agent_token_rotation import rotate_agent_token
from management.clusters.clock import utc_now
from management.errors import ManagementError
from management.kubernetes.errors import ClusterApiError
from store.errors import StoreError
from store.interfaces import Store
from store.records import Cluster

MOST_AGE = timedelta(days=90)
"""The age at which a token that agents use is renewed."""

CHECK_SECONDS = 24 * 3600.0
"""Interval of checks. A new token is used within it: the agents' pods are replaced one by one."""

FIRST_RETRY, LAST_RETRY = 60.0, 6 * 3600.0
"""Seconds of the first and the longest pause after a failure; each pause doubles."""

_LOG = get_logger(__name__)


async def renew_agent_token_in_time(
    store: Store,
    cluster: Cluster,
    *,
    now: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Renew the agent token of a cluster whenever it is old, until cancelled."""
    backoff = Backoff(FIRST_RETRY, LAST_RETRY)
    while True:
        try:
            if await _is_due(store, cluster, now()):
                await rotate_agent_token(store, cluster, now())
        except (ClusterApiError, ManagementError, StoreError) as exc:
            _LOG.warning("agent token not renewed", cluster=cluster.name, error=str(exc))
            await sleep(backoff.pause())
        else:
            backoff.reset()
            await sleep(CHECK_SECONDS)


async def _is_due(store: Store, cluster: Cluster, now: datetime) -> bool:
    """Return whether the latest token that agents have used is old. Raises StoreError.

    One that was never used does not count: its rotation may have failed halfway.
    """
    held = await store.agent_tokens.of_cluster(cluster.id)
    used = [one.created_at for one in held if one.last_used_at is not None]
    return bool(used) and now - max(used) >= MOST_AGE
