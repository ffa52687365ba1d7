"""Reading from TLS through a shared buffer: connections do not get each other's data."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from proxy.transport.tls_object import RECORD_BYTES, RecordSSLObject
from tests.proxy.tls import tls_contexts


@asynccontextmanager
async def echoing(folder: Path) -> AsyncIterator[tuple[int, ssl.SSLContext]]:
    """Run a server that echoes its input; yield its address and a context to connect with."""
    server_side, client_side = tls_contexts(folder)
    server_side.sslobject_class = client_side.sslobject_class = RecordSSLObject

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(2**20):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_side)
    async with server:
        yield server.sockets[0].getsockname()[1], client_side


async def echoed(port: int, context: ssl.SSLContext, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(data)
    found = await reader.readexactly(len(data))
    writer.close()
    return found


async def many(folder: Path) -> bool:
    """Return whether many concurrent connections each got their own bytes back, in all sizes."""
    async with echoing(folder) as (port, context):
        sizes = [1, 100, RECORD_BYTES - 1, RECORD_BYTES, RECORD_BYTES + 1, 300_000]
        sent = [bytes([n]) * size for n, size in enumerate(sizes * 5)]
        got = await asyncio.gather(*(echoed(port, context, data) for data in sent))
        return list(got) == sent


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_data_read_is_equal_to_data_sent(tmp_path: Path, run: object) -> None:
    assert callable(run)
    assert run(many(tmp_path))


def test_threads_have_separate_buffers(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        folders = [tmp_path / str(number) for number in range(4)]
        for folder in folders:
            folder.mkdir()
        assert all(pool.map(lambda folder: asyncio.run(many(folder)), folders))
