"""Keeping an address for those who share it. Linux."""

import socket

import pytest

from config.listen import Listen
from config.problems import ConfigError
from proxy.reserved_address import reserved
from tests.parts.alone import free_port


def listening(port: int, *, shared: bool) -> socket.socket:
    """As asyncio listens: the address may be reused. Raises OSError."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
    made.bind(("127.0.0.1", port))
    made.listen(100)
    return made


@pytest.fixture
def listen() -> Listen:
    return Listen("127.0.0.1", free_port())


async def test_who_shares_may_listen_and_who_would_be_alone_may_not(listen: Listen) -> None:
    async with reserved("server.listen", listen):
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


async def test_all_connections_go_to_those_who_share(listen: Listen) -> None:
    async with reserved("server.listen", listen):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", listen.port))
        with listening(listen.port, shared=True) as one, listening(listen.port, shared=True) as two:
            clients = [socket.create_connection(("127.0.0.1", listen.port)) for _ in range(64)]
            counts = [taken(one), taken(two)]
            assert sum(counts) == 64
            assert min(counts) > 0
            for client in clients:
                client.close()


def taken(listener: socket.socket) -> int:
    """How many connections wait there."""
    listener.setblocking(False)
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


@pytest.mark.parametrize("shared", [False, True])
async def test_an_address_where_somebody_listens_cannot_be_kept(
    listen: Listen, shared: bool
) -> None:
    with listening(listen.port, shared=shared), pytest.raises(ConfigError, match="is in use"):
        async with reserved("server.listen", listen):
            pass


async def test_two_cannot_keep_the_same_address(listen: Listen) -> None:
    async with reserved("server.listen", listen):
        with pytest.raises(ConfigError, match="is in use"):
            async with reserved("server.listen", listen):
                pass
    async with reserved("server.listen", listen):
        pass


async def test_every_address_of_a_name_is_kept() -> None:
    port = free_port()
    async with reserved("server.listen", Listen(None, port)):
        with pytest.raises(OSError, match="in use"):
            listening(port, shared=False)
