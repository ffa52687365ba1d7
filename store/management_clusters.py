"""Management clusters, in SQL; their tokens are encrypted."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.cluster_names import forget_released, lock_orders, require_no_orders
from store.connections import Database
from store.encryption import Keyring
from store.errors import RecordNotFound, StaleRevision
from store.order_records import ManagementCluster
from store.order_rows import management_of, management_row, token_context
from store.records import Change
from store.tables import is_storable, management_clusters


class SqlManagementClusters:
    """A :class:`store.order_interfaces.ManagementClusters`."""

    def __init__(self, connections: Database, keyring: Keyring) -> None:
        self._connections = connections
        self._keyring = keyring

    async def get(self, cluster_id: str) -> ManagementCluster | None:
        """Return the management cluster with that id."""
        async with self._connections.read() as connection:
            return await find_management(connection, cluster_id, self._keyring)

    async def list_all(self) -> Sequence[ManagementCluster]:
        """Return every management cluster, ordered by id."""
        wanted = select(management_clusters).order_by(management_clusters.c.cluster_id)
        async with self._connections.read() as connection:
            rows = await connection.execute(wanted)
            return [management_of(row, self._keyring) for row in rows]

    async def put(
        self,
        management: ManagementCluster,
        *,
        revision: int | None = None,
        only_check: bool = False,
    ) -> ManagementCluster:
        """Store a management cluster. Raises RecordNotFound, StaleRevision, and Conflict."""
        cluster_id = management.cluster_id
        same = management_clusters.c.cluster_id == cluster_id
        changes = () if only_check else (_changed(cluster_id),)
        async with self._connections.write(*changes) as connection:
            await lock_orders(connection)
            known = await find_management(connection, cluster_id, self._keyring)
            if revision and known is None:
                raise RecordNotFound(f"{cluster_id} is no management cluster")
            if revision is not None and known is not None and known.revision != revision:
                raise StaleRevision("the management cluster was changed meanwhile")
            if known is not None and known.namespace != management.namespace:
                # The orders' Clusters are in the namespace before.
                await require_no_orders(connection, cluster_id)
            stored = replace(management, revision=known.revision + 1 if known else 1)
            if only_check:
                return stored
            row = management_row(stored, self._keyring)
            if known is None:
                await connection.execute(insert(management_clusters).values(**row))
            else:
                await connection.execute(update(management_clusters).where(same).values(**row))
        return stored

    async def renew_token(self, cluster_id: str, token: str, expires_at: datetime) -> bool:
        """Store a new token. Return False if this is no management cluster."""
        if not is_storable(cluster_id):
            return False
        sealed = self._keyring.encrypt(token, token_context(cluster_id))
        same = management_clusters.c.cluster_id == cluster_id
        async with self._connections.write(_changed(cluster_id)) as connection:
            changed = update(management_clusters).where(same)
            result = await connection.execute(
                changed.values(token=sealed, token_expires_at=expires_at)
            )
            return bool(result.rowcount)

    async def delete(self, cluster_id: str) -> None:
        """Make it an ordinary cluster. Raises RecordNotFound, and Conflict if it has orders."""
        async with self._connections.write(_changed(cluster_id)) as connection:
            await lock_orders(connection)
            if await find_management(connection, cluster_id, self._keyring) is None:
                raise RecordNotFound(f"{cluster_id} is no management cluster")
            await require_no_orders(connection, cluster_id)
            await forget_released(connection, cluster_id)
            same = management_clusters.c.cluster_id == cluster_id
            await connection.execute(delete(management_clusters).where(same))


async def find_management(
    connection: AsyncConnection, cluster_id: str, keyring: Keyring
) -> ManagementCluster | None:
    """Return the management cluster with that id, as the transaction sees it."""
    if not is_storable(cluster_id):
        return None
    wanted = select(management_clusters).where(management_clusters.c.cluster_id == cluster_id)
    row = (await connection.execute(wanted)).one_or_none()
    return None if row is None else management_of(row, keyring)


def _changed(cluster_id: str) -> Change:
    return Change("management-cluster", cluster_id)
