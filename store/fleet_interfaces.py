"""Protocol of the observed state of clusters."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from store.records import ClusterReport, ClusterStatus, Node, ReportKind


class Fleet(Protocol):
    """Observed state of clusters and nodes, written by the replica that holds the lease."""

    async def statuses(
        self, cluster_ids: Sequence[str] | None = None
    ) -> Mapping[str, ClusterStatus]:
        """Return the status of every cluster, or of those with some ids, by id."""

    async def status(self, cluster_id: str) -> ClusterStatus | None:
        """Return the status of a cluster; None if it is unknown."""

    async def put_status(self, status: ClusterStatus) -> None:
        """Replace the status. No effect if the cluster does not exist."""

    async def nodes(self, cluster_ids: Sequence[str] | None = None) -> Sequence[Node]:
        """Return nodes, including former ones, ordered by cluster and name."""

    async def put_nodes(self, nodes: Sequence[Node]) -> None:
        """Store nodes. No effect if the cluster does not exist."""

    async def forget_nodes(self, left_before: datetime) -> int:
        """Delete nodes that left before then. Return the number."""

    async def report(self, cluster_id: str, kind: ReportKind) -> ClusterReport | None:
        """Return the report of a kind about a cluster; None if there is none."""

    async def put_report(self, report: ClusterReport) -> None:
        """Replace the report of its kind. No effect if the cluster does not exist."""
