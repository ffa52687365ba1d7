"""Tests of how a process opens itself to the other processes of Sekisho."""

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from config.dialing import DialFailed
from config.listen import Listen, parse_listen
from config.peering_settings import PeeringSettings
from config.problems import ConfigError
from proxy.tunnels.peering import Peering, PeerPlace, advertised_host, open_peering
from store.agent_records import Replica
from store.encryption import Keyring, generate_key
from tests.management.tunnels.peers import TcpDialer, echo

KEYRING = Keyring.parse(generate_key())
LOOPBACK = PeeringSettings(listen=Listen("127.0.0.1", 0))


async def opened(
    stack: AsyncExitStack,
    name: str,
    settings: PeeringSettings = LOOPBACK,
    place: PeerPlace | None = None,
    keyring: Keyring = KEYRING,
    machine: str = "machine-a",
) -> Peering:
    peering = open_peering(settings, keyring, Replica(name, machine), place or PeerPlace())
    return await stack.enter_async_context(peering)


async def dialer(stack: AsyncExitStack) -> TcpDialer:
    upstream = await asyncio.start_server(echo, "127.0.0.1", 0)
    stack.callback(upstream.close)
    return TcpDialer(upstream.sockets[0].getsockname()[1])


async def is_reached(caller: Peering, holder: Replica) -> bool:
    """Return whether bytes come back by way of the holder."""
    reader, writer = await asyncio.open_connection(sock=await caller.client.dial(holder, "c-1", 60))
    writer.write(b"ping")
    received = await reader.readexactly(4)
    writer.close()
    return received == b"ping"


@pytest.mark.parametrize("machine", ["machine-a", "machine-b"])
async def test_process_is_reached_with_what_its_row_says(machine: str) -> None:
    async with AsyncExitStack() as stack:
        holder = await opened(stack, "r-1")
        holder.serve(await dialer(stack))
        caller = await opened(stack, "r-2", machine=machine)
        assert await is_reached(caller, holder.replica)


async def test_process_with_other_encryption_keys_is_refused() -> None:
    async with AsyncExitStack() as stack:
        holder = await opened(stack, "r-1")
        holder.serve(await dialer(stack))
        caller = await opened(stack, "r-2", keyring=Keyring.parse(generate_key()))
        with pytest.raises(DialFailed, match="cannot be reached"):
            await caller.client.dial(holder.replica, "c-1", 60)


async def test_process_without_a_listener_is_reached_on_its_machine_only() -> None:
    async with AsyncExitStack() as stack:
        holder = await opened(stack, "r-1", PeeringSettings())
        holder.serve(await dialer(stack))
        assert holder.replica.address is None
        assert holder.replica.certificate_pem is None
        assert await is_reached(await opened(stack, "r-2"), holder.replica)
        elsewhere = await opened(stack, "r-3", machine="machine-b")
        with pytest.raises(DialFailed, match=r"set peering\.listen there"):
            await elsewhere.client.dial(holder.replica, "c-1", 60)


@pytest.mark.parametrize("worker", [0, 1, 7])
async def test_worker_has_a_socket_and_a_port_of_its_own(
    worker: int, tmp_path: Path, unused_port: int
) -> None:
    tmp_path.chmod(0o700)
    settings = PeeringSettings(listen=Listen("127.0.0.1", unused_port - worker))
    async with AsyncExitStack() as stack:
        replica = (await opened(stack, "r-1", settings, PeerPlace(worker, tmp_path))).replica
    assert replica.address == f"127.0.0.1:{unused_port}"
    assert Path(replica.socket).name == f"peer-{worker}.sock"


async def test_worker_that_was_killed_leaves_its_socket_to_the_next_one(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "peer-0.sock"))
    async with AsyncExitStack() as stack:
        holder = await opened(stack, "r-1", place=PeerPlace(0, tmp_path))
        holder.serve(await dialer(stack))
        assert await is_reached(await opened(stack, "r-2"), replace(holder.replica, address=None))


async def test_port_in_use_is_reported_with_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = PeeringSettings(listen=Listen("127.0.0.1", taken.getsockname()[1]))
        with pytest.raises(ConfigError, match=r"peering\.listen.*is in use"):
            async with AsyncExitStack() as stack:
                await opened(stack, "r-1", settings)


async def test_process_without_a_usable_folder_starts_without_a_socket(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir(mode=0o700)
    async with AsyncExitStack() as stack:
        peering = await opened(stack, "r-1", place=PeerPlace(0, long))
        assert peering.replica.socket == ""
        assert peering.replica.address is not None


async def test_files_and_listeners_are_gone_afterwards() -> None:
    async with AsyncExitStack() as stack:
        peering = await opened(stack, "r-1")
        peering.serve(await dialer(stack))
        path, address = Path(peering.replica.socket), peering.replica.address
        assert path.is_socket()
    assert not path.parent.exists()
    assert address is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", parse_listen(address).port))


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        (PeeringSettings(listen=Listen("127.0.0.1", 0)), "127.0.0.1"),
        (PeeringSettings(listen=Listen(None, 0), advertise="gate.example"), "gate.example"),
        (PeeringSettings(listen=Listen("10.1.2.3", 1), advertise="::1"), "::1"),
    ],
)  # fmt: skip
async def test_advertised_host_is_the_configured_one(settings: PeeringSettings, host: str) -> None:
    assert await advertised_host(settings) == host


async def test_advertised_host_of_every_interface_is_no_loopback_address() -> None:
    host = await advertised_host(PeeringSettings(listen=Listen(None, 0)))
    assert host not in {"", "localhost"}
    assert not host.startswith("127.")
