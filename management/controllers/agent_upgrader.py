"""Upgrade the agent of one cluster when it is older than this server."""

import asyncio
import random
from collections.abc import Callable, Sequence

from config.loggers import get_logger
from management.clusters.agent_upgrade import Upgrade, upgrade_agent
from management.controllers.agent_condition import agent_problem, outdated_agents
from management.controllers.agents import Agents
from management.controllers.timing import AgentTiming
from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import ClusterApiError
from management.tunnels.connected_agents import ConnectedAgent
from store.records import Cluster

_LOG = get_logger(__name__)


class AgentUpgrader:
    """Upgrades one cluster's agent while this replica leads the cluster. Call :meth:`run` once.

    An agent's version is what it says of itself. With a wrong one, it gets this server's image.
    """

    def __init__(
        self,
        cluster: Cluster,
        client: ClusterClient,
        agents: Agents,
        *,
        is_leader: Callable[[], bool],
        timing: AgentTiming,
    ) -> None:
        self._cluster = cluster
        self._client = client
        self._agents = agents
        self._is_leader = is_leader
        self._timing = timing
        self._upgrade = Upgrade.SCHEDULED

    @property
    def problem(self) -> tuple[str, str] | None:
        """Return the reason and the message of the condition ``AgentReady``; None if it is true."""
        version = self._agents.server_version
        return agent_problem(self._cluster.name, self._connected, version, self._upgrade)

    async def run(self) -> None:
        """Upgrade the agent whenever it is older, until cancelled."""
        # The clusters' agents do not load the new image all at once.
        await asyncio.sleep(random.uniform(0, self._timing.spread_seconds))  # noqa: S311 - no secret
        while True:
            old = outdated_agents(self._connected, self._agents.server_version)
            if old and self._is_leader():
                await self._check()
            elif not old:
                self._upgrade = Upgrade.SCHEDULED
            await asyncio.sleep(self._timing.check_seconds)

    @property
    def _connected(self) -> Sequence[ConnectedAgent]:
        return self._agents.connected(self._cluster.id)

    async def _check(self) -> None:
        try:
            self._upgrade = await upgrade_agent(self._client, self._agents.image)
        except ClusterApiError as exc:
            _LOG.warning("agent not upgraded", cluster=self._cluster.name, error=str(exc))
