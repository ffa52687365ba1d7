"""Cut the streams to a replica that no longer responds.

The connections of a process that was killed end with it. Those of one that is frozen, or behind a
network that has gone silent, would stay open for as long as their users wait. So a replica to which
streams are open is probed, and after some seconds without a response its streams are shut down.
Their users see a connection that was lost.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from weakref import WeakSet

from config.loggers import get_logger
from store.agent_records import Replica


@dataclass(frozen=True, slots=True)
class WatchTiming:
    """``probe``: seconds between two probes, and for one. ``dead``: seconds without a response."""

    probe: float = 4.0
    dead: float = 12.0


_LOG = get_logger(__name__)


@dataclass(slots=True)
class _Watched:
    """The open streams to a replica. A stream is gone when its user has closed the socket."""

    streams: WeakSet[socket.socket] = field(default_factory=WeakSet)

    def open(self) -> list[socket.socket]:
        return [one for one in self.streams if one.fileno() >= 0]


class PeerWatch:
    """Watches replicas while streams to them are open.

    ``responds`` returns whether a replica responds within a number of seconds.
    """

    def __init__(
        self, responds: Callable[[Replica, float], Awaitable[bool]], timing: WatchTiming
    ) -> None:
        self._responds = responds
        self._timing = timing
        self._watched: dict[str, _Watched] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, replica: Replica, stream: socket.socket) -> None:
        """Watch the replica for as long as the socket is open."""
        watched = self._watched.get(replica.id)
        if watched is None:
            watched = self._watched[replica.id] = _Watched()
            task = asyncio.get_running_loop().create_task(self._watch(replica, watched))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        watched.streams.add(stream)

    @property
    def replicas(self) -> int:
        """The number of replicas that are watched now."""
        return len(self._watched)

    @property
    def streams(self) -> int:
        """The number of open streams to all replicas."""
        return sum(len(one.open()) for one in self._watched.values())

    async def close(self) -> None:
        """Watch no longer."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, replica: Replica, watched: _Watched) -> None:
        loop = asyncio.get_running_loop()
        responded_at = loop.time()
        try:
            while True:
                await asyncio.sleep(self._timing.probe)
                streams = watched.open()
                if not streams:
                    return
                if loop.time() - responded_at >= self._timing.dead:
                    _LOG.warning(
                        "another process does not respond; its streams are cut",
                        replica=replica.id,
                        streams=len(streams),
                    )
                    _shut_down(streams)
                    return
                if await self._responds(replica, self._timing.probe):
                    responded_at = loop.time()
        finally:
            del self._watched[replica.id]


def _shut_down(streams: list[socket.socket]) -> None:
    """End connections whose sockets belong to others, which close them then."""
    for stream in streams:
        with suppress(OSError):  # It was closed meanwhile.
            stream.shutdown(socket.SHUT_RDWR)
