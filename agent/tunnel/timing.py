"""Times of a tunnel, in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TunnelTiming:
    """``ping``: after so long without a byte, the agent sends a ping.

    The server's pings are for agents that fail to: it waits a fifth longer, and sends others only
    to measure the round trip, every ``measure``. With pings from both sides, idle tunnels cost
    twice as much. ``silence``: without any byte for so long, the tunnel is dead. ``linger``: how
    long a stream, of which one socket was closed, may take to end in order.
    """

    ping: float = 5.0
    measure: float = 30.0
    silence: float = 15.0
    linger: float = 5.0
