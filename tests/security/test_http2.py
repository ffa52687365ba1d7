"""The proxy supports HTTP/1.1 only and announces that with ALPN."""

import socket
import ssl

import pytest

from tests.security.world import World

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def connected(world: World, *protocols: str) -> ssl.SSLSocket:
    ca = world.sekisho.folder / "data" / "tls" / "ca.crt"
    context = ssl.create_default_context(cafile=str(ca))
    context.set_alpn_protocols(protocols)
    plain = socket.create_connection(("127.0.0.1", world.sekisho.port), 60)
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


@pytest.mark.parametrize(("offered", "chosen"), [(("h2", "http/1.1"), "http/1.1"), (("h2",), None)])
def test_alpn_selects_http_1_1_only(
    world: World, offered: tuple[str, ...], chosen: str | None
) -> None:
    with connected(world, *offered) as connection:
        assert connection.selected_alpn_protocol() == chosen


def test_http_2_with_prior_knowledge_is_bad_request(world: World) -> None:
    with connected(world, "h2") as connection:
        connection.sendall(PREFACE)
        assert connection.recv(65536).split(b" ")[1] == b"400"
    world.assert_nothing_received()
