"""Suspend tunnels that do not answer: requests go other ways, before the tunnel counts as dead.

A frozen agent still has its connection, and requests that the proxy sends into it wait. A tunnel is
suspended when something was sent and nothing has arrived for about :data:`UNANSWERED_SECONDS`,
while the cluster can be reached another way. It is used last then, and the connections of the
proxy's pools are closed where that harms no response. Its streams stay, until it answers again or
ends.

Idle tunnels cost a comparison: without a request, nothing is sent but the tunnel's pings.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from management.tunnels.agent_tunnel import AgentTunnel
from management.tunnels.local_tunnels import LocalTunnels
from store.agent_records import Trust

CHECK_SECONDS: Final = 0.5
"""Interval of checks."""

UNANSWERED_SECONDS: Final = 2.0
"""For how long a tunnel is silent when it is suspended. A slow network answers a ping sooner."""


class Suspensions:
    """Suspends tunnels in ``local``. ``elsewhere`` returns whether a cluster has tunnels elsewhere.

    ``changed`` is called with a cluster, and whether a tunnel was suspended or answers again.
    """

    def __init__(
        self,
        local: LocalTunnels,
        elsewhere: Callable[[str], bool],
        changed: Callable[[str, bool], None],
    ) -> None:
        self._local = local
        self._elsewhere = elsewhere
        self._changed = changed

    async def watch(self) -> None:
        """Check all tunnels until cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            for cluster_id in self._local.clusters:
                self._check(cluster_id, self._local.of(cluster_id))

    def _check(self, cluster_id: str, tunnels: list[AgentTunnel]) -> None:
        for one in tunnels:
            one.answers.check()
        if not any(one.answers.unanswered or one.suspended for one in tunnels):
            return
        for one in tunnels:
            # Also those without requests: if the agent is frozen, all of its tunnels are.
            one.connection.ping()
        # Of tunnels here, those that a dial would use: none but verified ones, while there is one.
        usable = [one for one in tunnels if one.usable]
        verified = [one for one in usable if one.trust is Trust.VERIFIED]
        reachable = self._elsewhere(cluster_id) or any(
            not one.answers.unanswered for one in verified or usable
        )
        for one in tunnels:
            silent = one.answers.unanswered * CHECK_SECONDS > UNANSWERED_SECONDS
            if silent and reachable and not one.suspended:
                one.suspended = True
                self._changed(cluster_id, True)
            elif one.suspended and not one.answers.unanswered:
                one.suspended = False
                self._changed(cluster_id, False)
