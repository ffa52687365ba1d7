"""What is known of clusters and nodes, and who looks after them: records and protocols."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """What was last seen of a cluster. ``data`` is plain JSON (:mod:`management.fleet.status`)."""

    cluster_id: str
    data: Mapping[str, Any]
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a cluster, as last seen. ``uid`` is its key; names come again.

    ``data`` is plain JSON (:mod:`management.fleet.nodes`). ``left_at`` None: it is there.
    """

    cluster_id: str
    uid: str
    name: str
    data: Mapping[str, Any] = field(repr=False)
    appeared_at: datetime
    left_at: datetime | None = None


class Fleet(Protocol):
    """What is seen of clusters, written by whoever looks after them."""

    async def statuses(self) -> Mapping[str, ClusterStatus]:
        """Of every cluster, by id."""

    async def status(self, cluster_id: str) -> ClusterStatus | None:
        """Of one cluster; None where nothing is known."""

    async def put_status(self, status: ClusterStatus) -> None:
        """Replace what is known. Nothing where the cluster is gone."""

    async def nodes(self, cluster_ids: Sequence[str] | None = None) -> Sequence[Node]:
        """Nodes, those that have left too, by cluster and name."""

    async def put_nodes(self, nodes: Sequence[Node]) -> None:
        """Write nodes down. Nothing where the cluster is gone."""

    async def forget_nodes(self, left_before: datetime) -> int:
        """Forget nodes that left before then; how many."""


class Leases(Protocol):
    """Who looks after what: at most one holder of each name at a time."""

    async def hold(self, names: Sequence[str], holder: str, term: timedelta) -> frozenset[str]:
        """Take or keep those that are free, run out, or held already; which ``holder`` has now.

        They run out ``term`` after the call began, by the database's clock.
        """

    async def release(self, holder: str, names: Sequence[str] | None = None) -> None:
        """Give back those, or all, that ``holder`` has."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What a request with a key was answered. ``status`` None: it isn't answered yet."""

    request: bytes
    status: int | None
    body: str | None = field(repr=False)


class Answers(Protocol):
    """What requests with a key of the client's own were answered. Bodies are encrypted."""

    async def begin(self, key: bytes, request: bytes, expires_at: datetime) -> KeptAnswer | None:
        """None: the key was free and is taken now. Else what there is under it."""

    async def finish(self, key: bytes, status: int, body: str, expires_at: datetime) -> None:
        """Keep the answer."""

    async def abandon(self, key: bytes) -> None:
        """The request has failed: the key is free again."""

    async def clear(self, before: datetime) -> int:
        """Forget those that ended before then; how many."""
