"""Check the tokens of new tunnels again, and note their use.

A revocation between the check of the request and the tunnel's place in the directory ended nothing.
After a restart, the agents of all clusters return together. So what is due is done for many tunnels
with one statement: while one runs, the next ones gather.
"""

import asyncio
from datetime import UTC, datetime

from config.loggers import get_logger
from management.backoff import Backoff
from management.tunnels.agent_tunnel import AgentTunnel
from management.tunnels.batches import in_batches
from management.tunnels.revocation import TunnelRevocation
from store.agent_interfaces import AgentTokens
from store.errors import StoreError

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 5.0
"""Pauses before what failed is repeated."""

_LOG = get_logger(__name__)


class TokenUses:
    """Collects new tunnels and used tokens for :meth:`run`, which is called once."""

    def __init__(self, tokens: AgentTokens, revocation: TunnelRevocation) -> None:
        self._tokens = tokens
        self._revocation = revocation
        self._unchecked: list[AgentTunnel] = []
        self._used: set[str] = set()
        self._due = asyncio.Event()

    def opened(self, tunnel: AgentTunnel) -> None:
        """Check the token of a new tunnel again."""
        self._unchecked.append(tunnel)
        self._due.set()

    def used(self, tunnel: AgentTunnel) -> None:
        """Note that the tunnel's token has served."""
        self._used.add(tunnel.owner.token_id)
        self._due.set()

    async def run(self) -> None:
        """Check and note until cancelled."""
        backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        while True:
            await self._due.wait()
            self._due.clear()
            unchecked, self._unchecked = self._unchecked, []
            used, self._used = self._used, set()
            try:
                await self._revocation.check(unchecked)
                for ids in in_batches(sorted(used)):
                    await self._tokens.note_used(datetime.now(UTC), *ids)
            except StoreError as exc:
                _LOG.warning("agent tokens not checked", error=str(exc))
                self._unchecked += [one for one in unchecked if one.connection.usable]
                self._used |= used
                self._due.set()
                await asyncio.sleep(backoff.pause())
            else:
                backoff.reset()
