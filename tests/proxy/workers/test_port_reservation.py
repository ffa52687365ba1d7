"""Reservation of a port for workers that share it (Linux only)."""

import socket

import pytest

from config.listen import Listen
from config.problems import ConfigError
from proxy.workers.port_reservation import reserve_port
from tests.support.isolation import free_port


def listening(port: int, *, shared: bool) -> socket.socket:
    """Listen as asyncio does, with SO_REUSEADDR.

    Raises:
        OSError: if the address is in use.
    """
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
    made.bind(("127.0.0.1", port))
    made.listen(100)
    return made


@pytest.fixture
def listen() -> Listen:
    return Listen("127.0.0.1", free_port())


async def test_reserved_port_allows_shared_listeners_only(listen: Listen) -> None:
    async with reserve_port("server.listen", listen):
        with pytest.raises(OSError, match="in use"):
            listening(listen.port, shared=False)
        with (
            listening(listen.port, shared=True),
            listening(listen.port, shared=True),
            pytest.raises(OSError, match="in use"),
        ):
            listening(listen.port, shared=False)
        with pytest.raises(OSError, match="in use"):
            listening(listen.port, shared=False)
    listening(listen.port, shared=False).close()


async def test_connections_to_a_reserved_port_go_to_the_shared_listeners(listen: Listen) -> None:
    async with reserve_port("server.listen", listen):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", listen.port))
        with listening(listen.port, shared=True) as one, listening(listen.port, shared=True) as two:
            clients = [socket.create_connection(("127.0.0.1", listen.port)) for _ in range(64)]
            counts = [accepted(one), accepted(two)]
            assert sum(counts) == 64
            assert min(counts) > 0
            for client in clients:
                client.close()


def accepted(listener: socket.socket) -> int:
    """Accept and close all waiting connections; return their number."""
    listener.setblocking(False)
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


@pytest.mark.parametrize("shared", [False, True])
async def test_port_in_use_cannot_be_reserved(listen: Listen, shared: bool) -> None:
    with listening(listen.port, shared=shared), pytest.raises(ConfigError, match="is in use"):
        async with reserve_port("server.listen", listen):
            pass


async def test_reserved_port_cannot_be_reserved_again(listen: Listen) -> None:
    async with reserve_port("server.listen", listen):
        with pytest.raises(ConfigError, match="is in use"):
            async with reserve_port("server.listen", listen):
                pass
    async with reserve_port("server.listen", listen):
        pass


async def test_reservation_without_a_host_covers_every_address() -> None:
    port = free_port()
    async with reserve_port("server.listen", Listen(None, port)):
        with pytest.raises(OSError, match="in use"):
            listening(port, shared=False)
