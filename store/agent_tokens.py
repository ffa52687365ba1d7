"""Agents' tokens, in SQL: the digest of each."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update

from store.agent_records import MOST_AGENT_TOKENS, AgentToken
from store.connections import Database
from store.errors import RecordNotFound, TooManyAgentTokens
from store.records import Change
from store.tables import agent_tokens, clusters, is_storable


class SqlAgentTokens:
    """A :class:`store.agent_interfaces.AgentTokens`."""

    def __init__(self, connections: Database) -> None:
        self._connections = connections

    async def create(self, token: AgentToken) -> None:
        """Store a new token. Raises RecordNotFound, TooManyAgentTokens, and Conflict."""
        if not is_storable(token.cluster_id):
            raise RecordNotFound(f"there is no cluster {token.cluster_id}")
        async with self._connections.write(Change("agent-token", token.cluster_id)) as connection:
            # Locks the cluster, so that two that create a token at the same time count both.
            same = select(clusters.c.id).where(clusters.c.id == token.cluster_id)
            if (await connection.execute(same.with_for_update(key_share=True))).first() is None:
                raise RecordNotFound(f"there is no cluster {token.cluster_id}")
            count = select(func.count()).where(agent_tokens.c.cluster_id == token.cluster_id)
            if (await connection.execute(count)).scalar_one() >= MOST_AGENT_TOKENS:
                raise TooManyAgentTokens(
                    f"the cluster has {MOST_AGENT_TOKENS} valid agent tokens already: "
                    "revoke one first"
                )
            await connection.execute(insert(agent_tokens).values(**asdict(token)))

    async def find(self, digest: bytes) -> AgentToken | None:
        """Return the valid token with that digest."""
        wanted = select(agent_tokens).where(agent_tokens.c.digest == digest)
        async with self._connections.read() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        return AgentToken(**row._mapping) if row is not None else None

    async def of_cluster(self, cluster_id: str) -> Sequence[AgentToken]:
        """Return the valid tokens of a cluster, oldest first."""
        if not is_storable(cluster_id):
            return []
        wanted = select(agent_tokens).where(agent_tokens.c.cluster_id == cluster_id)
        ordered = wanted.order_by(agent_tokens.c.created_at, agent_tokens.c.id)
        async with self._connections.read() as connection:
            return [AgentToken(**row._mapping) for row in await connection.execute(ordered)]

    async def replaced(self, before: datetime) -> Sequence[AgentToken]:
        """Return the tokens with a successor that was created before then and has been used."""
        newer = agent_tokens.alias("newer")
        successor = (newer.c.cluster_id == agent_tokens.c.cluster_id) & (
            newer.c.created_at > agent_tokens.c.created_at
        )
        wanted = (
            select(agent_tokens)
            .join(newer, successor)
            .where(newer.c.last_used_at.is_not(None), newer.c.created_at < before)
        )
        async with self._connections.read() as connection:
            return [AgentToken(**row._mapping) for row in await connection.execute(wanted)]

    async def ids(self) -> frozenset[str]:
        """Return the ids of the valid tokens of all clusters."""
        async with self._connections.read() as connection:
            return frozenset((await connection.execute(select(agent_tokens.c.id))).scalars())

    async def revoke(self, token_id: str) -> bool:
        """Delete a token. Return False if it does not exist."""
        if not is_storable(token_id):
            return False
        same = agent_tokens.c.id == token_id
        async with self._connections.read() as connection:
            wanted = select(agent_tokens.c.cluster_id).where(same)
            cluster_id = (await connection.execute(wanted)).scalar_one_or_none()
        if cluster_id is None:
            return False
        async with self._connections.write(Change("agent-token", cluster_id)) as connection:
            result = await connection.execute(delete(agent_tokens).where(same))
            return bool(result.rowcount)

    async def existing(self, token_ids: Collection[str]) -> frozenset[str]:
        """Return those of the ids that belong to valid tokens."""
        wanted = select(agent_tokens.c.id).where(agent_tokens.c.id.in_(token_ids))
        async with self._connections.read() as connection:
            return frozenset((await connection.execute(wanted)).scalars())

    async def note_used(self, at: datetime, *token_ids: str) -> None:
        """Record that tunnels were opened with the tokens. No effect for unknown ones."""
        same = agent_tokens.c.id.in_(token_ids)
        # In the order of ids: no two replicas wait in a circle.
        locked = select(agent_tokens.c.id).where(same).order_by(agent_tokens.c.id)
        async with self._connections.write() as connection:
            await connection.execute(locked.with_for_update())
            await connection.execute(update(agent_tokens).where(same).values(last_used_at=at))
