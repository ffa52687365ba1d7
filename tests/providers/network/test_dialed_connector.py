"""aiohttp over a dialer: real tunnels, and TLS with the API server inside them."""

import asyncio
import inspect
import ssl
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import aiohttp
import pytest
import uvloop

from config.dialing import NO_WAY, Dialer, DialFailed
from management.kubernetes.tls import verifying_context
from providers.http.response_body import open_session, read_body
from providers.network.dialed_connector import PRIVATE_NAMES, DialedConnector
from proxy.transport.certificates import KeyPair
from tests.support.agent_tunnels import agents
from tests.support.scripted_api_server import (
    ReceivedRequest,
    ScriptedApiServer,
    issue,
    make_authority,
)
from tests.support.waiting import eventually

URL = "https://kubernetes.default.svc/version"
NAME = "kubernetes.default.svc"


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return make_authority()


@pytest.fixture
def api_server(authority: KeyPair) -> Iterator[ScriptedApiServer]:
    with ScriptedApiServer(issue(authority, name=NAME)) as api_server:
        yield api_server


def trusting(authority: KeyPair) -> ssl.SSLContext:
    return verifying_context(authority.certificate_pem.decode())


async def get(dialer: Dialer, context: ssl.SSLContext | None, url: str = URL) -> bytes:
    async with (
        open_session(connector=DialedConnector(dialer, context)) as session,
        session.get(url, timeout=aiohttp.ClientTimeout(total=60)) as response,
    ):
        return await read_body(response, 1000)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_requests_share_a_dialed_connection(
    run: Callable[[Coroutine[Any, Any, None]], None],
    authority: KeyPair,
    api_server: ScriptedApiServer,
) -> None:
    async def several() -> None:
        async with agents(api_server.port) as dialer:
            connector = DialedConnector(dialer, trusting(authority))
            async with open_session(connector=connector) as session:
                for _ in range(3):
                    async with session.get(URL) as response:
                        assert await read_body(response, 1000) == b"{}"
            assert dialer.dials == 1
            await eventually(lambda: dialer.streams == 0)

    run(several())
    assert api_server.received == ["GET /version"] * 3


async def test_context_and_name_of_the_request_take_precedence(
    authority: KeyPair, api_server: ScriptedApiServer
) -> None:
    async with agents(api_server.port) as dialer:
        strict = DialedConnector(dialer, ssl.create_default_context())
        async with (
            open_session(connector=strict) as session,
            session.get(
                "https://10.0.0.1/version", ssl=trusting(authority), server_hostname=NAME
            ) as response,
        ):
            assert response.status == 200


async def test_server_with_another_name_or_ca_gets_no_request(authority: KeyPair) -> None:
    for other, name in ((authority, "127.0.0.1"), (make_authority(), NAME)):
        with ScriptedApiServer(issue(other, name=name)) as impostor:
            async with agents(impostor.port) as dialer:
                with pytest.raises(aiohttp.ClientConnectorCertificateError):
                    await get(dialer, trusting(authority))
            assert impostor.received == []


async def test_request_without_tls_is_not_sent(
    authority: KeyPair, api_server: ScriptedApiServer
) -> None:
    async with agents(api_server.port) as dialer:
        for context, url in ((None, URL), (trusting(authority), URL.replace("https", "http"))):
            with pytest.raises(aiohttp.ClientConnectorError) as error:
                await get(dialer, context, url)
            assert isinstance(error.value.os_error, DialFailed)
        assert dialer.dials == 0


async def test_failed_dial_is_the_cause_of_the_error(authority: KeyPair) -> None:
    with pytest.raises(aiohttp.ClientConnectorError) as error:
        await get(NO_WAY, trusting(authority))
    assert isinstance(error.value.os_error, DialFailed)
    assert error.value.os_error.kind == "no_agent"


async def test_dial_takes_the_time_of_the_request_at_most(
    authority: KeyPair, api_server: ScriptedApiServer
) -> None:
    async with agents(api_server.port) as dialer:
        dialer.ways_made[0].network.stall()
        connector = DialedConnector(dialer, trusting(authority))
        timeout = aiohttp.ClientTimeout(total=60, sock_connect=0.2)
        async with open_session(connector=connector, timeout=timeout) as session:
            with pytest.raises((TimeoutError, aiohttp.ClientConnectorError)):
                await session.get(URL)


async def test_closed_session_ends_its_streams(
    authority: KeyPair, api_server: ScriptedApiServer
) -> None:
    async def never(received: ReceivedRequest) -> None:
        await received.wait_until_closed()

    api_server.scripts["/version"] = never
    async with agents(api_server.port) as dialer:
        session = open_session(connector=DialedConnector(dialer, trusting(authority)))
        request = asyncio.create_task(session.get(URL).__aenter__())
        await eventually(lambda: api_server.received)
        await session.close()
        await asyncio.gather(request, return_exceptions=True)
        await eventually(lambda: dialer.streams == 0)


def test_overridden_method_of_aiohttp_has_the_known_parameters() -> None:
    """aiohttp may rename it or call it in another way: change the connector then."""
    [(kind, names)] = PRIVATE_NAMES.items()
    for connector in (kind, aiohttp.TCPConnector, aiohttp.UnixConnector):
        for name in names:
            found = list(inspect.signature(getattr(connector, name)).parameters)
            assert found == ["self", "req", "traces", "timeout"]
    assert f"self.{names[0]}(req, traces, timeout)" in inspect.getsource(kind.connect)  # type: ignore[attr-defined]
