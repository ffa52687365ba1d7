"""Limits on the number and duration of anonymous connections."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress

import pytest

from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.waiting import wait_until
from tests.support.wire import Wire

LIMITS = """
limits:
  connections: {total: 40, reserve: 0.25, per_network: 10, per_known_network: 12,
                stranger_timeout: 4s}
"""
WAIT_SECONDS = 120.0

REFUSED = 'sekisho_refused_connections_total{reason="network"}'


@pytest.fixture(scope="module", params=[False, True], ids=["tls", "plain"])
def limited_server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Sekisho]:
    """A server that accepts few connections. root is an administrator."""
    made = make_sekisho(
        tmp_path_factory.mktemp("few-connections"), (free_port(), free_port()), LIMITS
    )
    made.environment["SEKISHO_SERVER__TLS__PLAIN_HTTP"] = str(request.param).lower()
    made.create_user("root", "--admin")
    with running(made):
        yield made
        assert made.stop() == 0
        assert "Traceback" not in made.log
        assert '"level": "error"' not in made.log


def connect(sekisho: Sekisho, stack: ExitStack, source: str = "127.0.0.1") -> socket.socket:
    made = stack.enter_context(closing(socket.socket()))
    made.settimeout(120)
    made.bind((source, 0))
    with suppress(ConnectionResetError):  # The server may refuse it before this process sees it.
        made.connect(("127.0.0.1", sekisho.port))
    return made


def is_closed(sock: socket.socket) -> bool:
    """Return whether the server has closed a connection. Discards received bytes."""
    sock.setblocking(False)
    try:
        while True:
            if not sock.recv(65536):
                return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def strangers(sekisho: Sekisho) -> float:
    """Return how many connections are open that have not authenticated."""
    return sekisho.metric('sekisho_client_connections{known="false"}')


def wait_for_no_connections(sekisho: Sekisho) -> None:
    wait_until(
        lambda: strangers(sekisho) == 0,
        WAIT_SECONDS,
        "the end of anonymous connections",
    )


def test_connections_of_one_address_are_limited_and_others_are_accepted(
    limited_server: Sekisho,
) -> None:
    """The connections send nothing, not even the start of a handshake."""
    wait_until(lambda: refuses_six_of_sixteen(limited_server), WAIT_SECONDS)


def refuses_six_of_sixteen(sekisho: Sekisho) -> bool:
    """Return whether ten connections of an address are open, and one of another address.

    False if the machine is so slow that the server closes the first ones for their silence.
    """
    wait_for_no_connections(sekisho)
    expected = sekisho.metric(REFUSED) + 6
    with ExitStack() as stack:
        silent = [connect(sekisho, stack, "127.0.0.2") for _ in range(16)]
        if not in_time(lambda: (sekisho.metric(REFUSED), strangers(sekisho)) == (expected, 10)):
            return False
        other = connect(sekisho, stack, "127.0.0.3")
        return (
            in_time(lambda: strangers(sekisho) == 11)
            and sum(map(is_closed, silent)) == 6
            and not is_closed(other)
        )


def in_time(condition: Callable[[], bool]) -> bool:
    """Return whether a condition holds before silent connections are closed."""
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        if condition():
            return True
    return False


def test_silent_connection_is_closed(limited_server: Sekisho) -> None:
    with ExitStack() as stack:
        silent = [connect(limited_server, stack, "127.0.0.4") for _ in range(5)]
        wait_until(lambda: all(map(is_closed, silent)), WAIT_SECONDS)
    wait_for_no_connections(limited_server)


def test_slow_connection_is_closed(limited_server: Sekisho) -> None:
    with ExitStack() as stack:
        dripping = connect(limited_server, stack, "127.0.0.5")

        def closed_while_sending() -> bool:
            try:
                dripping.setblocking(True)
                # The start of a TLS record longer than all of this, or of an HTTP method.
                dripping.send(b"\x16" if "plain" not in str(limited_server.environment) else b"A")
            except OSError:
                return True
            return is_closed(dripping)

        wait_until(closed_while_sending, WAIT_SECONDS, "the end of a slow connection")
    wait_for_no_connections(limited_server)


def test_known_client_connects_while_anonymous_clients_use_their_share(
    tmp_path: pytest.TempPathFactory, limited_server: Sekisho
) -> None:
    if limited_server.environment["SEKISHO_SERVER__TLS__PLAIN_HTTP"] == "true":
        pytest.skip("the client of this test speaks TLS")
    token = limited_server.token("root")
    assert limited_server.request("GET", "/v1/me", token=token).status == 200
    with ExitStack() as stack:
        for n in range(50):
            connect(limited_server, stack, f"127.0.1.{n}")
        reserve = 'sekisho_refused_connections_total{reason="reserve"}'
        wait_until(lambda: limited_server.metric(reserve) > 0, WAIT_SECONDS)
        assert limited_server.request("GET", "/v1/me", token=token).status == 200


def test_authenticated_connection_may_idle_longer_than_anonymous_one(
    limited_server: Sekisho,
) -> None:
    if limited_server.environment["SEKISHO_SERVER__TLS__PLAIN_HTTP"] == "true":
        pytest.skip("the client of this test speaks TLS")
    token = limited_server.token("root").encode()
    request = b"GET /v1/me HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer %b\r\n\r\n" % token
    ca_file = limited_server.folder / "data" / "tls" / "ca.crt"
    with (
        Wire(limited_server.port, ca_file) as known,
        Wire(limited_server.port, ca_file) as anonymous,
    ):
        known.send(request)
        assert known.read_response().status == 200
        anonymous.send(b"GET /healthz HTTP/1.1\r\nHost: gate\r\n\r\n")
        assert anonymous.read_response().status == 200
        assert anonymous.is_closed_silently()
        known.send(request)
        assert known.read_response().status == 200
        assert limited_server.metric('sekisho_client_connections{known="true"}') == 1


def test_invalid_handshake_leaves_no_connection(limited_server: Sekisho) -> None:
    with ExitStack() as stack:
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff", b"\0" * 1000):
            sock = connect(limited_server, stack, "127.0.0.6")
            sock.sendall(garbage)
    wait_for_no_connections(limited_server)
    assert ssl.OPENSSL_VERSION
