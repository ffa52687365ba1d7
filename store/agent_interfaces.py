"""Protocols for what the store knows of agents: their tokens and tunnels. See store.interfaces."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from store.agent_records import AgentToken, Replica, Tunnel, TunnelAt


class AgentTokens(Protocol):
    """Tokens with which agents open tunnels. Only digests are stored."""

    async def create(self, token: AgentToken) -> None:
        """Store a new token.

        Raises RecordNotFound if the cluster does not exist, TooManyAgentTokens if it has two valid
        tokens already, and Conflict if the id or the digest is taken.
        """

    async def find(self, digest: bytes) -> AgentToken | None:
        """Return the valid token with that digest."""

    async def of_cluster(self, cluster_id: str) -> Sequence[AgentToken]:
        """Return the valid tokens of a cluster, oldest first."""

    async def replaced(self, before: datetime) -> Sequence[AgentToken]:
        """Return the tokens with a successor that was created before then and has been used."""

    async def ids(self) -> frozenset[str]:
        """Return the ids of the valid tokens of all clusters."""

    async def revoke(self, token_id: str) -> bool:
        """Delete a token. Return False if it does not exist."""

    async def existing(self, token_ids: Collection[str]) -> frozenset[str]:
        """Return those of the ids, at most hundreds, that belong to valid tokens."""

    async def note_used(self, at: datetime, *token_ids: str) -> None:
        """Record that tunnels were opened with the tokens, at most hundreds.

        No effect for those that do not exist.
        """


class Tunnels(Protocol):
    """Open tunnels, and the replicas that hold them.

    The tunnels of a replica count until its term ends, by the database's clock.
    """

    async def register_replica(
        self, replica: Replica, term: timedelta, tunnels: Sequence[Tunnel] = ()
    ) -> None:
        """Store a replica, in place of the one with its id, with the ``tunnels`` that it holds.

        Tunnels of clusters that do not exist are left out.
        """

    async def renew(self, replica: Replica, term: timedelta) -> bool:
        """Extend a replica's term, and delete expired replicas with their tunnels.

        Return False if the replica itself was deleted: it must be registered again.
        """

    async def unregister_replica(self, replica_id: str) -> None:
        """Delete a replica with its tunnels. No effect if it does not exist."""

    async def open(self, *opened: Tunnel) -> None:
        """Store tunnels, all or none: at most hundreds, for they are one transaction.

        Raises RecordNotFound if a cluster or a replica does not exist.
        """

    async def close(self, *tunnel_ids: str) -> None:
        """Delete tunnels, at most hundreds. No effect for those that do not exist."""

    async def of_cluster(self, cluster_id: str) -> Sequence[TunnelAt]:
        """Return the tunnels of a cluster at replicas whose term has not ended, oldest first."""

    async def all(self) -> Sequence[TunnelAt]:
        """Return the tunnels of all clusters, as :meth:`of_cluster`."""
