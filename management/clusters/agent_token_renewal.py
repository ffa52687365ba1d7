"""Renew the token of a cluster's agents when it is old. The replica that leads the cluster does."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from config.loggers import get_logger
from management.backoff import Backoff
from management.clusters.agent_token_rotation import rotate_agent_token
from management.clusters.clock import utc_now
from management.errors import ManagementError
from management.kubernetes.errors import ClusterApiError
from store.agent_records import AgentToken
from store.errors import StoreError
from store.interfaces import Store
from store.records import Cluster

MOST_AGE = timedelta(days=90)
"""The age at which a token that agents use is renewed."""

UNUSED = timedelta(days=7)
"""How old a successor must be that agents have not used, before it is replaced. They use it within
minutes. If their pods cannot be replaced, another token every day would not help."""

CHECK_SECONDS = 24 * 3600.0
"""Interval of checks."""

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
    failed = False
    while True:
        try:
            held = await store.agent_tokens.of_cluster(cluster.id)
            if failed or _is_due(held, now(), cluster):
                failed = True
                await rotate_agent_token(store, cluster, now())
            failed = False
        except (ClusterApiError, ManagementError, StoreError) as exc:
            _LOG.warning("agent token not renewed", cluster=cluster.name, error=str(exc))
            await sleep(backoff.pause())
        else:
            backoff.reset()
            await sleep(CHECK_SECONDS)


def _is_due(held: Sequence[AgentToken], now: datetime, cluster: Cluster) -> bool:
    """Return whether the latest token that agents have used is old, and has no new successor."""
    used = [one.created_at for one in held if one.last_used_at is not None]
    if not used or now - max(used) < MOST_AGE:
        return False
    unused = [one for one in held if one.last_used_at is None and now - one.created_at < UNUSED]
    if unused:
        _LOG.warning(
            "agents do not use their new token; look at the pods sekisho-agent",
            cluster=cluster.name,
            token=unused[-1].id,
        )
    return not unused
