"""The connection pool over a dialer: real tunnels, and TLS with the API server inside them."""

import asyncio
import gc
import os
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvloop

from config.dialing import NO_WAY
from proxy.transport.certificates import KeyPair
from proxy.transport.client_tls import ClientTLSContexts
from proxy.upstream.errors import UpstreamConnectError, UpstreamDisconnected
from proxy.upstream.limits import PoolLimits
from proxy.upstream.pool import ConnectionPool
from tests.proxy.tls import UVLOOP_SSL_PROTOCOL
from tests.support.agent_tunnels import AgentDialer, agents
from tests.support.garbage_collection import count_new_instances
from tests.support.scripted_api_server import (
    ScriptedApiServer,
    issue,
    make_authority,
)
from tests.support.waiting import eventually

URL = "https://kubernetes.default.svc"
NAME = "kubernetes.default.svc"
LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return make_authority()


@pytest.fixture
def api_server(authority: KeyPair) -> Iterator[ScriptedApiServer]:
    with ScriptedApiServer(issue(authority, name=NAME)) as api_server:
        yield api_server


@asynccontextmanager
async def dialed_pool(
    authority: KeyPair,
    api_server: ScriptedApiServer,
    *,
    ways: int = 1,
    most: int = 4000,
    limits: PoolLimits | None = None,
    on_error: Callable[[str], None] = lambda kind: None,
) -> AsyncIterator[tuple[ConnectionPool, AgentDialer]]:
    source = ClientTLSContexts().source(authority.certificate_pem.decode())
    async with agents(api_server.port, ways, most=most) as dialer:
        pool = ConnectionPool([URL], source, limits=limits, on_error=on_error, dialer=dialer)
        yield pool, dialer
        pool.abort()
        await eventually(lambda: dialer.streams == 0)


@LOOPS
def test_connection_by_dialer_has_tls_with_the_api_server(
    run: Run, authority: KeyPair, api_server: ScriptedApiServer
) -> None:
    async def connect() -> None:
        async with dialed_pool(authority, api_server) as (pool, dialer):
            connection = await pool.connect()
            assert connection.transport is not None
            assert dialer.dials == 1
            tls: Any = connection.transport.get_extra_info("ssl_object")
            assert tls.getpeercert()["subjectAltName"] == (("DNS", NAME),)
            assert pool.connections == 1

    run(connect())


@LOOPS
def test_api_server_with_another_name_or_ca_is_refused(run: Run, authority: KeyPair) -> None:
    """The agent decides where it connects to, but no other server passes for the API server."""

    async def connect(other: KeyPair, name: str) -> None:
        kinds: list[str] = []
        with ScriptedApiServer(issue(other, name=name)) as impostor:
            async with dialed_pool(authority, impostor, on_error=kinds.append) as (pool, _):
                with pytest.raises(UpstreamConnectError, match="certificate can't be verified"):
                    await pool.connect()
        assert kinds == ["certificate"]
        assert impostor.received == []

    run(connect(authority, "127.0.0.1"))
    run(connect(make_authority(), NAME))


def test_host_without_tls_is_never_connected_by_dialer(api_server: ScriptedApiServer) -> None:
    async def connect() -> None:
        async with agents(api_server.port) as dialer:
            for url in (URL, "http://kubernetes.default.svc"):
                pool = ConnectionPool([url], None, dialer=dialer)
                with pytest.raises(UpstreamConnectError, match="need TLS"):
                    await pool.connect()
            assert dialer.dials == 0

    asyncio.run(connect())


async def test_missing_agent_is_reported_with_a_time_for_retry() -> None:
    kinds: list[str] = []
    context = ssl.create_default_context
    pool = ConnectionPool([URL], context, on_error=kinds.append, dialer=NO_WAY)
    with pytest.raises(UpstreamConnectError) as error:
        await pool.connect()
    assert error.value.shown == "the cluster's agent is not connected"
    assert error.value.retry_after == 1
    assert kinds == ["agent_no_agent"]


async def test_agent_that_cannot_reach_its_api_server_is_reported_with_the_reason(
    authority: KeyPair, api_server: ScriptedApiServer
) -> None:
    kinds: list[str] = []
    async with dialed_pool(authority, api_server, on_error=kinds.append) as (pool, _):
        api_server.disconnect()
        with pytest.raises(UpstreamConnectError) as error:
            await pool.connect()
        assert error.value.shown.endswith("can't reach the API server: connection refused")
    assert kinds == ["agent_refused"]


async def test_streams_above_the_limit_of_the_agent_are_reported(
    authority: KeyPair, api_server: ScriptedApiServer
) -> None:
    async with dialed_pool(authority, api_server, most=2) as (pool, _):
        await pool.connect()
        await pool.connect()
        with pytest.raises(UpstreamConnectError, match="too many open connections"):
            await pool.connect()


