"""The server's end of one tunnel: its streams, and the control stream that the agent opens.

Nothing that an agent sends selects the cluster: the token with which it connected does.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from agent.tunnel.connection import TunnelConnection
from agent.tunnel.control import (
    ControlError,
    ControlReader,
    Drain,
    Hello,
    Message,
    Refused,
    Welcome,
    encode,
)
from agent.tunnel.frame_rate import FrameRate
from agent.tunnel.stream_handler import StreamHandler
from agent.tunnel.timing import TunnelTiming
from agent.websocket.codec import CloseCode
from agent.yamux.limits import Limits
from management.tunnels.answers import Answers
from store.agent_records import Trust, Tunnel

_LIMITS = Limits(remote_streams=2)
"""An agent opens the control stream. One more is seen, and ends the tunnel."""

BYTES_OF_A_FRAME = 64
"""Bytes of messages that cost as much as a frame to read."""

HELLO_SECONDS = 10.0
"""How long an agent may take to send its first message."""


@dataclass(frozen=True, slots=True)
class TunnelOwner:
    """Whose tunnel it is: the cluster and the agent token with which it was opened."""

    cluster_id: str
    cluster_name: str
    token_id: str
    digest: bytes = field(repr=False)


class AgentTunnel:
    """One tunnel. ``connection`` gets the transport.

    ``ready`` is called when the agent has introduced itself, ``ended`` once with the reason when
    the tunnel has ended. ``rate`` limits the agent's frames. ``suspended``: it does not answer, and
    other ways are used; see :mod:`~.suspension`.
    """

    def __init__(
        self,
        owner: TunnelOwner,
        welcome: Welcome,
        *,
        ready: Callable[["AgentTunnel"], None],
        ended: Callable[["AgentTunnel", str], None],
        timing: TunnelTiming | None = None,
        rate: FrameRate | None = None,
        hello_seconds: float = HELLO_SECONDS,
    ) -> None:
        self.id = f"t-{secrets.token_hex(8)}"
        self.owner = owner
        self.since = datetime.now(UTC)
        self.hello: Hello | None = None
        self.drains = self.suspended = False
        self.trust = Trust.UNVERIFIED
        self.reason = ""
        self.connection = TunnelConnection(
            client=False,
            accept=self._accept,
            lost=self._lost,
            limits=_LIMITS,
            timing=timing,
            rate=rate,
        )
        self.answers = Answers(self.connection)
        self._welcome = welcome
        self._ready = ready
        self._ended = ended
        self._control: int | None = None
        self._reader = ControlReader()
        loop = asyncio.get_running_loop()
        self._hello_seconds = hello_seconds
        self._deadline = loop.call_later(hello_seconds, self._no_hello)

    @property
    def usable(self) -> bool:
        """Return whether streams of requests can be opened."""
        trusted = self.trust in (Trust.VERIFIED, Trust.UNVERIFIED)
        return trusted and self.hello is not None and self.connection.usable and not self.drains

    def record(self, replica_id: str) -> Tunnel:
        """Return the tunnel as the store has it."""
        hello = self.hello or Hello()
        return Tunnel(
            self.id,
            self.owner.cluster_id,
            replica_id,
            hello.pod,
            hello.node,
            hello.version,
            self.since,
            self.trust,
            self.reason,
        )

    def judge(self, trust: Trust, reason: str = "") -> None:
        """Set whether the tunnel leads to its cluster. An agent that is refused learns why."""
        is_open = self._control is not None and self.connection.usable
        if is_open and Trust.REFUSED in (trust, self.trust):
            self._send(Refused(reason if trust is Trust.REFUSED else ""))
        self.trust, self.reason = trust, reason

    def announce_end(self, reason: str) -> None:
        """Ask the agent to open a tunnel elsewhere. Streams continue."""
        if self._control is not None and self.connection.usable:
            self._send(Drain(reason))

    # Events of the control stream

    def stream_data(self, data: bytes) -> None:
        """Handle messages of the agent."""
        assert self._control is not None
        self.connection.count(data.count(b"\n") + len(data) // BYTES_OF_A_FRAME)
        try:
            for message in self._reader.read(data):
                self._handle(message)
        except ControlError as exc:
            self._violated(str(exc))
        else:
            self.connection.consume(self._control, len(data))

    def stream_finished(self) -> None:
        """End the tunnel: it has no control stream any longer."""
        self._violated("the agent ended the control stream")

    def stream_reset(self) -> None:
        """End the tunnel: it has no control stream any longer."""
        self._violated("the agent ended the control stream")

    def stream_writable(self) -> None:
        """Do nothing: messages to the agent are few and short."""

    def _handle(self, message: Message) -> None:
        if isinstance(message, Hello) and self.hello is None:
            self.hello = message
            self._deadline.cancel()
            self._send(self._welcome)
            self._ready(self)
        elif isinstance(message, Drain):
            self.drains = True

    def _accept(self, stream_id: int) -> StreamHandler:
        if self._control is None:
            self._control = stream_id
            return self
        self._violated("the agent opened a second stream")
        return _Ignored()

    def _send(self, message: Message) -> None:
        assert self._control is not None
        self.connection.send(self._control, encode(message))

    def _no_hello(self) -> None:
        self._violated(f"the agent did not introduce itself within {self._hello_seconds:g} s")

    def _violated(self, reason: str) -> None:
        # Later: the connection is in the middle of an event.
        loop = asyncio.get_running_loop()
        loop.call_soon(self.connection.close, reason, CloseCode.PROTOCOL_ERROR)

    def _lost(self, reason: str) -> None:
        self._deadline.cancel()
        self._ended(self, reason)


class _Ignored:
    """The handler of a stream in a tunnel that is closed because of it."""

    def stream_data(self, data: bytes) -> None:
        """Do nothing."""

    def stream_finished(self) -> None:
        """Do nothing."""

    def stream_reset(self) -> None:
        """Do nothing."""

    def stream_writable(self) -> None:
        """Do nothing."""
