"""Every endpoint enforces the rate limits of anonymous clients, without affecting others."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import suppress

import aiohttp
import pytest

from tests.security.endpoints import ENDPOINTS, PROBES
from tests.support.sekisho import PASSWORD, Sekisho, free_port, make_sekisho, running
from tests.support.wire import Wire

LIMITS = """
limits:
  anonymous: {requests_per_second: 0.001, burst: 20, probes_per_second: 50}
"""


@pytest.fixture(scope="module")
def limited_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    """A server that allows twenty requests without a credential per network."""
    made = make_sekisho(tmp_path_factory.mktemp("limited"), (free_port(), free_port()), LIMITS)
    with running(made):
        made.create_user("root", "--admin")
        yield made


def client(sekisho: Sekisho) -> aiohttp.ClientSession:
    ca_file = sekisho.folder / "data" / "tls" / "ca.crt"
    context = ssl.create_default_context(cafile=str(ca_file))
    return aiohttp.ClientSession(sekisho.url, connector=aiohttp.TCPConnector(ssl=context, limit=50))


async def _status(
    session: aiohttp.ClientSession, method: str, path: str, token: str | None = None
) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with session.request(method, path, headers=headers, allow_redirects=False) as response:
        with suppress(aiohttp.ClientError):
            await response.read()
        return response.status, response.headers.get("Retry-After", "")


async def test_every_endpoint_rejects_network_over_its_limit(
    limited_server: Sekisho,
) -> None:
    async with client(limited_server) as session:
        await asyncio.gather(*(_status(session, "GET", "/docs") for _ in range(30)))
        for credential in (None, "token-x:y", "no token", "a.b.c"):
            sent = [
                (method, path, _status(session, method, path, credential))
                for method, path in ENDPOINTS
                if path not in PROBES
            ]
            received = await asyncio.gather(*(one[2] for one in sent))
            for (method, path, _), (status, retry_after) in zip(sent, received, strict=True):
                assert (method, path, status) == (method, path, 429)
                assert int(retry_after) > 0


UNUSUAL = {
    "a long target": b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "an absolute target": b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "long cookies": b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"x" * 40_000 + b"\r\n\r\n",
    "an expectation": b"GET / HTTP/1.1\r\nHost: x\r\nExpect: y\r\n\r\n",
}


@pytest.mark.parametrize("request_", UNUSUAL.values(), ids=UNUSUAL)
async def test_request_for_no_endpoint_counts_against_limit(
    limited_server: Sekisho, request_: bytes
) -> None:
    async with client(limited_server) as session:
        await asyncio.gather(*(_status(session, "GET", "/docs") for _ in range(30)))
    with Wire(limited_server.port, limited_server.folder / "data" / "tls" / "ca.crt") as wire:
        wire.send(request_)
        assert wire.read_response().status == 429


async def test_probe_from_limited_network_is_served(
    limited_server: Sekisho,
) -> None:
    async with client(limited_server) as session:
        await asyncio.gather(*(_status(session, "GET", "/docs") for _ in range(30)))
        for path in PROBES:
            assert (await _status(session, "GET", path))[0] == 200


def test_rejected_requests_are_counted(limited_server: Sekisho) -> None:
    assert limited_server.metric('sekisho_rejected_requests_total{scope="anonymous"}') >= 1


@pytest.fixture(scope="module")
def proxied_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    """A server behind a load balancer that reports each client's address."""
    extra = "limits: {anonymous: {requests_per_second: 0.001, burst: 20, sign_ins_per_minute: 2}}\n"
    made = make_sekisho(tmp_path_factory.mktemp("proxied"), (free_port(), free_port()), extra)
    text = made.config.read_text().replace("server: {", "server: {trusted_proxies: [127.0.0.1], ")
    made.config.write_text(text)
    with running(made):
        made.create_user("root", "--admin")
        yield made


def test_flood_from_one_address_behind_load_balancer_limits_only_that_address(
    proxied_server: Sekisho,
) -> None:
    def status_for(address: str) -> int:
        return proxied_server.request("GET", "/docs", headers={"X-Forwarded-For": address}).status

    assert [status_for("192.0.2.1") for _ in range(21)] == [200] * 20 + [429]
    # An IPv6 /64 counts as one client: it belongs to one subscriber.
    assert [status_for(f"2001:db8::{n:x}") for n in range(1, 22)] == [200] * 20 + [429]
    assert status_for("192.0.2.2") == 200
    body = {"username": "root", "password": PASSWORD}
    headers = {"X-Forwarded-For": "192.0.2.3"}
    signed_in = proxied_server.request("POST", "/v1/login/local", body=body, headers=headers)
    token = signed_in.json()["token"]
    # An authenticated caller is served from any address.
    assert proxied_server.request("GET", "/v1/me", token=token, headers=headers).status == 200
    flooded = {"X-Forwarded-For": "192.0.2.1"}
    assert proxied_server.request("GET", "/v1/me", token=token, headers=flooded).status == 200


def test_sign_ins_at_provider_are_limited_per_minute(proxied_server: Sekisho) -> None:
    headers = {"X-Forwarded-For": "192.0.2.77"}
    device = [
        proxied_server.request("POST", "/v1/login/local/device", headers=headers).status
        for _ in range(3)
    ]
    assert device == [404, 404, 429]
    assert proxied_server.request("GET", "/v1/login/local/start", headers=headers).status == 429


def test_anonymous_client_does_not_see_provider_health(
    proxied_server: Sekisho,
) -> None:
    assert b"provider" not in proxied_server.request("GET", "/readyz?verbose").body
    assert "provider/local" in proxied_server.get_monitoring("/readyz?verbose")
