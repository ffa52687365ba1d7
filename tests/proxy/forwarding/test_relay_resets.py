"""Ends of upgraded connections: a session that breaks off looks complete to neither side."""

import asyncio
import ssl
from pathlib import Path

import pytest
import uvloop

from proxy.transport.tcp_keepalive import reset
from tests.proxy.forwarding.upgrades import SWITCH, UPGRADE
from tests.proxy.relay import read_request, relay
from tests.proxy.tls import tls_contexts
from tests.support.waiting import eventually


async def read_to_end(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """Read until the connection ends; return the bytes and whether it ended cleanly."""
    received = b""
    try:
        while data := await reader.read(65536):
            received += data
    except (ConnectionError, ssl.SSLError):
        return received, False
    return received, True


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("protocol", [b"SPDY/3.1", b"websocket"])
@pytest.mark.parametrize("breaking", [True, False])
def test_session_reset_by_the_cluster_is_reset_for_the_client(
    tmp_path: Path, protocol: bytes, *, encrypted: bool, breaking: bool
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(SWITCH % protocol + b"z" * 300_000)
        await writer.drain()
        await reader.readexactly(2)
        if breaking:
            reset(writer.transport)

    async def session() -> None:
        tls = tls_contexts(tmp_path) if encrypted else None
        async with relay(script, tls=tls) as running, asyncio.timeout(60):
            reader, writer = await running.open()
            writer.write(UPGRADE % protocol)
            await reader.readuntil(b"\r\n\r\n")
            assert len(await reader.readexactly(300_000)) == 300_000
            writer.write(b"go")
            assert await read_to_end(reader) == (b"", not breaking)
            writer.close()
            exchange = await running.finished.get()
            assert exchange.note == ("the cluster broke off the session" if breaking else "")

    uvloop.run(session())


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("breaking", [True, False])
def test_session_reset_by_the_client_is_reset_for_the_cluster(
    tmp_path: Path, *, encrypted: bool, breaking: bool
) -> None:
    async def sessions() -> None:
        end_of_upstream = asyncio.get_running_loop().create_future()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(SWITCH % b"SPDY/3.1" + b"go")
            end_of_upstream.set_result(await read_to_end(reader))

        tls = tls_contexts(tmp_path) if encrypted else None
        async with relay(script, tls=tls) as running, asyncio.timeout(60):
            reader, writer = await running.open()
            writer.write(UPGRADE % b"SPDY/3.1")
            await reader.readuntil(b"go")
            writer.write(b"bye")
            await writer.drain()
            await eventually(lambda: running.responses[0].switched is not None, what="the switch")
            if breaking:
                # A reset discards bytes that have not been delivered yet.
                await asyncio.sleep(0.05)
                reset(writer.transport)
            else:
                writer.close()
            assert await end_of_upstream == (b"bye", not breaking)
            exchange = await running.finished.get()
            assert exchange.note == ("the client broke off the session" if breaking else "")

    uvloop.run(sessions())


@pytest.mark.parametrize("encrypted", [False, True])
def test_session_ended_by_a_stop_is_reset_for_both_sides(
    tmp_path: Path, *, encrypted: bool
) -> None:
    async def sessions() -> None:
        end_of_upstream = asyncio.get_running_loop().create_future()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(SWITCH % b"SPDY/3.1" + b"go")
            end_of_upstream.set_result(await read_to_end(reader))

        tls = tls_contexts(tmp_path) if encrypted else None
        async with asyncio.timeout(60):
            async with relay(script, tls=tls) as running:
                reader, writer = await running.open()
                writer.write(UPGRADE % b"SPDY/3.1")
                await reader.readuntil(b"go")
                end_of_client = asyncio.ensure_future(read_to_end(reader))
            assert await end_of_client == (b"", False)
            assert await end_of_upstream == (b"", False)
            assert (await running.finished.get()).note == "Sekisho stopped"
            writer.close()

    uvloop.run(sessions())
