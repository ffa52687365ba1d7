"""Fixtures for tests of tunnels."""

from tests.agent.tunnel_peer import yamux_peer

__all__ = ["yamux_peer"]
