"""Accept the streams that other replicas open through this replica's tunnels.

Until a connection has proven that it comes from a replica, it is a stranger's: their number is
bounded, and each gets a few seconds and one line. A stranger gets no response. A request is
answered from this replica's own tunnels alone, so it never goes further than one hop.
"""

import asyncio
import errno
import socket
import ssl
import struct
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from config.dialing import DialFailed
from config.loggers import get_logger
from management.tunnels.peer_counts import PeerCounts
from management.tunnels.peer_line import LineReader
from management.tunnels.peer_proof import Freshness, PeerProof, ProofRefused
from management.tunnels.peer_protocol import (
    CONNECTED_LINE,
    FAILED,
    NO_TUNNEL,
    NOT_PROVEN,
    MalformedLine,
    PeerRequest,
    failure_line,
    split_proof,
)
from management.tunnels.peer_relay import Relay
from management.tunnels.peer_sockets import is_same_user
from management.tunnels.peer_strangers import Strangers

STRANGER_SECONDS = 5.0
"""How long a connection may take for its handshake, and for its request after that."""

MOST_DIAL_SECONDS = 60.0
"""How long a stream may take to be connected, however long the caller would wait."""

_LOG_SECONDS = 60.0
"""How often refused connections are logged at most."""

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_EXHAUSTED_SECONDS = 0.5
_RESET = struct.pack("ii", 1, 0)
_LOG = get_logger(__name__)


class _Rejected(Exception):
    """A proven request that this replica does not serve."""

    def __init__(self, code: int, failure: DialFailed) -> None:
        super().__init__(str(failure))
        self.code, self.failure = code, failure


class LocalDialer(Protocol):
    """Opens streams in the tunnels that this process holds."""

    async def dial_local(self, cluster_id: str, seconds: float) -> socket.socket:
        """Return a socket that is connected to the cluster's API server.

        Raises DialFailed, of the kind ``no_agent`` if this process holds no tunnel of the cluster.
        """


