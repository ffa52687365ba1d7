"""What the controllers know of agents: those that are connected, and what they should run."""

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from management.tunnels.connected_agents import ConnectedAgent, no_agents

THIS_VERSION = importlib.metadata.version("sekisho")


@dataclass(frozen=True, slots=True)
class Agents:
    """``connected`` returns the agents of a cluster. ``image`` is that of ``server_version``."""

    connected: Callable[[str], Sequence[ConnectedAgent]] = no_agents
    image: str = f"sekisho:{THIS_VERSION}"
    server_version: str = THIS_VERSION
