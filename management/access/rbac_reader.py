"""Read the RBAC objects of a cluster, with bounds, once for all who ask at the same time."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from management.access.rbac_objects import (
    ClusterRbac,
    RbacBinding,
    RbacRole,
    RoleKey,
    binding_from,
    role_from,
)
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import controller_client
from management.kubernetes.errors import (
    ApiForbidden,
    ApiNotFound,
    ApiResponseTooLarge,
    ApiUnreachable,
)
from management.kubernetes.manifests import collection_path
from store.records import Cluster

FRESH_SECONDS = 5.0
"""How long a cluster's objects are kept. A page asks several questions in that time."""

READ_SECONDS = 30.0
"""How long a read may take."""

MAX_WEIGHT = 96 * 1024 * 1024
"""Estimated bytes of a cluster's RBAC objects as received. Sekisho keeps about a third of it."""

MAX_READS = 2
"""Clusters that are read at the same time. Others wait."""

MAX_KEPT = 4
"""Clusters whose objects are kept at the same time."""

_ROLES = ("ClusterRole", "Role")
_BINDINGS = ("ClusterRoleBinding", "RoleBinding")
_PLURAL = {
    "ClusterRole": "cluster roles",
    "Role": "roles in namespaces",
    "ClusterRoleBinding": "cluster role bindings",
    "RoleBinding": "role bindings in namespaces",
}

Key = tuple[str, int]
"""A cluster's id and revision: another address means another read."""


async def read_rbac(client: ClusterClient) -> ClusterRbac:
    """Return all roles and bindings of a cluster.

    A kind that Sekisho's account may not list is a gap.

    Raises:
        ClusterApiError: the cluster is not available, or has more than MAX_WEIGHT of objects.
    """
    roles: dict[RoleKey, RbacRole] = {}
    bindings: list[RbacBinding] = []
    gaps: list[str] = []
    weight = 0
    # Roles last: those of a binding that is created in the meantime are there.
    for kind in (*_BINDINGS, *_ROLES):
        try:
            async for page in client.pages(collection_path(kind)):
                weight += page.weight
                if weight > MAX_WEIGHT:
                    raise ApiResponseTooLarge(
                        f"the cluster's roles and bindings take more than {MAX_WEIGHT >> 20} MiB"
                    )
                if kind in _BINDINGS:
                    bindings += map(binding_from, page.items)
                else:
                    roles |= {(one.namespace, one.name): one for one in map(role_from, page.items)}
                if page.left_out:
                    gaps.append(f"{page.left_out} {_PLURAL[kind]} are malformed and were left out.")
                del page  # the next one may take long to come
        except (ApiForbidden, ApiNotFound) as exc:
            if isinstance(exc, ApiForbidden) and exc.status == 401:
                raise
            gaps.append(
                f"Sekisho's account in the cluster may not list {_PLURAL[kind]}: import the "
                "cluster again to update the account's rights."
            )
    return ClusterRbac(roles, bindings, tuple(gaps), datetime.now(UTC))


class RbacReader:
    """Reads clusters' RBAC objects. Concurrent callers share one read, and its result for seconds.

    The objects are read with the controller's account, so callers must filter what they show.
    """

    def __init__(self, connect: Callable[[Cluster], ClusterClient] = controller_client) -> None:
        self._connect = connect
        self._reads: dict[Key, asyncio.Task[ClusterRbac]] = {}
        self._kept: dict[Key, ClusterRbac] = {}
        self._slots = asyncio.Semaphore(MAX_READS)

    async def read(self, cluster: Cluster) -> ClusterRbac:
        """Return the roles and bindings of a cluster, at most a few seconds old.

        Raises:
            InvalidRequest: Sekisho has no account in the cluster that could read them.
            ClusterApiError: the cluster is not available.
        """
        key = cluster.id, cluster.revision
        if key in self._kept:
            return self._kept[key]
        task = self._reads.get(key)
        if task is None:
            task = self._reads[key] = asyncio.create_task(self._read(cluster))
            task.add_done_callback(lambda done: self._finished(key, done))
        # Shielded: a client that disconnects must not fail the others that await the same read.
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Cancel running reads, and wait until they have ended."""
        running = list(self._reads.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._kept.clear()

    async def _read(self, cluster: Cluster) -> ClusterRbac:
        try:
            async with (
                self._slots,
                asyncio.timeout(READ_SECONDS),
                self._connect(cluster) as client,
            ):
                return await read_rbac(client)
        except TimeoutError:
            raise ApiUnreachable(
                f'cluster "{cluster.name}": its roles were not read in {READ_SECONDS:g} seconds'
            ) from None

    def _finished(self, key: Key, task: asyncio.Task[ClusterRbac]) -> None:
        self._reads.pop(key, None)
        if task.cancelled() or task.exception() is not None:
            return
        while len(self._kept) >= MAX_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = task.result()
        asyncio.get_running_loop().call_later(FRESH_SECONDS, self._kept.pop, key, None)
