"""The connection pool with several hosts, on real sockets: reuse, turns, ejection."""

import asyncio
import gc
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from proxy.upstream.errors import PoolExhausted, UpstreamConnectError
from proxy.upstream.limits import PoolLimits
from proxy.upstream.pool import ConnectionPool
from tests.proxy.tls import UVLOOP_SSL_PROTOCOL, tls_contexts
from tests.support.garbage_collection import count_new_instances
from tests.support.isolation import free_port
from tests.support.waiting import within

SWEEP = 0.02
"""Seconds between two health checks."""


@asynccontextmanager
async def silent_host(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, list[int]]]:
    """Run a server that accepts connections and sends nothing; yield its URL and its count."""
    taken: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(1)
        try:
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}", taken


def unused_url() -> str:
    """Return a URL on whose port nothing listens."""
    return f"http://127.0.0.1:{free_port()}"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def test_hosts_are_used_in_turn() -> None:
    async with silent_host() as (first, one), silent_host() as (second, two):
        pool = ConnectionPool([first, second], None)
        for _ in range(4):
            await pool.connect()
        await until(lambda: (len(one), len(two)) == (2, 2))
        pool.abort()


async def test_unreachable_host_is_skipped_and_ejected() -> None:
    kinds: list[str] = []
    async with silent_host() as (alive, taken):
        gone = unused_url()
        pool = ConnectionPool([gone, alive], None, on_error=kinds.append)
        for _ in range(6):
            connection = await pool.connect()
            assert connection.host.url == alive
        await until(lambda: len(taken) == 6)
        assert kinds == ["refused"], "tried once, then ejected for a while"
        pool.abort()


async def test_ejected_hosts_are_tried_if_no_other_is_left() -> None:
    kinds: list[str] = []
    pool = ConnectionPool([unused_url(), unused_url()], None, on_error=kinds.append)
    for _ in range(2):
        with pytest.raises(UpstreamConnectError, match="connection refused"):
            await pool.connect()
    assert kinds == ["refused"] * 4
    assert pool.connections == 0
    pool.abort()


async def test_handshake_without_end_times_out() -> None:
    import ssl

    async with silent_host() as (url, _):
        pool = ConnectionPool(
            [url.replace("http:", "https:")],
            ssl.create_default_context,
            limits=PoolLimits(connect_timeout=0.1),
        )
        with pytest.raises(UpstreamConnectError, match="timed out"):
            await pool.connect()
        assert pool.connections == 0
        pool.abort()


