"""The proxy connects to allowed addresses only."""

import asyncio
import socket

import pytest

from config.address_policy import DEFAULT_POLICY
from providers.network.checked_connections import AddressRefused
from proxy.upstream.addresses import allowed_addresses
from proxy.upstream.errors import UpstreamConnectError
from proxy.upstream.pool import ConnectionPool


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "0", "2130706433", "[::1]"])
async def test_pool_rejects_each_spelling_of_loopback_and_sends_nothing(host: str) -> None:
    kinds: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        url = f"https://{host}:{listening.getsockname()[1]}"
        pool = ConnectionPool([url], None, on_error=kinds.append, addresses=DEFAULT_POLICY)
        with pytest.raises(UpstreamConnectError):
            await pool.connect()
        with pytest.raises(BlockingIOError):
            listening.accept()
        pool.abort()
    assert kinds == ["address"]


async def test_pool_connects_to_a_trusted_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://localhost:{listening.getsockname()[1]}"
        policy = DEFAULT_POLICY.trusting(["127.0.0.1"])
        pool = ConnectionPool([url], None, addresses=policy)
        connection = await pool.connect()
        assert connection.usable
        pool.abort()


async def test_only_allowed_addresses_of_a_name_are_returned() -> None:
    loop = asyncio.get_running_loop()
    policy = DEFAULT_POLICY.trusting(["127.0.0.1"])
    assert await allowed_addresses(loop, "localhost", 443, policy) == ["127.0.0.1"]
    with pytest.raises(AddressRefused, match="loopback"):
        await allowed_addresses(loop, "localhost", 443, DEFAULT_POLICY)
    with pytest.raises(socket.gaierror):
        await allowed_addresses(loop, "name.invalid", 443, DEFAULT_POLICY)
