"""The condition ``AgentReady`` of a cluster that is reached by its agent. Pure."""

from collections.abc import Sequence

from management.clusters.agent_upgrade import Upgrade
from management.clusters.agent_versions import SUPPORTED_MINORS, is_older, is_supported
from management.tunnels.connected_agents import ConnectedAgent
from store.agent_records import Trust

OUTDATED = "AgentOutdated"

_REASONS = {
    Upgrade.FORBIDDEN: "AgentUpgradeForbidden",
    Upgrade.FAILED: "AgentUpgradeFailed",
}
_PODS = "kubectl -n sekisho-system describe pods -l app.kubernetes.io/name=sekisho-agent"


def outdated_agents(agents: Sequence[ConnectedAgent], server: str) -> list[ConnectedAgent]:
    """Return the agents of the cluster that are older than the server of that version."""
    used = [one for one in agents if one.trust is not Trust.REFUSED]
    return [one for one in used if is_older(one.version, server)]


def agent_problem(
    name: str, agents: Sequence[ConnectedAgent], server: str, upgrade: Upgrade
) -> tuple[str, str] | None:
    """Return the reason and the message of the condition; None if it is true.

    ``name`` is the cluster's, ``server`` this server's version.
    """
    if not agents:
        return "NoAgent", "no agent is connected: check the pods sekisho-agent and their logs"
    if (doubted := _doubted(agents)) is not None:
        return doubted
    if old := outdated_agents(agents, server):
        oldest = old[0]
        message = (
            f"pod {_short(oldest.pod)} runs {_short(oldest.version)}, this server {server}: "
            f"{_remedy(name, upgrade)}"
        )
        if not is_supported(oldest.version, server):
            message += f". Only {SUPPORTED_MINORS} minor versions before the server's are supported"
        return _REASONS.get(upgrade, OUTDATED), message
    return None


def _doubted(agents: Sequence[ConnectedAgent]) -> tuple[str, str] | None:
    for trust, reason in (
        (Trust.REFUSED, "AgentOfAnotherCluster"),
        (Trust.UNVERIFIED, "AgentNotVerified"),
    ):
        for one in agents:
            if one.trust is trust and one.reason:
                return reason, f"pod {_short(one.pod)} on node {_short(one.node)}: {one.reason}"
    return None


def _remedy(name: str, upgrade: Upgrade) -> str:
    manifest = f"sekisho cluster agent {name} | kubectl apply -f -"
    return {
        Upgrade.SCHEDULED: "Sekisho replaces its image within some minutes",
        Upgrade.RUNNING: "its pods are being replaced",
        Upgrade.FAILED: f"the new pods do not become ready: {_PODS}",
        Upgrade.SAME_IMAGE: "images.agent in sekisho.yaml is an older image: set the new one",
        Upgrade.NO_IMAGE: "Sekisho does not know from where clusters pull its image: set "
        "images.registry in sekisho.yaml",
        Upgrade.OWN_IMAGE: "its image is not Sekisho's: apply a manifest with a newer --image "
        f"({manifest.replace(' |', ' --image IMAGE |')})",
        Upgrade.FORBIDDEN: "its manifest does not let Sekisho read the Deployment: apply another "
        f"({manifest})",
        Upgrade.NO_DEPLOYMENT: f"no Deployment sekisho-agent exists: apply a manifest ({manifest})",
    }[upgrade]


def _short(text: str) -> str:
    return text[:60]
