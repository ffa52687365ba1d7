"""Connections to API servers have a maximum age and a maximum number of requests."""

import asyncio

import pytest

from proxy.upstream.limits import PoolLimits
from proxy.upstream.pool import ConnectionPool
from tests.proxy.relay import Script, read_request, relay, respond_with
from tests.proxy.upstream.test_pool import silent_host, until
from tests.support.tcp_relay import relay as balancer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET /x HTTP/1.1\r\nHost: sekisho\r\n\r\n"


async def send_get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(GET)
    async with asyncio.timeout(60):
        await reader.readuntil(b"\r\n\r\n")
        return await reader.readexactly(2)


async def test_connection_at_its_request_limit_is_replaced() -> None:
    script: Script = respond_with(*[OK] * 100)
    async with relay(script, limits=PoolLimits(max_requests=5)) as proxy:
        client = await proxy.open()
        for _ in range(30):
            assert await send_get(*client) == b"ok"
        assert 5 <= len(proxy.connections) <= 8, "4 to 6 requests each"
        client[1].close()


async def test_connection_without_request_limit_is_kept() -> None:
    async with relay(respond_with(*[OK] * 100), limits=PoolLimits(max_requests=0)) as proxy:
        client = await proxy.open()
        for _ in range(50):
            assert await send_get(*client) == b"ok"
        assert len(proxy.connections) == 1
        client[1].close()


async def test_expired_connection_finishes_its_response_and_is_not_reused() -> None:
    """A response that lasts longer than the maximum age arrives completely."""
    go_on = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
        await go_on.wait()
        writer.write(b"k")
        await reader.read()

    async with relay(slow, respond_with(OK), limits=PoolLimits(max_age=0.05)) as proxy:
        reader, writer = await proxy.open()
        writer.write(GET)
        async with asyncio.timeout(60):
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(1) == b"o"
            [connection] = proxy.pool.host_connections[0].open
            await until(lambda: proxy.pool.loop.time() > connection.expires_at)
            go_on.set()
            assert await reader.readexactly(1) == b"k"
        await until(lambda: connection not in proxy.pool.host_connections[0].open)
        assert await send_get(reader, writer) == b"ok"
        assert len(proxy.connections) == 2
        writer.close()


async def test_connections_opened_together_expire_at_different_times() -> None:
    async with silent_host() as (url, _):
        pool = ConnectionPool([url], None, limits=PoolLimits(max_age=100, max_requests=1000))
        made = [await pool.connect() for _ in range(20)]
        ends = {round(one.expires_at - pool.loop.time()) for one in made}
        assert 78 <= min(ends) < 95
        assert 105 < max(ends) <= 121
        assert len({one.max_requests for one in made}) > 5
        pool.abort()


@pytest.mark.parametrize("limits", [PoolLimits(max_age=0.3), PoolLimits(max_requests=20)])
async def test_host_back_behind_a_load_balancer_gets_requests(
    limits: PoolLimits,
) -> None:
    """Clients are busy all the time, so that no connection is idle for long."""
    got: dict[str, int] = {"one": 0, "two": 0}

    async def backend(name: str, port: int = 0) -> asyncio.Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    await read_request(reader)
                    got[name] += 1
                    writer.write(OK)
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        return await asyncio.start_server(serve, "127.0.0.1", port)

    one, two = await backend("one"), await backend("two")
    ports = [server.sockets[0].getsockname()[1] for server in (one, two)]
    two.close()
    with balancer(*ports) as balanced:
        async with relay(respond_with(OK), limits=limits) as proxy:
            proxy.pool.hosts[0].port = balanced.port
            clients = [await proxy.open() for _ in range(5)]
            stop = asyncio.Event()

            async def busy(client: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
                while not stop.is_set():
                    await send_get(*client)

            tasks = [asyncio.create_task(busy(client)) for client in clients]
            await until(lambda: got["one"] > 20)
            assert not got["two"]
            two = await backend("two", ports[1])
            async with asyncio.timeout(60):
                while got["two"] < 20:
                    await asyncio.sleep(0.01)
            stop.set()
            await asyncio.gather(*tasks)
            for client in clients:
                client[1].close()
    one.close()
    two.close()
