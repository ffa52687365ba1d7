"""Clusters, in SQL; their credentials are encrypted."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from config.address_policy import DEFAULT_POLICY, AddressPolicy
from config.dialing import Dialer
from store.access_records import Binding
from store.bindings import changes_of, insert_binding
from store.cluster_names import (
    forget_released,
    lock_orders,
    require_free_name,
    require_no_orders,
    require_wanted,
)
from store.connections import Database
from store.encryption import Keyring, Undecryptable
from store.errors import RecordNotFound, StaleRevision
from store.keyset import Place, page_of
from store.pieces import in_pieces
from store.records import Change, Cluster, CredentialSource
from store.sealed_values import sealing_context
from store.standing import lock_user
from store.tables import clusters, is_storable, orders

_ENCRYPTED = ("impersonator_token", "controller_token")


class SqlClusters:
    """A :class:`store.interfaces.Clusters`."""

    def __init__(
        self,
        connections: Database,
        keyring: Keyring,
        addresses: AddressPolicy = DEFAULT_POLICY,
    ) -> None:
        self._connections = connections
        self._keyring = keyring
        self._addresses = addresses
        self._find_dialer: Callable[[str], Dialer] | None = None

    def use_dialers(self, find: Callable[[str], Dialer]) -> None:
        """Give records of agents' clusters the dialer that ``find`` returns for their id."""
        self._find_dialer = find

    def through_agent(self, cluster: Cluster) -> Cluster:
        """Return the record as reached by the cluster's agent. Nothing is stored."""
        dialer = self._find_dialer(cluster.id) if self._find_dialer is not None else None
        return replace(cluster, reach="agent", dialer=dialer)

    async def create(self, cluster: Cluster, *, owner: Binding | None = None) -> None:
        """Store a new cluster and its owner. Raises Conflict and RecordNotFound."""
        changes = [Change("cluster", cluster.id), *(changes_of(owner) if owner else ())]
        async with self._connections.write(*changes) as connection:
            await lock_orders(connection)
            await require_free_name(connection, cluster.id, cluster.name)
            await require_wanted(connection, cluster.id)
            await connection.execute(insert(clusters).values(**self._values(cluster)))
            if owner is not None:
                if owner.user_id is not None:
                    await lock_user(connection, owner.user_id)
                await insert_binding(connection, owner)

    async def get(self, id_or_name: str) -> Cluster | None:
        """Return the cluster with that id, or else with that name."""
        if not is_storable(id_or_name):
            return None
        for column in (clusters.c.id, clusters.c.name):
            async with self._connections.read() as connection:
                wanted = select(clusters).where(column == id_or_name)
                row = (await connection.execute(wanted)).one_or_none()
            if row is not None:
                return self._cluster(row)
        return None

    async def list_all(self) -> Sequence[Cluster]:
        """Return every cluster, ordered by name."""
        async with self._connections.read() as connection:
            rows = await connection.execute(select(clusters).order_by(clusters.c.name))
            return [self._cluster(row) async for row in in_pieces(rows)]

    async def page(
        self,
        field: Literal["name", "id", "created_at"],
        *,
        descending: bool = False,
        after: Place | None = None,
        limit: int,
    ) -> Sequence[Cluster]:
        """Return at most ``limit`` clusters in order, beginning after a place."""
        if not all(is_storable(one) for one in after or () if isinstance(one, str)):
            return []
        async with self._connections.read() as connection:
            wanted = page_of(
                connection, select(clusters), clusters, field, descending=descending, after=after
            )
            rows = await connection.execute(wanted.limit(limit))
            return [self._cluster(row) async for row in in_pieces(rows)]

    async def ids(self) -> Sequence[str]:
        """Return the id of every cluster, without decrypting credentials."""
        async with self._connections.read() as connection:
            return (await connection.execute(select(clusters.c.id))).scalars().all()

    async def replace(self, cluster: Cluster, *, revision: int | None = None) -> None:
        """Store ``cluster`` in place of the one with its id. Its order gets its name.

        Raises RecordNotFound, Conflict, and StaleRevision where ``revision`` isn't the cluster's.
        """
        changes = (Change("cluster", cluster.id), Change("order", cluster.id))
        async with self._connections.write(*changes) as connection:
            await lock_orders(connection)
            await require_free_name(connection, cluster.id, cluster.name)
            if cluster.removing_since is not None:
                await require_no_orders(connection, cluster.id)
            same = clusters.c.id == cluster.id
            if revision is not None:
                same &= clusters.c.revision == revision
            values = self._values(cluster) | {"revision": clusters.c.revision + 1}
            result = await connection.execute(update(clusters).where(same).values(**values))
            if not result.rowcount:
                await _hold_cluster(connection, cluster.id)
                raise StaleRevision("the cluster was changed meanwhile")
            renamed = update(orders).where(orders.c.id == cluster.id, orders.c.name != cluster.name)
            await connection.execute(renamed.values(name=cluster.name))

    async def delete(self, cluster_id: str) -> None:
        """Delete the cluster with its bindings and projects. Raises RecordNotFound, Conflict."""
        async with self._connections.write(Change("cluster", cluster_id)) as connection:
            await lock_orders(connection)
            await _hold_cluster(connection, cluster_id)
            await require_no_orders(connection, cluster_id)
            await forget_released(connection, cluster_id)
            await connection.execute(delete(clusters).where(clusters.c.id == cluster_id))

    def _values(self, cluster: Cluster) -> dict[str, Any]:
        return {
            "id": cluster.id,
            "name": cluster.name,
            "servers": list(cluster.servers),
            "ca_pem": cluster.ca_pem,
            "tls_server_name": cluster.tls_server_name,
            "credential_source": cluster.credential_source.value,
            "tokens_expire_at": cluster.tokens_expire_at,
            "created_at": cluster.created_at,
            "username_mapping": cluster.username_mapping,
            "impersonator": cluster.impersonator,
            "removing_since": cluster.removing_since,
            "revision": cluster.revision,
            "uid": cluster.uid,
            "trusted_addresses": list(cluster.trusted_addresses),
            "labels": dict(cluster.labels),
            "reach": cluster.reach,
            "held_since": cluster.held_since,
        } | self._encrypted(cluster)

    def _encrypted(self, cluster: Cluster) -> dict[str, bytes | None]:
        """Return the tokens' columns; none if the tokens do not change."""
        if cluster.unreadable and not cluster.impersonator_token:
            return {}
        return {
            name: None
            if getattr(cluster, name) is None
            else self._keyring.encrypt(getattr(cluster, name), _context(cluster.id, name))
            for name in _ENCRYPTED
        }

    def _cluster(self, row: Any) -> Cluster:
        """Return the row's cluster; one whose tokens can't be opened has none, and says why.

        It is that cluster's matter alone: the others are read as ever.
        """
        plain: dict[str, str | None]
        unreadable = ""
        try:
            plain = {
                name: None
                if getattr(row, name) is None
                else self._keyring.decrypt(getattr(row, name), _context(row.id, name))
                for name in _ENCRYPTED
            }
        except Undecryptable as exc:
            plain = {"impersonator_token": "", "controller_token": None}
            unreadable = str(exc)
        values = dict(row._mapping) | plain
        values["unreadable"] = unreadable
        values["servers"] = tuple(values["servers"])
        values["trusted_addresses"] = tuple(values["trusted_addresses"] or ())
        values["addresses"] = self._addresses.trusting(values["trusted_addresses"])
        values["credential_source"] = CredentialSource(values["credential_source"])
        if values["reach"] == "agent" and self._find_dialer is not None:
            values["dialer"] = self._find_dialer(values["id"])
        return Cluster(**values)


async def _hold_cluster(connection: AsyncConnection, cluster_id: str) -> None:
    """Lock the cluster against deletion until the transaction ends. Raises RecordNotFound."""
    wanted = select(clusters.c.id).where(clusters.c.id == cluster_id)
    held = wanted.with_for_update(read=True, key_share=True)
    if not is_storable(cluster_id) or (await connection.execute(held)).first() is None:
        raise RecordNotFound(f"there is no cluster {cluster_id}")


def _context(cluster_id: str, column: str) -> str:
    """Return the context to which an encrypted value is bound."""
    return sealing_context(clusters.c[column], cluster_id)
