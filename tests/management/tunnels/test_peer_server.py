"""Tests of what a replica accepts: only requests that another replica has proven, within bounds."""

import asyncio
import contextlib
import os
import socket
import ssl
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from config.dialing import DialFailed
from management.tunnels.peer_proof import PeerProof
from management.tunnels.peer_protocol import MAX_LINE_BYTES, PeerRequest, request_line
from management.tunnels.peer_sockets import listen_at_path
from management.tunnels.peer_strangers import Strangers
from management.tunnels.peer_tls import SERVER_NAME, pinned_context
from tests.management.tunnels.peers import CALLER, HOLDER, KEY, Peers, open_files, peers
from tests.support.waiting import eventually

HANG = 120


def request(**changes: object) -> bytes:
    """Return a good request, with changes, and the proof for it."""
    good = PeerRequest("c-1", CALLER, HOLDER, 60_000, int(time.time()))
    covered = replace(good, **changes).encode()  # type: ignore[arg-type]
    return request_line(covered, PeerProof([KEY]).sign(covered))


async def ask(world: Peers, line: bytes) -> bytes:
    """Send bytes to the TLS listener, and return the first bytes of the response."""
    assert world.replica.address is not None
    assert world.replica.certificate_pem is not None
    host, _, port = world.replica.address.partition(":")
    context = pinned_context(world.replica.certificate_pem)
    reader, writer = await asyncio.open_connection(
        host, int(port), ssl=context, server_hostname=SERVER_NAME
    )
    try:
        writer.write(line)
        async with asyncio.timeout(HANG):
            return await reader.read(MAX_LINE_BYTES)
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


async def test_proven_request_is_connected() -> None:
    async with peers(tls=True) as world:
        assert await ask(world, request()) == b"200\n"


def with_another_end(line: bytes) -> bytes:
    """Return a line whose proof has another last digit."""
    return line[:-2] + (b"1\n" if line.endswith(b"0\n") else b"0\n")


@pytest.mark.parametrize(
    "line",
    [
        with_another_end(request()),
        request()[:-66] + b"\n",
        request().replace(b"c-1", b"c-2"),
        request().replace(HOLDER.encode(), b"holder-2"),
        request().replace(b" 60000 ", b" 60001 "),
        request_line(b"CONNECT c-1", PeerProof([bytes(32)]).sign(b"CONNECT c-1")),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\n",
        "CONNECT é\n".encode(),
        b"x" * (MAX_LINE_BYTES + 1),
        request() + b"early",
    ],
    ids=[
        "proof", "no-proof", "cluster", "holder", "time", "key", "http", "empty", "utf-8", "long",
        "early-bytes",
    ],
)  # fmt: skip
async def test_request_that_is_not_proven_gets_no_response_and_no_stream(line: bytes) -> None:
    async with peers(tls=True) as world:
        assert await ask(world, line) == b""
        await eventually(lambda: not world.strangers.admitted)


async def test_request_is_accepted_once() -> None:
    line = request()
    async with peers(tls=True) as world:
        assert await ask(world, line) == b"200\n"
        assert b"403 failed the request was sent before" in await ask(world, line)
        assert len(world.dialer.asked) == 1


@pytest.mark.parametrize("seconds", [-120, 120])
async def test_request_of_another_time_is_refused_with_the_cause(seconds: int) -> None:
    async with peers(tls=True, caller_clock=lambda: time.time() + seconds) as world:
        with pytest.raises(DialFailed, match=r"clocks of the replicas differ by 1\d\d s"):
            await world.connect()
        assert world.dialer.asked == []


async def test_request_of_a_newer_protocol_is_answered() -> None:
    covered = b"CONNECT c-1 sekisho-peer/2 news"
    async with peers(tls=True) as world:
        line = request_line(covered, PeerProof([KEY]).sign(covered))
        assert (await ask(world, line)).startswith(b"403 failed not a request of sekisho-peer/1")


async def test_caller_with_other_keys_is_refused() -> None:
    async with peers(tls=True, caller_key=bytes(32)) as world:
        with pytest.raises(DialFailed, match="cannot be reached"):
            await world.connect()
        assert world.dialer.asked == []


