"""Reading from TLS by way of one buffer for all: nobody gets what is another's."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from proxy.tls_reads import RECORD_BYTES, RecordReads
from tests.proxy.tls import contexts


@asynccontextmanager
async def echoing(folder: Path) -> AsyncIterator[tuple[int, ssl.SSLContext]]:
    """A server that sends back what it gets, and the context to meet it with."""
    server_side, client_side = contexts(folder)
    server_side.sslobject_class = client_side.sslobject_class = RecordReads

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
    """Whether many connections at once each got their own bytes, of every size, back."""
    async with echoing(folder) as (port, context):
        sizes = [1, 100, RECORD_BYTES - 1, RECORD_BYTES, RECORD_BYTES + 1, 300_000]
        sent = [bytes([n]) * size for n, size in enumerate(sizes * 5)]
        got = await asyncio.gather(*(echoed(port, context, data) for data in sent))
        return list(got) == sent


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_what_comes_is_what_was_sent(tmp_path: Path, run: object) -> None:
    assert callable(run)
    assert run(many(tmp_path))


def test_threads_do_not_share_the_buffer(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        folders = [tmp_path / str(number) for number in range(4)]
        for folder in folders:
            folder.mkdir()
        assert all(pool.map(lambda folder: asyncio.run(many(folder)), folders))
