"""The tunnels of this process, by cluster."""

from collections.abc import Iterator

from management.tunnels.agent_tunnel import AgentTunnel
from store.agent_records import Trust

SILENT_SECONDS = 6.0
"""A tunnel without a byte for so long is used last: pings arrive every five seconds."""


class LocalTunnels:
    """Tunnels whose agents have introduced themselves."""

    def __init__(self) -> None:
        self._by_cluster: dict[str, dict[str, AgentTunnel]] = {}

    def __iter__(self) -> Iterator[AgentTunnel]:
        return iter([one for some in self._by_cluster.values() for one in some.values()])

    @property
    def clusters(self) -> list[str]:
        """Return the ids of the clusters that have a tunnel here."""
        return list(self._by_cluster)

    def of(self, cluster_id: str) -> list[AgentTunnel]:
        """Return all tunnels of a cluster, oldest first."""
        return list(self._by_cluster.get(cluster_id, {}).values())

    def has_verified(self, cluster_id: str) -> bool:
        """Return whether a usable tunnel was verified to lead to the cluster."""
        return any(self._usable(cluster_id, Trust.VERIFIED))

    def responsive(self, cluster_id: str, trust: Trust) -> list[AgentTunnel]:
        """Return usable tunnels from which bytes arrived lately, the most recent first."""
        return [one for one in self._usable(cluster_id, trust) if not _is_silent(one)]

    def silent(self, cluster_id: str, trust: Trust) -> list[AgentTunnel]:
        """Return usable tunnels that may be dead, the most recently heard first."""
        return [one for one in self._usable(cluster_id, trust) if _is_silent(one)]

    def has(self, tunnel: AgentTunnel) -> bool:
        """Return whether a tunnel is among them."""
        return tunnel.id in self._by_cluster.get(tunnel.owner.cluster_id, {})

    def add(self, tunnel: AgentTunnel) -> None:
        """Add a tunnel."""
        self._by_cluster.setdefault(tunnel.owner.cluster_id, {})[tunnel.id] = tunnel

    def remove(self, tunnel: AgentTunnel) -> bool:
        """Remove a tunnel. Return False if it is not among them."""
        here = self._by_cluster.get(tunnel.owner.cluster_id, {})
        found = here.pop(tunnel.id, None) is not None
        if found and not here:
            del self._by_cluster[tunnel.owner.cluster_id]
        return found

    def _usable(self, cluster_id: str, trust: Trust) -> list[AgentTunnel]:
        here = self._by_cluster.get(cluster_id, {}).values()
        usable = [one for one in here if one.trust is trust and one.usable]
        return sorted(usable, key=lambda one: one.connection.silent_for)


def _is_silent(tunnel: AgentTunnel) -> bool:
    return tunnel.suspended or tunnel.connection.silent_for > SILENT_SECONDS