def test_cancelled_connect_leaves_no_objects(tmp_path: Path) -> None:
    """Clients leave while it connects. uvloop's objects live until the timeout."""
    to_serve, to_connect = tls_contexts(tmp_path)
    living = count_new_instances(UVLOOP_SSL_PROTOCOL)

    def left() -> int:
        gc.collect()
        return living(UVLOOP_SSL_PROTOCOL)

    async def hang_up() -> None:
        async with silent_host(to_serve) as (url, _):
            limits = PoolLimits(connect_timeout=0.5)
            pool = ConnectionPool([url], lambda: to_connect, limits=limits)
            for turns in range(10):
                connecting = asyncio.create_task(pool.connect())
                for _ in range(turns):
                    await asyncio.sleep(0)
                connecting.cancel()
                with suppress(asyncio.CancelledError):
                    (await connecting).abort()
            await until(lambda: left() == 0)
            pool.abort()

    uvloop.run(hang_up())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_host_with_https_is_never_connected_without_tls(
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    async def without_a_context() -> None:
        async with silent_host() as (url, taken):
            pool = ConnectionPool([url.replace("http:", "https:")], None)
            with pytest.raises(ValueError, match="only meaningful with ssl"):
                await pool.connect()
            pool.abort()
        assert taken == []

    run(without_a_context())


async def test_connection_limit_includes_connections_being_opened() -> None:
    async with silent_host() as (url, _):
        pool = ConnectionPool([url], None, limits=PoolLimits(max_connections=3))
        made = await asyncio.gather(*(pool.connect() for _ in range(5)), return_exceptions=True)
        assert sum(isinstance(one, PoolExhausted) for one in made) == 2
        assert pool.connections == 3
        pool.abort()
        await until(lambda: pool.connections == 0)


async def test_idle_connections_are_closed() -> None:
    async with silent_host() as (url, _):
        pool = ConnectionPool([url], None, limits=PoolLimits(idle_ttl=0.05), sweep_seconds=SWEEP)
        connection = await pool.connect()
        connection.owner.connection_released(connection)
        assert pool.take() is connection
        connection.owner.connection_released(connection)
        await until(lambda: pool.connections == 0)
        assert pool.take() is None
        pool.abort()


async def test_pool_without_connections_has_no_timer() -> None:
    """With a thousand clusters, most of them unused, the process must be idle."""
    async with silent_host() as (url, _):
        living = count_new_instances(ConnectionPool)
        unused, used = (ConnectionPool([url], None, sweep_seconds=SWEEP) for _ in range(2))
        (await used.connect()).abort()
        del unused, used

        def gone() -> bool:
            gc.collect()
            return living(ConnectionPool) == 0

        await until(gone)


async def test_connection_closed_by_the_host_is_not_taken() -> None:
    async with silent_host() as (url, _):
        pool = ConnectionPool([url], None)
        connection = await pool.connect()
        connection.owner.connection_released(connection)
        assert connection.transport is not None
        connection.transport.close()
        assert pool.take() is None
        pool.abort()


async def test_closed_pool_keeps_no_connection() -> None:
    async with silent_host() as (url, _):
        pool = ConnectionPool([url], None)
        idle, busy = await pool.connect(), await pool.connect()
        idle.owner.connection_released(idle)
        pool.close()
        with pytest.raises(UpstreamConnectError, match="changed or removed"):
            await pool.connect()
        busy.owner.connection_released(busy)
        await until(lambda: pool.connections == 0)


async def test_closed_pool_still_enforces_deadlines() -> None:
    kinds: list[str] = []
    async with silent_host() as (url, _):
        pool = ConnectionPool(
            [url],
            None,
            limits=PoolLimits(header_timeout=0.1),
            on_error=kinds.append,
            sweep_seconds=SWEEP,
        )
        waiting = await pool.connect()
        waiting.deadline = pool.loop.time() + 0.1
        pool.close()
        await until(lambda: pool.connections == 0)
        assert kinds == ["timeout"]


async def test_connection_opened_after_abort_is_not_used() -> None:
    async with silent_host() as (url, _):
        pool = ConnectionPool([url], None)
        connecting = asyncio.ensure_future(pool.connect())
        await asyncio.sleep(0)
        pool.abort()
        with pytest.raises(UpstreamConnectError):
            await connecting
        assert pool.connections == 0


async def test_concurrent_failures_eject_a_host_once() -> None:
    gone = unused_url()
    async with silent_host() as (alive, _):
        pool = ConnectionPool([gone, alive], None)
        await asyncio.gather(*(pool.connect() for _ in range(20)))
        assert pool.hosts[0].failures == 1
        pool.abort()


async def test_frozen_host_costs_a_part_of_the_timeout_while_another_is_healthy() -> None:
    limits = PoolLimits(connect_timeout=4 * 1.0)
    kinds: list[str] = []
    frozen = socket.create_server(("127.0.0.1", 0), backlog=0)
    with frozen, filled(frozen):
        url = f"http://127.0.0.1:{frozen.getsockname()[1]}"
        async with silent_host() as (alive, _):
            pool = ConnectionPool([alive, url], None, limits=limits, on_error=kinds.append)
            with within(3.5):
                assert (await pool.connect()).host.url == alive
            assert kinds == ["connect_timeout"]
            pool.abort()


async def test_waiting_request_probes_a_frozen_host() -> None:
    """A retryable request fails there, to be sent to another host; others wait on."""
    limits = PoolLimits(connect_timeout=2, header_timeout=60)
    frozen = socket.create_server(("127.0.0.1", 0), backlog=0)
    with frozen:
        url = f"http://127.0.0.1:{frozen.getsockname()[1]}"
        async with silent_host() as (alive, _):
            pool = ConnectionPool([alive, url], None, limits=limits, sweep_seconds=SWEEP)
            reading = await pool.connect()
            assert reading.host.url == url
            accepted, _ = frozen.accept()
            with accepted, filled(frozen):
                reading.retryable = True
                reading.deadline = pool.loop.time() + 60 - 0.5
                await until(lambda: reading.transport is None)
                assert pool.hosts[1].ejected_until > pool.loop.time()
            pool.abort()


@contextmanager
def filled(listener: socket.socket) -> Iterator[None]:
    """Fill a listener's queue, so that the kernel accepts no further connection."""
    with ExitStack() as stack:
        for _ in range(8):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield


async def test_connections_to_several_hosts_are_reused() -> None:
    async with silent_host() as (first, one), silent_host() as (second, two):
        pool = ConnectionPool([first, second], None)
        for _ in range(10):
            connection = pool.take() or await pool.connect(after_take=True)
            connection.owner.connection_released(connection)
        await until(lambda: (len(one), len(two)) == (1, 1))
        pool.abort()