class PeerServer:
    """Accepts connections of replicas at the listeners that it is given.

    ``replica_id`` is this process's. ``wall_clock`` returns seconds since 1970. ``streams`` is the
    number of open streams of other processes.
    """

    def __init__(
        self,
        replica_id: str,
        proof: PeerProof,
        dialer: LocalDialer,
        *,
        wall_clock: Callable[[], float],
        stranger_seconds: float = STRANGER_SECONDS,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._replica_id = replica_id
        self._proof = proof
        self._dialer = dialer
        self._freshness = Freshness(wall_clock, self._loop.time)
        self._stranger_seconds = stranger_seconds
        self._listeners: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._logged_at = -_LOG_SECONDS
        self.counts = PeerCounts()
        self.streams = 0

    def serve(
        self, listener: socket.socket, context: ssl.SSLContext | None, strangers: Strangers
    ) -> None:
        """Accept connections until :meth:`close`, which also closes the listener.

        ``context`` is for TLS; without, the listener is a Unix socket, and only processes of the
        same user are accepted.
        """
        self._listeners.append(listener)
        self._start(self._accept_forever(listener, context, strangers))

    async def close(self) -> None:
        """Close the listeners and all streams."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for listener in self._listeners:
            listener.close()

    async def _accept_forever(
        self, listener: socket.socket, context: ssl.SSLContext | None, strangers: Strangers
    ) -> None:
        while True:
            try:
                accepted, peer = await self._loop.sock_accept(listener)
            except OSError as exc:
                if exc.errno in _EXHAUSTED:
                    _LOG.error("cannot accept connections of replicas", error=exc.strerror)
                    await asyncio.sleep(_EXHAUSTED_SECONDS)
                continue  # Otherwise, the peer has left: accept(2).
            address = str(peer[0]) if isinstance(peer, tuple) else ""
            if (context is None and not is_same_user(accepted)) or not strangers.admit(address):
                # A reset leaves nothing of the connection in the kernel.
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                accepted.close()
                continue
            self._start(self._serve(accepted, context, strangers, address))

    async def _serve(
        self,
        accepted: socket.socket,
        context: ssl.SSLContext | None,
        strangers: Strangers,
        address: str,
    ) -> None:
        """Serve one connection to its end."""
        reader = LineReader(more_may_follow=False)
        try:
            try:
                covered = await self._read_proven(accepted, context, reader)
            finally:
                strangers.release(address)
            await self._respond(reader, covered)
        except (OSError, MalformedLine) as exc:
            self._refused(address, str(exc) or "no request came in time")
        finally:
            if reader.transport is not None:
                reader.transport.abort()
            accepted.close()

    async def _read_proven(
        self, accepted: socket.socket, context: ssl.SSLContext | None, reader: LineReader
    ) -> bytes:
        """Return what is proven of the request's line. Raises OSError and MalformedLine."""
        await self._loop.connect_accepted_socket(
            lambda: reader,
            accepted,
            ssl=context,
            ssl_handshake_timeout=self._stranger_seconds if context is not None else None,
        )
        async with asyncio.timeout(self._stranger_seconds):
            covered, proof = split_proof(await reader.line)
        if not self._proof.verifies(covered, proof):
            raise MalformedLine("no proof: it is no replica, or has other encryption keys")
        return covered

    def _check(self, covered: bytes) -> PeerRequest:
        """Return a proven request that is for this replica and fresh. Raises _Rejected."""
        try:
            request = PeerRequest.parse(covered)
            self._freshness.accept(request)
        except (MalformedLine, ProofRefused) as exc:
            raise _Rejected(NOT_PROVEN, DialFailed("failed", str(exc))) from exc
        if request.holder != self._replica_id:
            gone = DialFailed("no_agent", "the replica with the tunnel has ended")
            raise _Rejected(NO_TUNNEL, gone)
        return request

    async def _respond(self, reader: LineReader, covered: bytes) -> None:
        """Open the stream that a proven request names, or say why not."""
        try:
            dialed = await self._dial(reader, self._check(covered))
        except _Rejected as exc:
            await self._fail(reader, exc.code, exc.failure)
        except DialFailed as exc:
            await self._fail(reader, NO_TUNNEL if exc.kind == "no_agent" else FAILED, exc)
        else:
            self.counts.opened += 1
            self.streams += 1
            try:
                await self._relay(reader, dialed)
            finally:
                self.streams -= 1

    async def _relay(self, reader: LineReader, dialed: socket.socket) -> None:
        """Relay the bytes of a stream until its end."""
        if reader.transport is None or reader.gone.done():
            dialed.close()
            return
        relay = Relay()
        reader.transport.set_protocol(relay.caller)
        relay.caller.connection_made(reader.transport)
        # First, for uvloop delivers bytes of the other side as soon as that is connected.
        relay.caller.write(CONNECTED_LINE)
        try:
            await self._loop.create_connection(lambda: relay.cluster, sock=dialed)
        except BaseException:
            dialed.close()
            relay.abort()
            raise
        try:
            relay.start()
            await relay.done
        finally:
            relay.abort()

    async def _dial(self, reader: LineReader, request: PeerRequest) -> socket.socket:
        """Dial until the caller leaves. Raises DialFailed."""
        seconds = min(request.milliseconds / 1000, MOST_DIAL_SECONDS)
        dialing = self._loop.create_task(self._dialer.dial_local(request.cluster_id, seconds))
        try:
            await asyncio.wait((dialing, reader.gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not dialing.done():
                dialing.cancel()
                await asyncio.wait((dialing,))
        if dialing.cancelled():
            raise DialFailed("failed", "the caller has left")
        return dialing.result()

    async def _fail(self, reader: LineReader, code: int, failure: DialFailed) -> None:
        """Respond, and wait until the caller has closed the connection."""
        if reader.transport is None or reader.gone.done():
            return
        self.counts.failed[failure.kind] += 1
        reader.transport.write(failure_line(code, failure))
        try:
            async with asyncio.timeout(self._stranger_seconds):
                await reader.gone
        except TimeoutError:
            pass

    def _refused(self, address: str, reason: str) -> None:
        """Log a refused connection, unless one was logged a moment ago."""
        if self._loop.time() - self._logged_at < _LOG_SECONDS:
            return
        self._logged_at = self._loop.time()
        _LOG.warning("refused a connection of a replica", address=address, reason=reason)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
