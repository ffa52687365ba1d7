"""How many requests the callers of one client send to a cluster that cannot be used."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from management.backoff import Backoff
from management.controllers.informer import Collection, Informer
from management.controllers.timing import InformerTiming
from management.kubernetes.attempts import Attempts
from management.kubernetes.client import ClusterClient
from management.kubernetes.connection import ClientLimits
from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from management.kubernetes.errors import AggregatedApiUnavailable, ApiUnreachable
from tests.management.conftest import Serve
from tests.management.controllers.things import PATH, Things
from tests.support.addresses import LOOPBACK_ALLOWED
from tests.support.waiting import eventually

CALLERS = 20
TOKEN = ClusterCredential(token="t")
LONG = InformerTiming(first_pause=3600.0, last_pause=3600.0)


class SilentServer:
    """Accepts connections, and sends nothing. ``accepted`` counts them."""

    def __init__(self) -> None:
        self.accepted = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        while await reader.read(65536):
            pass
        writer.close()


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[SilentServer, ClusterEndpoint]]:
    made = SilentServer()
    server = await asyncio.start_server(made, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield (
            made,
            ClusterEndpoint((f"https://127.0.0.1:{port}",), None, addresses=LOOPBACK_ALLOWED),
        )


async def test_callers_of_a_server_that_sends_nothing_share_one_connection() -> None:
    limits = ClientLimits(request_seconds=1)
    async with (
        silent() as (server, endpoint),
        ClusterClient(endpoint, TOKEN, limits=limits) as client,
    ):
        results = await asyncio.gather(
            *(client.get("/version") for _ in range(CALLERS)), return_exceptions=True
        )
        assert [type(one) for one in results] == [ApiUnreachable] * CALLERS
        assert server.accepted == 1


async def test_caller_that_is_cancelled_lets_the_next_one_try(serve: Serve) -> None:
    arrived: list[str] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        arrived.append(request.path)
        if request.path == "/first":
            await asyncio.sleep(3600)
        return web.json_response({})

    async with serve(handler) as endpoint, ClusterClient(endpoint, TOKEN) as client:
        first = asyncio.create_task(client.get("/first"))
        await eventually(lambda: bool(arrived))
        second = asyncio.create_task(client.get("/second"))
        await asyncio.sleep(0)
        first.cancel()
        await second
        assert arrived == ["/first", "/second"]


async def test_requests_run_at_the_same_time_after_a_response(serve: Serve) -> None:
    running = asyncio.Barrier(CALLERS)

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if request.path != "/version":
            await running.wait()
        return web.json_response({})

    async with serve(handler) as endpoint, ClusterClient(endpoint, TOKEN) as client:
        await client.get("/version")
        await asyncio.gather(*(client.get(f"/{n}") for n in range(CALLERS)))


@pytest.mark.parametrize(("watches", "pauses"), [(0, 1), (1, CALLERS)])
async def test_callers_pause_one_after_the_other_unless_a_watch_is_open(
    watches: int, pauses: int
) -> None:
    begun: list[float] = []

    def chance() -> float:
        begun.append(1.0)
        return 1.0

    attempts = Attempts()
    with attempts.watch():
        if not watches:
            attempts = Attempts()
        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(attempts.pause(Backoff(3600.0, 3600.0, chance=chance)))
            await asyncio.sleep(0.01)
            assert len(begun) == pauses
            attempts.retry_now()


@pytest.mark.parametrize("status", [401, 403, 500, 503])
async def test_informers_continue_when_the_cluster_is_usable_again(
    serve: Serve, status: int
) -> None:
    things = Things()
    things.status = status
    async with (
        serve(things) as endpoint,
        ClusterClient(endpoint, TOKEN) as client,
        asyncio.TaskGroup() as group,
    ):
        informers = [Informer(client, Collection(PATH), lambda: None, LONG) for _ in range(5)]
        tasks = [group.create_task(one.run()) for one in informers]
        await eventually(lambda: all(one.error for one in informers))
        things.status = 200
        tasks.append(group.create_task(_watch(client)))
        await eventually(lambda: all(one.synced.is_set() for one in informers))
        for task in tasks:
            task.cancel()


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_api_behind_the_api_server_that_fails_leaves_the_cluster_usable(
    serve: Serve, status: int
) -> None:
    """Where metrics-server is down, its API server says so with the status of one not ready."""

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        behind = request.path.startswith("/apis/metrics.k8s.io/")
        return web.json_response({}, status=status if behind else 200)

    async with serve(handler) as endpoint, ClusterClient(endpoint, TOKEN) as client:
        await client.get("/version")
        with pytest.raises(AggregatedApiUnavailable, match=str(status)):
            await client.get("/apis/metrics.k8s.io/v1beta1/pods")
        assert not client.attempts.failed


async def _watch(client: ClusterClient) -> None:
    async for _ in client.watch(PATH, "1"):
        pass
