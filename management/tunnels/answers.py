"""Whether the peer of a tunnel answers: what is sent makes it send something.

Each request does, and each ping.
"""

from agent.tunnel.connection import TunnelConnection


class Answers:
    """Observes a tunnel. Call :meth:`check` in equal intervals.

    ``unanswered`` is the number of checks since something was sent, without a byte of the peer.
    """

    __slots__ = ("_connection", "_received", "unanswered")

    def __init__(self, connection: TunnelConnection) -> None:
        self.unanswered = 0
        self._connection = connection
        self._received = 0

    def check(self) -> None:
        """Count an interval without an answer."""
        received = self._connection.bytes_in
        if received != self._received:
            self.unanswered = 0
        elif self._connection.awaits:
            self.unanswered += 1
        self._received = received
