"""Observed state of clusters and nodes, in SQL."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select

from store.connections import Database
from store.errors import RecordNotFound
from store.pieces import in_pieces
from store.records import Change, ClusterReport, ClusterStatus, Node, ReportKind
from store.tables import cluster_reports, cluster_status, nodes


class SqlFleet:
    """A :class:`store.fleet_interfaces.Fleet`."""

    def __init__(self, connections: Database) -> None:
        self._connections = connections

    async def statuses(
        self, cluster_ids: Sequence[str] | None = None
    ) -> Mapping[str, ClusterStatus]:
        """Return the status of every cluster, or of those with some ids, by id."""
        wanted = select(cluster_status)
        if cluster_ids is not None:
            wanted = wanted.where(cluster_status.c.cluster_id.in_(cluster_ids))
        async with self._connections.read() as connection:
            rows = await connection.execute(wanted)
            return {row.cluster_id: ClusterStatus(**row._mapping) async for row in in_pieces(rows)}

    async def status(self, cluster_id: str) -> ClusterStatus | None:
        """Return the status of a cluster; None if it is unknown."""
        wanted = select(cluster_status).where(cluster_status.c.cluster_id == cluster_id)
        async with self._connections.read() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        return ClusterStatus(**row._mapping) if row is not None else None

    async def put_status(self, status: ClusterStatus) -> None:
        """Replace the status. No effect if the cluster does not exist."""
        with suppress(RecordNotFound):
            async with self._connections.write(Change("status", status.cluster_id)) as connection:
                same = cluster_status.c.cluster_id == status.cluster_id
                await connection.execute(delete(cluster_status).where(same))
                values: dict[str, Any] = {**asdict(status), "data": dict(status.data)}
                await connection.execute(insert(cluster_status).values(**values))

    async def nodes(self, cluster_ids: Sequence[str] | None = None) -> Sequence[Node]:
        """Return nodes, including former ones, ordered by cluster and name."""
        wanted = select(nodes).order_by(nodes.c.cluster_id, nodes.c.name, nodes.c.uid)
        if cluster_ids is not None:
            wanted = wanted.where(nodes.c.cluster_id.in_(cluster_ids))
        async with self._connections.read() as connection:
            rows = await connection.execute(wanted)
            return [Node(**row._mapping) async for row in in_pieces(rows)]

    async def put_nodes(self, seen: Sequence[Node]) -> None:
        """Store nodes. No effect if the cluster does not exist."""
        changes = [Change("status", one) for one in sorted({node.cluster_id for node in seen})]
        with suppress(RecordNotFound):
            async with self._connections.write(*changes) as connection:
                for node in seen:
                    same = (nodes.c.cluster_id == node.cluster_id) & (nodes.c.uid == node.uid)
                    await connection.execute(delete(nodes).where(same))
                    values: dict[str, Any] = {**asdict(node), "data": dict(node.data)}
                    await connection.execute(insert(nodes).values(**values))

    async def forget_nodes(self, left_before: datetime) -> int:
        """Delete nodes that left before then."""
        async with self._connections.write() as connection:
            result = await connection.execute(delete(nodes).where(nodes.c.left_at < left_before))
            return int(result.rowcount)

    async def report(self, cluster_id: str, kind: ReportKind) -> ClusterReport | None:
        """Return the report of a kind about a cluster; None if there is none."""
        wanted = select(cluster_reports).where(_is_report(cluster_id, kind))
        async with self._connections.read() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        return ClusterReport(**row._mapping) if row is not None else None

    async def put_report(self, report: ClusterReport) -> None:
        """Replace the report of its kind. No effect if the cluster does not exist."""
        with suppress(RecordNotFound):
            async with self._connections.write(Change("report", report.cluster_id)) as connection:
                same = _is_report(report.cluster_id, report.kind)
                await connection.execute(delete(cluster_reports).where(same))
                values: dict[str, Any] = {**asdict(report), "data": dict(report.data)}
                await connection.execute(insert(cluster_reports).values(**values))


def _is_report(cluster_id: str, kind: ReportKind) -> ColumnElement[bool]:
    return (cluster_reports.c.cluster_id == cluster_id) & (cluster_reports.c.kind == kind)
