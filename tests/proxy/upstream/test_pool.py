"""Connections to several masters, on real sockets: kept, shared out, moved away from the sick."""

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

from proxy.pool import PoolExhausted, PoolLimits, UpstreamPool, UpstreamUnreachable
from tests.parts.garbage import newborns
from tests.proxy.tls import TLS_OF_UVLOOP, contexts


@asynccontextmanager
async def master(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, list[int]]]:
    """A listener that takes connections and says nothing: its URL, and how many it got."""
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


def dead() -> str:
    """The URL of a master on whose port nothing listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{holder.getsockname()[1]}"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_masters_take_turns() -> None:
    async with master() as (first, one), master() as (second, two):
        pool = UpstreamPool([first, second], None)
        for _ in range(4):
            await pool.connect()
        await until(lambda: (len(one), len(two)) == (2, 2))
        pool.abort()


async def test_a_master_that_cannot_be_reached_is_passed_over_then_left_alone() -> None:
    kinds: list[str] = []
    async with master() as (alive, taken):
        gone = dead()
        pool = UpstreamPool([gone, alive], None, on_error=kinds.append)
        for _ in range(6):
            connection = await pool.connect()
            assert connection.master.url == alive
        await until(lambda: len(taken) == 6)
        assert kinds == ["refused"], "tried once, then ejected for a while"
        pool.abort()


async def test_when_all_are_sick_they_are_tried_anyway() -> None:
    kinds: list[str] = []
    pool = UpstreamPool([dead(), dead()], None, on_error=kinds.append)
    for _ in range(2):
        with pytest.raises(UpstreamUnreachable, match="connection refused"):
            await pool.connect()
    assert kinds == ["refused"] * 4
    assert pool.connections == 0
    pool.abort()


async def test_a_master_that_never_completes_a_handshake_is_given_up() -> None:
    import ssl

    async with master() as (url, _):
        pool = UpstreamPool(
            [url.replace("http:", "https:")],
            ssl.create_default_context,
            limits=PoolLimits(connect_timeout=0.1),
        )
        with pytest.raises(UpstreamUnreachable, match="timed out"):
            await pool.connect()
        assert pool.connections == 0
        pool.abort()


def test_nothing_is_left_of_a_connection_that_nobody_waits_for_any_more(tmp_path: Path) -> None:
    """Clients hang up while one is made for them. uvloop's part in it ends with the timeout."""
    to_serve, to_connect = contexts(tmp_path)
    living = newborns(TLS_OF_UVLOOP)

    def left() -> int:
        gc.collect()
        return living(TLS_OF_UVLOOP)

    async def hang_up() -> None:
        async with master(to_serve) as (url, _):
            limits = PoolLimits(connect_timeout=0.5)
            pool = UpstreamPool([url], lambda: to_connect, limits=limits)
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
def test_a_master_with_tls_is_never_asked_in_the_clear(
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    async def without_a_context() -> None:
        async with master() as (url, taken):
            pool = UpstreamPool([url.replace("http:", "https:")], None)
            with pytest.raises(ValueError, match="only meaningful with ssl"):
                await pool.connect()
            pool.abort()
        assert taken == []

    run(without_a_context())


async def test_the_limit_on_connections_holds_while_they_are_being_made() -> None:
    async with master() as (url, _):
        pool = UpstreamPool([url], None, limits=PoolLimits(max_connections=3))
        made = await asyncio.gather(*(pool.connect() for _ in range(5)), return_exceptions=True)
        assert sum(isinstance(one, PoolExhausted) for one in made) == 2
        assert pool.connections == 3
        pool.abort()
        await until(lambda: pool.connections == 0)


async def test_idle_connections_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.pool.SWEEP_SECONDS", 0.02)
    async with master() as (url, _):
        pool = UpstreamPool([url], None, limits=PoolLimits(idle_ttl=0.05))
        connection = await pool.connect()
        connection.master.keep(connection)
        assert pool.take() is connection
        connection.master.keep(connection)
        await until(lambda: pool.connections == 0)
        assert pool.take() is None
        pool.abort()


async def test_a_pool_without_connections_has_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a thousand clusters, most of them unused, the process is to be at rest."""
    monkeypatch.setattr("proxy.pool.SWEEP_SECONDS", 0.02)
    async with master() as (url, _):
        living = newborns(UpstreamPool)
        unused, used = UpstreamPool([url], None), UpstreamPool([url], None)
        (await used.connect()).abort()
        del unused, used

        def gone() -> bool:
            gc.collect()
            return living(UpstreamPool) == 0

        await until(gone)


async def test_a_connection_that_the_master_closed_is_not_handed_out() -> None:
    async with master() as (url, _):
        pool = UpstreamPool([url], None)
        connection = await pool.connect()
        connection.master.keep(connection)
        assert connection.transport is not None
        connection.transport.close()
        assert pool.take() is None
        pool.abort()


async def test_a_closed_pool_keeps_nothing() -> None:
    async with master() as (url, _):
        pool = UpstreamPool([url], None)
        idle, busy = await pool.connect(), await pool.connect()
        idle.master.keep(idle)
        pool.close()
        with pytest.raises(UpstreamUnreachable, match="changed or removed"):
            await pool.connect()
        busy.master.keep(busy)
        await until(lambda: pool.connections == 0)


async def test_a_closed_pool_still_ends_what_waits_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("proxy.pool.SWEEP_SECONDS", 0.02)
    kinds: list[str] = []
    async with master() as (url, _):
        pool = UpstreamPool([url], None, limits=PoolLimits(head_timeout=0.1), on_error=kinds.append)
        waiting = await pool.connect()
        waiting.deadline = pool.loop.time() + 0.1
        pool.close()
        await until(lambda: pool.connections == 0)
        assert kinds == ["timeout"]


async def test_a_connection_that_stands_only_after_the_cluster_was_removed_is_not_used() -> None:
    async with master() as (url, _):
        pool = UpstreamPool([url], None)
        connecting = asyncio.ensure_future(pool.connect())
        await asyncio.sleep(0)
        pool.abort()
        with pytest.raises(UpstreamUnreachable):
            await connecting
        assert pool.connections == 0


async def test_many_failures_at_once_leave_a_master_alone_no_longer_than_one() -> None:
    gone = dead()
    async with master() as (alive, _):
        pool = UpstreamPool([gone, alive], None)
        await asyncio.gather(*(pool.connect() for _ in range(20)))
        assert pool.masters[0].failures == 1
        pool.abort()


async def test_a_frozen_master_costs_a_part_of_the_time_while_another_is_there() -> None:
    limits = PoolLimits(connect_timeout=4 * 0.2)
    kinds: list[str] = []
    frozen = socket.create_server(("127.0.0.1", 0), backlog=0)
    with frozen, filled(frozen):
        url = f"http://127.0.0.1:{frozen.getsockname()[1]}"
        async with master() as (alive, _):
            pool = UpstreamPool([alive, url], None, limits=limits, on_error=kinds.append)
            started = pool.loop.time()
            assert (await pool.connect()).master.url == alive
            assert pool.loop.time() - started < 0.7
            assert kinds == ["connect_timeout"]
            pool.abort()


async def test_a_master_that_answers_nobody_any_more_is_found_out_by_a_request_that_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What only reads is given up there, to be sent elsewhere; what writes waits on."""
    monkeypatch.setattr("proxy.pool.SWEEP_SECONDS", 0.02)
    limits = PoolLimits(connect_timeout=0.2, head_timeout=60)
    frozen = socket.create_server(("127.0.0.1", 0), backlog=0)
    with frozen:
        url = f"http://127.0.0.1:{frozen.getsockname()[1]}"
        async with master() as (alive, _):
            pool = UpstreamPool([alive, url], None, limits=limits)
            reading = await pool.connect()
            assert reading.master.url == url
            accepted, _ = frozen.accept()
            with accepted, filled(frozen):
                reading.repeatable = True
                reading.deadline = pool.loop.time() + 60 - 0.5
                await until(lambda: reading.transport is None)
                assert pool.masters[1].ejected_until > pool.loop.time()
            pool.abort()


@contextmanager
def filled(listener: socket.socket) -> Iterator[None]:
    """A listener whose queue is full: the kernel answers no further connection."""
    with ExitStack() as stack:
        for _ in range(8):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield


async def test_a_connection_is_used_again_however_many_masters_there_are() -> None:
    async with master() as (first, one), master() as (second, two):
        pool = UpstreamPool([first, second], None)
        for _ in range(10):
            connection = pool.take() or await pool.connect(after_take=True)
            connection.master.keep(connection)
        await until(lambda: (len(one), len(two)) == (1, 1))
        pool.abort()