async def test_opening_in_a_tunnel_that_breaks_goes_on_in_the_other(
    authority: KeyPair, api_server: ScriptedApiServer
) -> None:
    async with dialed_pool(authority, api_server, ways=2) as (pool, dialer):
        first, second = dialer.ways_made
        # The agent connects, but its report and the handshake no longer arrive.
        first.network.stall()
        connecting = asyncio.create_task(pool.connect())
        await eventually(lambda: first.tunnel.streams == 1)
        await asyncio.to_thread(first.network.cut)
        await connecting
        assert second.tunnel.streams == 1
        assert dialer.ways == 1


async def test_broken_handshake_is_repeated_in_the_other_tunnel(
    authority: KeyPair, api_server: ScriptedApiServer
) -> None:
    async with agents(api_server.port, 2) as dialer:
        first, second = dialer.ways_made
        connected = asyncio.Event()

        class Stalling:
            """Stalls the first tunnel between the dial and the handshake."""

            suspended_at = 0.0

            @property
            def ways(self) -> int:
                return dialer.ways

            async def dial(self, seconds: float) -> Any:
                sock = await dialer.dial(seconds)
                if not connected.is_set():
                    first.network.stall()
                    connected.set()
                return sock

        source = ClientTLSContexts().source(authority.certificate_pem.decode())
        stalling = ConnectionPool([URL], source, dialer=Stalling())
        connecting = asyncio.create_task(stalling.connect())
        async with asyncio.timeout(60):
            await connected.wait()
        await asyncio.to_thread(first.network.cut)
        await connecting
        assert (dialer.dials, second.tunnel.streams) == (2, 1)
        stalling.abort()


@pytest.mark.parametrize(
    ("retryable", "ways", "again"), [(True, 2, True), (True, 1, False), (False, 2, False)]
)
async def test_request_in_a_tunnel_that_breaks_is_sent_again_if_it_reads_and_another_exists(
    authority: KeyPair, api_server: ScriptedApiServer, retryable: bool, ways: int, again: bool
) -> None:
    async with dialed_pool(authority, api_server, ways=ways) as (pool, dialer):
        connection = await pool.connect()
        connection.requests, connection.retryable = 1, retryable
        await asyncio.to_thread(dialer.ways_made[0].network.cut)
        await eventually(lambda: dialer.ways == ways - 1)
        await eventually(lambda: connection.transport is None)
        broken = UpstreamDisconnected("the API server closed the connection")
        assert pool.report_failure(broken, connection) is again


@LOOPS
def test_cancelled_opening_leaves_no_stream_or_descriptor(
    run: Run, authority: KeyPair, api_server: ScriptedApiServer
) -> None:
    """Clients leave while it connects, at any step."""

    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    async def hang_up() -> None:
        async with dialed_pool(authority, api_server) as (pool, dialer):
            await pool.connect()
            before = open_files()
            for turns in range(60):
                connecting = asyncio.create_task(pool.connect())
                for _ in range(turns):
                    await asyncio.sleep(0)
                connecting.cancel()
                with suppress(asyncio.CancelledError):
                    (await connecting).abort()
            await eventually(lambda: dialer.streams <= 2)
            await eventually(lambda: open_files() <= before)

    run(hang_up())


def test_cancelled_opening_leaves_no_objects_of_uvloop(
    authority: KeyPair, api_server: ScriptedApiServer
) -> None:
    living = count_new_instances(UVLOOP_SSL_PROTOCOL)

    def left() -> int:
        gc.collect()
        return living(UVLOOP_SSL_PROTOCOL)

    async def hang_up() -> None:
        async with dialed_pool(authority, api_server) as (pool, _):
            for turns in range(20):
                connecting = asyncio.create_task(pool.connect())
                for _ in range(turns):
                    await asyncio.sleep(0)
                connecting.cancel()
                with suppress(asyncio.CancelledError):
                    (await connecting).abort()
            await eventually(lambda: left() == 0)

    uvloop.run(hang_up())


async def test_silent_api_server_behind_a_tunnel_times_out(
    authority: KeyPair, api_server: ScriptedApiServer
) -> None:
    kinds: list[str] = []
    limits = PoolLimits(connect_timeout=0.2)
    async with dialed_pool(authority, api_server, limits=limits, on_error=kinds.append) as (
        pool,
        dialer,
    ):
        dialer.ways_made[0].network.stall()
        with pytest.raises(UpstreamConnectError):
            await pool.connect()
        assert kinds in (["connect_timeout"], ["agent_timeout"])
        assert pool.connections == 0
        await asyncio.to_thread(dialer.ways_made[0].network.cut)
