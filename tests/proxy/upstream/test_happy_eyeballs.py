"""A name with several addresses is reachable while one of them is, on real sockets."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from config.address_policy import DEFAULT_POLICY
from proxy.upstream.addresses import Resolve
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.errors import UpstreamConnectError
from proxy.upstream.limits import PoolLimits
from proxy.upstream.pool import ConnectionPool
from tests.proxy.tls import tls_contexts
from tests.proxy.upstream.test_pool import filled
from tests.support.waiting import within

NAME = "upstream.test"
FIRST, SECOND = "127.0.0.2", "127.0.0.3"
LIMITS = PoolLimits(connect_timeout=60)

Broken = Callable[[str, int], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def silent(address: str, port: int) -> Iterator[None]:
    """Make an address that does not reply to packets."""
    with socket.create_server((address, port), backlog=0) as listener, filled(listener):
        yield


@contextlib.contextmanager
def frozen(address: str, port: int) -> Iterator[None]:
    """Make an address on which the kernel accepts TCP, but nothing does TLS."""
    with socket.create_server((address, port), backlog=64):
        yield


@contextlib.contextmanager
def closed(address: str, port: int) -> Iterator[None]:
    """Make an address on whose port nothing listens."""
    yield


@contextlib.contextmanager
def foreign(address: str, port: int) -> Iterator[None]:
    """Make an address on which a server closes each connection."""
    listener = socket.create_server((address, port))
    loop = asyncio.get_running_loop()

    def end() -> None:
        with contextlib.suppress(OSError):
            listener.accept()[0].close()

    listener.setblocking(False)
    loop.add_reader(listener.fileno(), end)
    try:
        yield
    finally:
        loop.remove_reader(listener.fileno())
        listener.close()


@contextlib.asynccontextmanager
async def serving(address: str, tls: ssl.SSLContext | None) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, address, 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


def resolving(*addresses: str) -> Resolve:
    """Return a resolver that resolves the name to these addresses, in this order."""

    async def found(loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[Any]:
        assert host == NAME
        kind = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, *kind, (one, port))
            for one in addresses
        ]

    return found


BOTH = resolving(FIRST, SECOND)


def peer(connection: UpstreamConnection) -> str:
    assert connection.transport is not None
    return str(connection.transport.get_extra_info("peername")[0])


async def connected(broken: Broken, tls: tuple[ssl.SSLContext, ssl.SSLContext] | None) -> None:
    async with serving(SECOND, tls[0] if tls else None) as port:
        with broken(FIRST, port):
            scheme = "https" if tls else "http"
            pool = ConnectionPool(
                [f"{scheme}://{NAME}:{port}"],
                (lambda: tls[1]) if tls else None,
                server_name="127.0.0.1",
                limits=LIMITS,
                resolver=BOTH,
            )
            with within(20):
                connection = await pool.connect()
                assert peer(connection) == SECOND
            assert pool.hosts[0].failures == 0
            await pool.connect()
            pool.abort()


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("broken", [silent, closed])
def test_name_with_one_working_address_is_reachable(
    factory: Callable[[], asyncio.AbstractEventLoop], broken: Broken
) -> None:
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(connected(broken, None))


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("broken", [silent, frozen, closed, foreign])
def test_name_with_one_working_address_is_reachable_by_tls(
    factory: Callable[[], asyncio.AbstractEventLoop], broken: Broken, tmp_path: Path
) -> None:
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(connected(broken, tls_contexts(tmp_path)))


async def test_address_outside_the_policy_is_not_connected_beside_an_allowed_one() -> None:
    with socket.create_server((FIRST, 0)) as refused:
        refused.setblocking(False)
        port = refused.getsockname()[1]
        server = await asyncio.start_server(lambda r, w: None, SECOND, port)
        async with server:
            policy = DEFAULT_POLICY.trusting([SECOND])
            pool = ConnectionPool([f"http://{NAME}:{port}"], None, addresses=policy, resolver=BOTH)
            for _ in range(3):
                assert peer(await pool.connect()) == SECOND
            pool.abort()
        with pytest.raises(BlockingIOError):
            refused.accept()


async def test_connect_without_a_responding_address_times_out() -> None:
    kinds: list[str] = []
    with socket.create_server((FIRST, 0), backlog=0) as one, filled(one):
        port = one.getsockname()[1]
        with silent(SECOND, port):
            limits = PoolLimits(connect_timeout=0.6)
            url = f"http://{NAME}:{port}"
            pool = ConnectionPool([url], None, limits=limits, on_error=kinds.append, resolver=BOTH)
            with pytest.raises(UpstreamConnectError, match="timed out"):
                await pool.connect()
            assert kinds == ["connect_timeout"]
            assert pool.connections == 0


async def test_failed_address_is_tried_last_for_a_while() -> None:
    async with serving(SECOND, None) as port:
        with silent(FIRST, port):
            pool = ConnectionPool([f"http://{NAME}:{port}"], None, limits=LIMITS, resolver=BOTH)
            await pool.connect()
            with within(20 * 0.25):
                for _ in range(20):
                    assert peer(await pool.connect()) == SECOND
            pool.abort()
