"""Connected agents as the API and conditions show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from store.agent_records import Trust, Tunnel


@dataclass(frozen=True, slots=True)
class ConnectedAgent:
    """A tunnel as the API shows it. ``streams`` and ``rtt`` (seconds) are known here only.

    ``reason`` says why ``trust`` is not ``VERIFIED``.
    """

    pod: str
    node: str
    version: str
    since: datetime
    streams: int | None = None
    rtt: float | None = None
    trust: Trust = Trust.VERIFIED
    reason: str = ""


def no_agents(cluster_id: str) -> Sequence[ConnectedAgent]:
    """Return none: for a process without tunnels."""
    return ()


def connected_agent(
    tunnel: Tunnel, streams: int | None = None, rtt: float | None = None
) -> ConnectedAgent:
    """Return a tunnel as it is shown."""
    return ConnectedAgent(
        tunnel.pod,
        tunnel.node,
        tunnel.version,
        tunnel.since,
        streams,
        rtt,
        tunnel.trust,
        tunnel.reason,
    )
