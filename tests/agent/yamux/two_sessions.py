"""Two sessions, joined without a socket."""

from dataclasses import dataclass, field

from agent.yamux.events import DataReceived, Event
from agent.yamux.limits import Limits
from agent.yamux.session import Session


@dataclass
class Pair:
    """A client and a server. ``now`` is their clock."""

    client: Session = field(default_factory=lambda: Session(client=True))
    server: Session = field(default_factory=lambda: Session(client=False))
    now: float = 1000.0
    delay: float = 0.0

    @classmethod
    def limited(cls, limits: Limits) -> "Pair":
        """Return a pair of which both sides have these limits."""
        return cls(Session(client=True, limits=limits), Session(client=False, limits=limits))

    def exchange(self, most: int = 1 << 20) -> tuple[list[Event], list[Event]]:
        """Deliver all output until both are idle. Return the events of client and server."""
        seen: tuple[list[Event], list[Event]] = ([], [])
        while self.client.has_output or self.server.has_output:
            for sender, receiver in ((self.client, self.server), (self.server, self.client)):
                data = b"".join(sender.take_output(most))
                self.now += self.delay
                receiver.receive(data, self.now)
            seen[0].extend(self.client.drain_events())
            seen[1].extend(self.server.drain_events())
        seen[0].extend(self.client.drain_events())
        seen[1].extend(self.server.drain_events())
        return seen


def received(events: list[Event], stream_id: int) -> bytes:
    """Return the data of a stream in the events."""
    return b"".join(
        one.data for one in events if isinstance(one, DataReceived) and one.stream_id == stream_id
    )
