"""Remove what a registration leaves in a cluster: an account that may request Sekisho's tokens.

The account's binding is removed first. A deletion that the cluster forbids is skipped: the rights
of an older import do not allow it.
"""

from config.loggers import get_logger
from management.backoff import Backoff
from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import ApiForbidden, ClusterApiError
from management.kubernetes.manifests import NAMESPACE, REGISTRAR, collection_path, is_managed

KINDS = ("RoleBinding", "ServiceAccount", "Role", "Secret")
"""In this order. The cluster deletes the Job ten minutes after its end."""

FIRST_RETRY, LAST_RETRY = 5.0, 900.0
"""Seconds of the first and the longest pause before the removal is retried; each pause doubles."""

_LOG = get_logger(__name__)


async def remove_registrar(client: ClusterClient, cluster_name: str) -> list[str]:
    """Delete the registrar's objects. Return the kinds that existed. Raises ClusterApiError."""
    deleted: list[str] = []
    forbidden: dict[str, str] = {}
    for kind in KINDS:
        path = f"{collection_path(kind, NAMESPACE)}/{REGISTRAR}"
        try:
            found = await client.find(path) if kind != "Secret" else None
            is_foreign = found is not None and not is_managed(found)
            if not is_foreign and await client.delete(path):
                deleted.append(kind)
        except ApiForbidden as exc:
            if exc.status != 403:
                raise
            forbidden[kind] = str(exc)
    if forbidden:
        error = next(iter(forbidden.values()))
        _LOG.warning("registrar not removed", cluster=cluster_name, kinds=[*forbidden], error=error)
    if deleted:
        _LOG.info("registrar removed", cluster=cluster_name, kinds=deleted)
    return deleted


async def remove_registrar_in_time(client: ClusterClient, cluster_name: str) -> None:
    """Delete the registrar's objects; retry until that succeeds. The same error is logged once."""
    backoff = Backoff(FIRST_RETRY, LAST_RETRY)
    logged = ""
    while True:
        try:
            await remove_registrar(client, cluster_name)
        except ClusterApiError as exc:
            if str(exc) != logged:
                logged = str(exc)
                _LOG.info("registrar not removed yet", cluster=cluster_name, error=logged)
        else:
            return
        await client.attempts.until_usable(backoff.pause())
