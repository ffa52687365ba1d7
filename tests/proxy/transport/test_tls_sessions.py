"""Taking up TLS sessions again, with a real server on a real socket."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from proxy.resumption import BELIEVED_SECONDS, Resumption
from tests.proxy.tls import contexts


class World:
    """A server that says a word to each client, and a clock that a test turns."""

    def __init__(self, folder: Path) -> None:
        self.server_context, self.context = contexts(folder)
        self.now = 1_000_000.0
        self.port = 0

    async def met(self, resumption: Resumption, name: str = "127.0.0.1") -> bool:
        """Whether a connection took up a session."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            self.port,
            ssl=cast(ssl.SSLContext, resumption),
            server_hostname=name,
        )
        assert await reader.readexactly(2) == b"ok"
        resumption.remember(writer.transport)
        reused: bool = writer.get_extra_info("ssl_object").session_reused
        writer.close()
        return reused


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[World]:
    world = World(folder)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"ok")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=world.server_context)
    world.port = server.sockets[0].getsockname()[1]
    async with server:
        yield world


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_session_is_taken_up_again(tmp_path: Path, version: ssl.TLSVersion) -> None:
    async with running(tmp_path) as world:
        world.context.maximum_version = version
        resumption = Resumption(world.context, lambda: world.now)
        assert [await world.met(resumption) for _ in range(3)] == [False, True, True]


async def test_a_certificate_is_verified_anew_after_a_while(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        resumption = Resumption(world.context, lambda: world.now)
        assert not await world.met(resumption)
        world.now += BELIEVED_SECONDS - 1
        assert await world.met(resumption)
        world.now += 2  # counted from when the certificate was seen, not from the last session
        assert not await world.met(resumption)


async def test_another_server_is_not_taken_for_the_one_that_was_met(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with running(tmp_path) as world, running(tmp_path / "other") as other:
        resumption = Resumption(world.context, lambda: world.now)
        assert not await world.met(resumption)
        world.port = other.port
        with pytest.raises(ssl.SSLCertVerificationError):
            await world.met(resumption)
