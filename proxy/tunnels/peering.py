"""Open this process to the other processes of Sekisho, which use its tunnels, and reach them.

A request arrives at any process, but a tunnel is at one. So each process listens for the others:

* on this machine at a Unix socket, in a folder that only Sekisho's user may enter;
* for other machines at ``peering.listen``, with TLS. Worker *n* has that port + *n*. The workers
  cannot share one port with ``SO_REUSEPORT``, as they share the one for clients: the kernel would
  give each connection to any worker, and the one with the tunnel must get it. Ports that follow
  from one setting can be named in a firewall's rule, which ports that the kernel chooses cannot.

See docs/decisions/0045-peering.md.
"""

import asyncio
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

from config.listen import Listen
from config.loggers import get_logger
from config.peering_settings import PeeringSettings
from management.tunnels.peer_client import PeerClient
from management.tunnels.peer_proof import PURPOSE, PeerProof
from management.tunnels.peer_server import LocalDialer, PeerServer
from management.tunnels.peer_sockets import CAN_CHECK_USER, listen_at_address, listen_at_path
from management.tunnels.peer_strangers import Strangers
from management.tunnels.peer_tls import PeerIdentity, create_identity
from providers.network.name_lookups import LOOKUPS
from proxy.transport.bind_errors import explain_bind_errors
from store.agent_records import Replica
from store.encryption import Keyring

NAME_SECONDS = 3.0
"""How long the name of this machine may take to be resolved."""

_ANY_HOST = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound
_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PeerPlace:
    """Which worker this process is, and the private folder of the workers' sockets.

    ``folder`` is None for a process that serves alone: it makes one.
    """

    worker: int = 0
    folder: Path | None = None


ALONE = PeerPlace()


@dataclass(frozen=True, slots=True)
class _Listener:
    """A listening socket. ``identity`` is for TLS; None for the Unix socket."""

    socket: socket.socket
    identity: PeerIdentity | None = None


class Peering:
    """How others reach this process (``replica``), and how it reaches them (``client``)."""

    def __init__(self, replica: Replica, proof: PeerProof, listeners: Sequence[_Listener]) -> None:
        self.replica = replica
        self.client = PeerClient(replica.id, replica.machine, proof, wall_clock=time.time)
        self._proof = proof
        self._listeners = listeners
        self.server: PeerServer | None = None

    def serve(self, dialer: LocalDialer) -> None:
        """Accept streams of other processes, through the tunnels that ``dialer`` has here."""
        self.server = PeerServer(self.replica.id, self._proof, dialer, wall_clock=time.time)
        for one in self._listeners:
            context = one.identity.context if one.identity is not None else None
            self.server.serve(one.socket, context, Strangers())

    async def close(self) -> None:
        """End all streams between this process and others."""
        if self.server is not None:
            await self.server.close()
        await self.client.close()


@asynccontextmanager
async def open_peering(
    settings: PeeringSettings, keyring: Keyring, replica: Replica, place: PeerPlace
) -> AsyncIterator[Peering]:
    """Listen for other processes. They are served after :meth:`Peering.serve`.

    Raises:
        ConfigError: ``peering.listen`` cannot be used.
    """
    with ExitStack() as stack:
        listeners = []
        path = _listen_on_this_machine(stack, place)
        if path is not None:
            replica = replace(replica, socket=str(path.getsockname()))
            listeners.append(_Listener(path))
        listen = settings.listener(place.worker)
        if listen is not None:
            with explain_bind_errors("peering.listen", listen):
                opened = stack.enter_context(listen_at_address(listen))
            identity = create_identity()
            address = Listen(await advertised_host(settings), opened.getsockname()[1])
            replica = replace(
                replica, address=str(address), certificate_pem=identity.certificate_pem
            )
            listeners.append(_Listener(opened, identity))
            _LOG.info("listening for other replicas", address=replica.address)
        peering = Peering(replica, PeerProof(keyring.derive_all(PURPOSE)), listeners)
        try:
            yield peering
        finally:
            await peering.close()


def _listen_on_this_machine(stack: ExitStack, place: PeerPlace) -> socket.socket | None:
    """Return a Unix socket that listens. None where that is not possible: not all need it."""
    if not CAN_CHECK_USER:
        return None
    try:
        folder = place.folder or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="sekisho-"))
        )
        path = folder / f"peer-{place.worker}.sock"
        path.unlink(missing_ok=True)  # of the process before this one
        return stack.enter_context(listen_at_path(path))
    except OSError as exc:
        _LOG.warning(
            "no socket for other processes of this machine: they can't use this one's tunnels",
            error=str(exc),
            fix="let TMPDIR be a folder that Sekisho may write to, with a short path",
        )
        return None


async def advertised_host(settings: PeeringSettings) -> str:
    """Return the host by which other replicas reach this machine.

    In a container, and so in a pod, the name of the machine resolves to the address that others
    can use, and the name means nothing to them. Elsewhere it may resolve to a loopback address,
    and others know the name.
    """
    if settings.advertise:
        return settings.advertise
    assert settings.listen is not None
    host = settings.listen.host or ""
    if host not in _ANY_HOST:
        return host
    name = socket.gethostname()
    try:
        async with asyncio.timeout(NAME_SECONDS):
            found = await LOOKUPS.look_up(name, None)
    except (OSError, TimeoutError):
        return name
    addresses = [ip_address(str(one[4][0]).partition("%")[0]) for one in found]
    usable = [one for one in addresses if not one.is_loopback and not one.is_link_local]
    return str(usable[0]) if usable else name
