"""Reach a cluster through a tunnel that another process of this Sekisho holds.

A process on the same machine is reached at its Unix socket, all others by TCP with TLS. The result
is a socket in both cases. A Unix socket is returned itself, so no byte is copied here. A TLS
connection is joined with a pair of sockets.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import lru_cache
from weakref import WeakValueDictionary

from config.dialing import DialFailed
from config.listen import parse_listen
from management.tunnels.peer_counts import PeerCounts
from management.tunnels.peer_line import LineReader
from management.tunnels.peer_proof import PeerProof
from management.tunnels.peer_protocol import (
    CONNECTED_LINE,
    MAX_LINE_BYTES,
    MalformedLine,
    PeerRequest,
    parse_failure,
    request_line,
)
from management.tunnels.peer_relay import Relay
from management.tunnels.peer_sockets import is_same_user, set_tcp_options
from management.tunnels.peer_tls import SERVER_NAME, pinned_context
from management.tunnels.peer_watch import PeerWatch, WatchTiming
from store.agent_records import Replica

AT_ONCE = 16
"""Connections to one replica that are being opened at once. More wait: a replica accepts a bounded
number of connections that have not proven to come from a replica. A request that was sent does not
count, for the cluster may take its time."""

_PROBE = "-"
"""No cluster has this id, so a replica answers at once that it has no tunnel of it."""

_context = lru_cache(maxsize=256)(pinned_context)


class _NotHere(Exception):
    """The Unix socket cannot be reached from this process, for example from another container."""


class PeerClient:
    """Opens streams in the tunnels of other replicas.

    ``replica_id`` and ``machine`` are this process's; ``wall_clock`` returns seconds since 1970.
    """

    def __init__(
        self,
        replica_id: str,
        machine: str,
        proof: PeerProof,
        *,
        wall_clock: Callable[[], float],
        timing: WatchTiming | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._replica_id = replica_id
        self._machine = machine
        self._proof = proof
        self._wall_clock = wall_clock
        self._opening: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._relays: set[asyncio.Task[None]] = set()
        self.counts = PeerCounts()
        self._watch = PeerWatch(self.responds, timing or WatchTiming())

    async def dial(self, replica: Replica, cluster_id: str, seconds: float) -> socket.socket:
        """Return a socket that is connected to the API server of a cluster.

        Raises:
            DialFailed: not within ``seconds``, or not by way of that replica. The kind is
                ``no_agent`` if it holds no tunnel of the cluster, so that another one may.
        """
        try:
            stream = await self._dial_within(replica, cluster_id, seconds)
        except DialFailed as exc:
            self.counts.failed[exc.kind] += 1
            raise
        self.counts.opened += 1
        self._watch.add(replica, stream)
        return stream

    async def responds(self, replica: Replica, seconds: float) -> bool:
        """Return whether a replica responds within that time, with whatever response.

        A refused connection is one, too: the streams of a process that has ended have ended.
        """
        try:
            stream = await self._dial_within(replica, _PROBE, seconds)
        except DialFailed as exc:
            return exc.kind != "timeout"
        stream.close()
        return True

    async def _dial_within(
        self, replica: Replica, cluster_id: str, seconds: float
    ) -> socket.socket:
        """Return the stream within a number of seconds. Raises DialFailed."""
        until = self._loop.time() + seconds
        try:
            async with asyncio.timeout_at(until):
                return await self._dial(replica, cluster_id, until)
        except TimeoutError:
            message = f"the replica with the tunnel did not respond within {seconds:g} s"
            raise DialFailed("timeout", message) from None
        except DialFailed:
            raise
        except (OSError, MalformedLine, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
            message = f"the replica with the tunnel cannot be reached: {reason}"
            raise DialFailed("failed", message) from exc

    @property
    def streams(self) -> int:
        """The number of open streams in tunnels of other replicas."""
        return self._watch.streams

    @property
    def watches(self) -> int:
        """The number of replicas to which streams are open."""
        return self._watch.replicas

    async def close(self) -> None:
        """Close the streams that are joined with a TLS connection."""
        await self._watch.close()
        relays = list(self._relays)
        for relay in relays:
            relay.cancel()
        await asyncio.gather(*relays, return_exceptions=True)

    async def _dial(self, replica: Replica, cluster_id: str, until: float) -> socket.socket:
        if replica.socket and replica.machine == self._machine:
            try:
                return await self._dial_path(replica, cluster_id, until)
            except _NotHere as exc:
                if replica.address is None:
                    raise DialFailed("failed", f"another process {exc}") from exc
        if replica.address is None or replica.certificate_pem is None:
            raise DialFailed(
                "failed",
                "the tunnel is at a replica that others cannot reach; set peering.listen there",
            )
        return await self._dial_address(replica, cluster_id, until)

    async def _dial_path(self, replica: Replica, cluster_id: str, until: float) -> socket.socket:
        """Return the connected Unix socket."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            async with self._opening_of(replica):
                await self._connect_path(connection, replica.socket)
                await self._loop.sock_sendall(connection, self._request(replica, cluster_id, until))
            response = await self._read_response(connection)
        except BaseException:
            connection.close()
            raise
        if response != CONNECTED_LINE:
            connection.close()
            raise parse_failure(response)
        return connection

    async def _connect_path(self, connection: socket.socket, path: str) -> None:
        """Connect to this user's process that listens there. Raises _NotHere."""
        try:
            await self._loop.sock_connect(connection, path)
            same_user = is_same_user(connection)
        except OSError as exc:
            raise _NotHere(f"of this machine cannot be reached: {exc.strerror}") from exc
        if not same_user:
            raise _NotHere("listens at its socket, and runs as another user")

    async def _read_response(self, connection: socket.socket) -> bytes:
        """Return the response. What follows a good one is left in the socket."""
        received = b""
        while not received.endswith(b"\n") and len(received) < MAX_LINE_BYTES:
            wanted = len(CONNECTED_LINE) - len(received)
            # A failure is not followed by anything.
            data = await self._loop.sock_recv(connection, wanted if wanted > 0 else MAX_LINE_BYTES)
            if not data:
                raise ConnectionResetError("it closed the connection")
            received += data
        return received

    async def _dial_address(self, replica: Replica, cluster_id: str, until: float) -> socket.socket:
        """Connect by TLS, and return a socket that is joined with the connection."""
        assert replica.address is not None
        assert replica.certificate_pem is not None
        address = parse_listen(replica.address)
        reader = LineReader(more_may_follow=True)
        try:
            async with self._opening_of(replica):
                await self._loop.create_connection(
                    lambda: reader,
                    address.host or "",
                    address.port,
                    ssl=_context(replica.certificate_pem),
                    server_hostname=SERVER_NAME,
                    # uvloop keeps the objects of a cancelled handshake for this time.
                    ssl_handshake_timeout=max(until - self._loop.time(), 0.1),
                )
            assert reader.transport is not None
            _check_certificate(reader.transport, replica.certificate_pem)
            set_tcp_options(reader.transport.get_extra_info("socket"))
            reader.transport.write(self._request(replica, cluster_id, until))
            response = await reader.line
            if response != CONNECTED_LINE:
                raise parse_failure(response)
            return await self._joined(reader)
        except BaseException:
            if reader.transport is not None:
                reader.transport.abort()
            raise

    async def _joined(self, reader: LineReader) -> socket.socket:
        """Join the TLS connection with a pair of sockets, and return the other one."""
        assert reader.transport is not None
        relay = Relay()
        reader.transport.set_protocol(relay.cluster)
        relay.cluster.connection_made(reader.transport)
        near, far = socket.socketpair()
        try:
            near.setblocking(False)
            far.setblocking(False)
            await self._loop.create_connection(lambda: relay.caller, sock=near)
        except BaseException:
            near.close()
            far.close()
            raise
        relay.caller.write(reader.rest)
        relay.start()
        task = self._loop.create_task(_relay_until_done(relay))
        self._relays.add(task)
        task.add_done_callback(self._relays.discard)
        return far

    def _opening_of(self, replica: Replica) -> asyncio.Semaphore:
        return self._opening.setdefault(replica.id, asyncio.Semaphore(AT_ONCE))

    def _request(self, replica: Replica, cluster_id: str, until: float) -> bytes:
        milliseconds = int(max(until - self._loop.time(), 0) * 1000)
        covered = PeerRequest(
            cluster_id, self._replica_id, replica.id, milliseconds, int(self._wall_clock())
        ).encode()
        return request_line(covered, self._proof.sign(covered))


async def _relay_until_done(relay: Relay) -> None:
    try:
        await relay.done
    finally:
        relay.abort()


def _check_certificate(transport: asyncio.Transport, pem: str) -> None:
    """Check that the certificate is the one of the store, byte for byte. Raises SSLError."""
    presented = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    if presented != ssl.PEM_cert_to_DER_cert(pem.strip() + "\n"):
        raise ssl.SSLError("it presented another certificate than the one in the store")
