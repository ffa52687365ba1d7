"""End tunnels whose token was revoked, or whose cluster was removed.

A cluster that is being removed keeps its tunnels: its objects are deleted through them. Its tokens
go with its record.
"""

from collections.abc import Iterable, Sequence, Set

from agent.websocket.codec import CloseCode
from config.loggers import get_logger
from management.tunnels.agent_tunnel import AgentTunnel
from management.tunnels.batches import in_batches
from management.tunnels.local_tunnels import LocalTunnels
from store.changes import follow
from store.interfaces import Store
from store.records import Change

REVOKED = "the agent's token was revoked, or its cluster was removed"

_LOG = get_logger(__name__)


class TunnelRevocation:
    """Follows changes of tokens and clusters."""

    def __init__(self, store: Store, tunnels: LocalTunnels) -> None:
        self._store = store
        self._tunnels = tunnels

    async def follow_changes(self) -> None:
        """End tunnels that may not continue, until cancelled."""
        await follow(self._store.changes, self._apply, self._check_all)

    async def check(self, tunnels: Sequence[AgentTunnel]) -> None:
        """End those tunnels that may not continue. Raises StoreUnavailable."""
        for ids in in_batches(sorted({one.owner.token_id for one in tunnels})):
            some = [one for one in tunnels if one.owner.token_id in ids]
            _end_others(some, await self._store.agent_tokens.existing(ids))

    async def _apply(self, change: Change) -> None:
        if change.kind == "all":
            await self._check_all()
        elif change.kind in {"agent-token", "cluster"} and change.key is not None:
            held = self._tunnels.of(change.key)
            if held:
                valid = await self._store.agent_tokens.of_cluster(change.key)
                _end_others(held, {one.id for one in valid})

    async def _check_all(self) -> None:
        held = list(self._tunnels)
        if held:
            # One query: on SQLite, any write of another process leads here.
            _end_others(held, await self._store.agent_tokens.ids())


def _end_others(tunnels: Iterable[AgentTunnel], valid: Set[str]) -> None:
    """End the tunnels whose token is not among the valid ones."""
    for tunnel in tunnels:
        if tunnel.owner.token_id not in valid:
            _end(tunnel)


def _end(tunnel: AgentTunnel) -> None:
    tunnel.connection.close(REVOKED, CloseCode.POLICY_VIOLATION)
