"""Resumption of TLS sessions, with a real server on a real socket."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from proxy.transport.tls_sessions import RESUMPTION_SECONDS, ResumingTLSContext
from tests.proxy.tls import tls_contexts


class World:
    """A server that sends a word to each client, and a clock that the test sets."""

    def __init__(self, folder: Path) -> None:
        self.server_context, self.context = tls_contexts(folder)
        self.now = 1_000_000.0
        self.port = 0

    async def resumes(self, resumption: ResumingTLSContext, name: str = "127.0.0.1") -> bool:
        """Connect; return whether the connection resumed a session."""
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
async def test_session_is_resumed(tmp_path: Path, version: ssl.TLSVersion) -> None:
    async with running(tmp_path) as world:
        world.context.maximum_version = version
        resumption = ResumingTLSContext(world.context, lambda: world.now)
        assert [await world.resumes(resumption) for _ in range(3)] == [False, True, True]


async def test_session_is_not_resumed_after_its_time(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        resumption = ResumingTLSContext(world.context, lambda: world.now)
        assert not await world.resumes(resumption)
        world.now += RESUMPTION_SECONDS - 1
        assert await world.resumes(resumption)
        world.now += 2  # Since the verification, not since the last session.
        assert not await world.resumes(resumption)


async def test_session_is_not_resumed_with_another_server(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with running(tmp_path) as world, running(tmp_path / "other") as other:
        resumption = ResumingTLSContext(world.context, lambda: world.now)
        assert not await world.resumes(resumption)
        world.port = other.port
        with pytest.raises(ssl.SSLCertVerificationError):
            await world.resumes(resumption)
