"""Renew the token of Sekisho's account in a management cluster. The cluster's leader does."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from config.loggers import get_logger
from management.backoff import Backoff
from management.clusters.clock import utc_now
from management.clusters.service_account_tokens import TOKEN_SECONDS, claimed_lifetime
from management.clusters.token_renewal import FIRST_RETRY, LAST_RETRY, RENEWAL_FRACTION
from management.errors import ManagementError
from management.provisioning.setup import renewed_token
from store.errors import StoreError
from store.interfaces import Store
from store.order_records import ManagementCluster
from store.records import Cluster

CHECK_SECONDS = 15.0
"""Interval of checks. A token lives for at least ten minutes, but may be rejected at any time."""

_LOG = get_logger(__name__)


async def renew_provisioner_token_in_time(
    store: Store,
    cluster: Cluster,
    *,
    is_rejected: Callable[[], Awaitable[bool]] | None = None,
    now: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Renew the account's token before it expires, until this is no management cluster.

    A token that the management cluster rejects is renewed too: its account was made again, or the
    cluster has other signing keys.
    """
    backoff = Backoff(FIRST_RETRY, LAST_RETRY)
    while True:
        pause = CHECK_SECONDS
        try:
            management = await store.management_clusters.get(cluster.id)
            if management is None:
                return
            if is_due(management, now()) or (is_rejected is not None and await is_rejected()):
                await renew(store, cluster)
            backoff.reset()
        except (ManagementError, StoreError) as exc:
            _LOG.warning("provisioner's token not renewed", cluster=cluster.name, error=str(exc))
            pause = backoff.pause()
        await sleep(pause)


async def renew(store: Store, cluster: Cluster) -> None:
    """Store a new token. Raises ManagementError and StoreError."""
    issued = await renewed_token(cluster)
    await store.management_clusters.renew_token(cluster.id, issued.token, issued.expires_at)
    _LOG.info("provisioner's token renewed", cluster=cluster.name, until=str(issued.expires_at))


def is_due(management: ManagementCluster, now: datetime) -> bool:
    """Return whether two thirds of the token's lifetime have passed, or it cannot be decrypted."""
    if management.unreadable:
        return True
    claimed = claimed_lifetime(management.token)
    lifetime = claimed[1] - claimed[0] if claimed else timedelta(seconds=TOKEN_SECONDS)
    return now >= management.token_expires_at - lifetime * (1 - RENEWAL_FRACTION)
