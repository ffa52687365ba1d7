"""Connections to clusters use allowed addresses only, whatever a name resolves to."""

import asyncio
import socket
from dataclasses import replace

import pytest
from aiohttp import web

from config.address_policy import DEFAULT_POLICY, AddressPolicy
from management.clusters.address_consent import with_consent
from management.kubernetes.client import ClusterClient
from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from management.kubernetes.errors import ApiAddressRefused, ApiUnreachable
from providers.network.checked_connections import AddressRefused, check_address, on_this_machine
from tests.management.conftest import Serve

LOOPBACK_SPELLINGS = ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.0.0.1", "017700000001"]


async def answered(request: web.BaseRequest) -> web.StreamResponse:
    return web.json_response({"gitVersion": "v1"})


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
async def test_loopback_in_any_notation_is_refused_before_a_packet_is_sent(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        endpoint = ClusterEndpoint((f"https://{host}:{listening.getsockname()[1]}",))
        async with ClusterClient(endpoint, ClusterCredential(token="t")) as client:
            with pytest.raises(ApiUnreachable, match=r"loopback|not a canonical IPv4 address"):
                await client.get("/version")
        with pytest.raises(BlockingIOError):
            listening.accept()


async def test_name_that_resolves_to_loopback_later_is_refused_then(serve: Serve) -> None:
    """The operator trusts the address, not the name."""
    async with serve(answered) as endpoint:
        trusted = replace(endpoint, addresses=DEFAULT_POLICY.trusting(["127.0.0.1"]))
        async with ClusterClient(trusted, ClusterCredential(token="t")) as client:
            assert await client.get("/version") == {"gitVersion": "v1"}
        rebound = replace(endpoint, addresses=DEFAULT_POLICY.trusting(["127.0.0.2"]))
        async with ClusterClient(rebound, ClusterCredential(token="t")) as client:
            with pytest.raises(ApiAddressRefused):
                await client.get("/version")


async def test_operator_import_trusts_the_current_addresses() -> None:
    endpoint = ClusterEndpoint(
        ("https://localhost:6443", "https://10.0.0.1:6443", "https://no.invalid")
    )
    consented, sentences = await with_consent(endpoint, DEFAULT_POLICY)
    assert "127.0.0.1" in consented.addresses.trusted
    assert "10.0.0.1" not in consented.addresses.trusted
    assert all("loopback" in one for one in sentences)


async def test_operator_import_trusts_no_listener_and_no_denied_address() -> None:
    policy = AddressPolicy.of(deny=["127.0.0.2/32"], listeners=[("", 8443)])
    endpoint = ClusterEndpoint(
        ("https://127.0.0.1:8443", "https://127.0.0.2:6443", "https://0.0.0.0:1")
    )
    consented, _ = await with_consent(endpoint, policy)
    assert consented.addresses.trusted == frozenset()


def test_address_of_this_machine_is_recognized_without_a_list() -> None:
    assert on_this_machine("127.0.0.1")
    assert not on_this_machine("192.0.2.1")


async def test_wildcard_listener_is_refused_at_each_address() -> None:
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(socket.gethostname(), 8443, type=socket.SOCK_STREAM)
    policy = AddressPolicy.of(allow=["127.0.0.0/8", "::1/128"], listeners=[("0.0.0.0", 8443)])
    for info in infos:
        if not on_this_machine(str(info[4][0])):
            continue
        with pytest.raises(AddressRefused):
            check_address(policy, str(info[4][0]), 8443)
