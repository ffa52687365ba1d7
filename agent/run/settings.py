"""What an agent was started with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.relay import Address
from agent.tunnel.control import Hello


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """The settings of an agent. Nothing that arrives in a tunnel changes them.

    ``api_server`` is the only address that streams are relayed to. ``ca_file`` None: the system's
    trust store. ``grace`` is how long streams may continue when their tunnel ends, in seconds.
    ``environ`` names HTTP proxies, possibly with passwords.
    """

    server: str
    token_file: Path
    ca_file: Path | None
    api_server: Address
    hello: Hello
    tunnels: int = 2
    grace: float = 55.0
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
