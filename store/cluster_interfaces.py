"""Protocol of the repository of clusters. No SQL."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal, Protocol

from config.dialing import Dialer
from store.access_records import Binding
from store.records import Cluster


class Clusters(Protocol):
    """Clusters."""

    def use_dialers(self, find: Callable[[str], Dialer]) -> None:
        """Give records of agents' clusters the dialer that ``find`` returns for their id."""

    def through_agent(self, cluster: Cluster) -> Cluster:
        """Return the record as reached by the cluster's agent. Nothing is stored."""

    async def create(self, cluster: Cluster, *, owner: Binding | None = None) -> None:
        """Store a new cluster, and the binding of its owner: both, or neither.

        Raises:
            Conflict: the id or name is taken, also by an order with another id.
            RecordNotFound: the owner does not exist.
        """

    async def get(self, id_or_name: str) -> Cluster | None:
        """Return the cluster with that id, or else with that name."""

    async def list_all(self) -> Sequence[Cluster]:
        """Return every cluster, ordered by name."""

    async def page(
        self,
        field: Literal["name", "id", "created_at"],
        *,
        descending: bool = False,
        after: tuple[str | datetime, str] | None = None,
        limit: int,
    ) -> Sequence[Cluster]:
        """Return at most ``limit`` clusters in order, after a value of ``field`` and an id."""

    async def ids(self) -> Sequence[str]:
        """Return the id of every cluster, without decrypting credentials."""

    async def replace(self, cluster: Cluster, *, revision: int | None = None) -> None:
        """Replace the cluster with the same id, and increase its revision. Its order gets its name.

        Raises RecordNotFound, StaleRevision if ``revision`` is not the cluster's, and Conflict if
        the name is taken, or if a management cluster with orders is to be removed.
        """

    async def delete(self, cluster_id: str) -> None:
        """Delete the cluster with its bindings and projects.

        Raises RecordNotFound, and Conflict for a management cluster with orders.
        """
