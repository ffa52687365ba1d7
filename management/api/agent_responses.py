"""Agents in responses."""

from typing import Any

from management.api.response_model import ResponseModel
from management.tunnels.connected_agents import ConnectedAgent


class AgentTokenResponse(ResponseModel):
    """An agent token. The token itself goes to the cluster only."""

    id: str
    created_at: str


def agent_json(agent: ConnectedAgent) -> dict[str, Any]:
    """Return a connected agent as the API shows it."""
    return {
        "pod": agent.pod,
        "node": agent.node,
        "version": agent.version,
        "since": agent.since.isoformat(),
        "streams": agent.streams,
        "rtt": agent.rtt,
        "trust": agent.trust.value,
        "reason": agent.reason or None,
    }
