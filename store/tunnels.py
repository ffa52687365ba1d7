"""Open tunnels and the replicas that hold them, in SQL."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.agent_records import Replica, Trust, Tunnel, TunnelAt
from store.connections import Database
from store.database_time import database_time
from store.records import Change
from store.tables import clusters, is_storable, replicas, tunnels

_REPLICA_COLUMNS = [replicas.c[one.name].label(f"its_{one.name}") for one in fields(Replica)]


class SqlTunnels:
    """A :class:`store.agent_interfaces.Tunnels`."""

    def __init__(self, connections: Database) -> None:
        self._connections = connections

    async def register_replica(
        self, replica: Replica, term: timedelta, tunnels: Sequence[Tunnel] = ()
    ) -> None:
        """Store a replica, in place of the one with its id, with the ``tunnels`` that it holds."""
        async with self._connections.write(*_changes(one.cluster_id for one in tunnels)) as writing:
            await writing.execute(delete(replicas).where(replicas.c.id == replica.id))
            expires_at = await database_time(writing) + term
            values = {**asdict(replica), "expires_at": expires_at}
            await writing.execute(insert(replicas).values(**values))
            existing = await _existing_clusters(writing, {one.cluster_id for one in tunnels})
            for tunnel in tunnels:
                if tunnel.cluster_id in existing:
                    await _insert(writing, tunnel)

    async def renew(self, replica: Replica, term: timedelta) -> bool:
        """Extend a replica's term, and delete expired replicas with their tunnels."""
        async with self._connections.write() as connection:
            now = await database_time(connection)
            # Not one that has expired: other replicas have dropped its tunnels already.
            same = (replicas.c.id == replica.id) & (replicas.c.expires_at > now)
            renewal = update(replicas).where(same).values(expires_at=now + term)
            renewed = bool((await connection.execute(renewal)).rowcount)
            expired = replicas.c.expires_at <= now
            gone = (await connection.execute(select(replicas.c.id).where(expired))).first()
        if gone is not None:
            await self._delete(expired)
        return renewed

    async def unregister_replica(self, replica_id: str) -> None:
        """Delete a replica with its tunnels. No effect if it does not exist."""
        await self._delete(replicas.c.id == replica_id)

    async def open(self, *opened: Tunnel) -> None:
        """Store tunnels. Raises RecordNotFound if a cluster or a replica does not exist."""
        async with self._connections.write(*_changes(one.cluster_id for one in opened)) as writing:
            for tunnel in opened:
                await _insert(writing, tunnel)

    async def close(self, *tunnel_ids: str) -> None:
        """Delete tunnels. No effect for those that do not exist."""
        same = tunnels.c.id.in_(tunnel_ids)
        async with self._connections.read() as connection:
            found = await connection.execute(select(tunnels.c.cluster_id).where(same))
            changes = _changes(found.scalars())
        if changes:
            async with self._connections.write(*changes) as connection:
                await connection.execute(delete(tunnels).where(same))

    async def of_cluster(self, cluster_id: str) -> Sequence[TunnelAt]:
        """Return the tunnels of a cluster at replicas whose term has not ended, oldest first."""
        if not is_storable(cluster_id):
            return []
        return await self._select(tunnels.c.cluster_id == cluster_id)

    async def all(self) -> Sequence[TunnelAt]:
        """Return the tunnels of all clusters, as :meth:`of_cluster`."""
        return await self._select()

    async def _select(self, *where: ColumnElement[bool]) -> list[TunnelAt]:
        async with self._connections.read() as connection:
            alive = replicas.c.expires_at > await database_time(connection)
            wanted = (
                select(tunnels, *_REPLICA_COLUMNS)
                .join(replicas, replicas.c.id == tunnels.c.replica_id)
                .where(alive, *where)
                .order_by(tunnels.c.since, tunnels.c.id)
            )
            return [_tunnel_at(row) for row in await connection.execute(wanted)]

    async def _delete(self, which: ColumnElement[bool]) -> None:
        """Delete replicas with their tunnels, in the order of ids: no two wait in a circle."""
        held = select(tunnels.c.cluster_id).join(replicas).where(which).distinct()
        async with self._connections.read() as connection:
            announced = _changes((await connection.execute(held)).scalars())
        async with self._connections.write(*announced) as connection:
            locked = select(replicas.c.id).where(which).order_by(replicas.c.id).with_for_update()
            ids = (await connection.execute(locked)).scalars().all()
            await connection.execute(delete(replicas).where(replicas.c.id.in_(ids)))


def _changes(cluster_ids: Iterable[str]) -> list[Change]:
    return [Change("tunnels", one) for one in sorted(set(cluster_ids))]


async def _existing_clusters(connection: AsyncConnection, ids: set[str]) -> set[str]:
    """Return those clusters that exist, locked against deletion."""
    wanted = select(clusters.c.id).where(clusters.c.id.in_(ids)).order_by(clusters.c.id)
    found = await connection.execute(wanted.with_for_update(read=True, key_share=True))
    return set(found.scalars())


async def _insert(connection: AsyncConnection, tunnel: Tunnel) -> None:
    await connection.execute(insert(tunnels).values(**asdict(tunnel)))


def _tunnel_at(row: Any) -> TunnelAt:
    values = row._mapping
    tunnel = {one.name: values[one.name] for one in fields(Tunnel)}
    return TunnelAt(
        Tunnel(**tunnel | {"trust": Trust(values["trust"])}),
        Replica(**{one.name: values[f"its_{one.name}"] for one in fields(Replica)}),
    )
