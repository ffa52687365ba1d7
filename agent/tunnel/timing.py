"""Times of a tunnel, in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TunnelTiming:
    """``ping``: interval of pings. ``silence``: without any byte for so long, the tunnel is dead.

    ``linger``: how long a stream, of which one socket was closed, may take to end in order.
    """

    ping: float = 5.0
    silence: float = 15.0
    linger: float = 5.0