async def test_stranger_that_sends_nothing_is_cut_off() -> None:
    async with peers(tls=True, stranger_seconds=2) as world:
        assert await ask(world, b"") == b""
        assert await ask(world, b"CONNECT c-1 ") == b""
        _, port = address(world)
        with socket.create_connection(("127.0.0.1", port), timeout=HANG) as stranger:
            assert await asyncio.to_thread(no_bytes, stranger)
        await eventually(lambda: not world.strangers.admitted)


async def test_strangers_above_the_limit_are_reset_and_replicas_of_the_machine_served() -> None:
    strangers = Strangers(total=4, per_address=4)
    async with peers(tls=False, strangers=strangers) as world:
        before = open_files()
        _, port = address(world)
        with contextlib.ExitStack() as stack:
            held = [
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=HANG))
                for _ in range(20)
            ]
            await eventually(lambda: strangers.admitted == 4)
            closed = await asyncio.gather(*(asyncio.to_thread(no_bytes, one) for one in held[4:]))
            assert all(closed)
            # At the Unix socket, they do not count.
            _, writer = await world.connect()
            writer.close()
        await eventually(lambda: strangers.admitted == 0)
        await eventually(lambda: open_files() <= before)


async def test_stranger_without_tls_is_refused() -> None:
    async with peers(tls=True) as world:
        _, port = address(world)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request())
        with contextlib.suppress(ConnectionError):
            assert b"200" not in await reader.read(-1)  # at most an alert of TLS
        writer.close()
        assert world.dialer.asked == []


async def test_old_versions_of_tls_are_refused() -> None:
    async with peers(tls=True) as world:
        assert world.replica.certificate_pem is not None
        context = pinned_context(world.replica.certificate_pem)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        host, port = address(world)
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await asyncio.open_connection(host, port, ssl=context, server_hostname=SERVER_NAME)


async def test_closed_server_ends_listeners_and_streams() -> None:
    async with peers(tls=True) as world:
        reader, _ = await world.connect()
        await world.server.close()
        assert await reader.read(-1) == b""
        host, port = address(world)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, port))


def test_socket_in_a_folder_of_others_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(PermissionError, match="private folder"):
        listen_at_path(tmp_path / "0.sock")


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's process needs root")
async def test_process_of_another_user_is_refused_at_the_unix_socket() -> None:
    async with peers(tls=False) as world:
        world.folder.chmod(0o711)  # as if the folder did not protect the socket
        os.chmod(world.replica.socket, 0o666)
        code = (
            "import os, socket, sys; os.setuid(65534); s = socket.socket(socket.AF_UNIX);"
            "s.connect(sys.argv[1]); s.sendall(sys.argv[2].encode());"
            "\ntry: data = s.recv(100)\nexcept ConnectionError: data = b''\nprint(data)"
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, world.replica.socket, request().decode(),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert out.strip() == b"b''" or b"BrokenPipe" in err, (out, err)
        assert world.dialer.asked == []


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's process needs root")
async def test_socket_of_another_user_at_a_former_path_gets_no_request() -> None:
    async with peers(tls=False) as world:
        world.folder.chmod(0o777)
        path = str(world.folder / "stolen")
        code = (
            "import os, socket, sys; os.setuid(65534); s = socket.socket(socket.AF_UNIX);"
            "s.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777); s.listen(); print('up', flush=1)"
            "; c, _ = s.accept(); print(c.recv(1000), flush=True)"
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, path, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"up\n"
        world.replica = replace(world.replica, socket=path, address=None)
        with pytest.raises(DialFailed, match="another user"):
            await world.connect()
        assert await process.stdout.readline() == b"b''\n"
        await process.wait()


def address(world: Peers) -> tuple[str, int]:
    assert world.replica.address is not None
    host, _, port = world.replica.address.partition(":")
    return host, int(port)


def no_bytes(connection: socket.socket) -> bool:
    """Return whether the connection ends without a byte."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True
