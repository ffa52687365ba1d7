"""Addresses that load balancers announce by the PROXY protocol: from whom, and for what."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.proxy.client.test_proxy_header import line, of_addresses
from tests.support.log_lines import await_audit_event
from tests.support.sekisho import (
    Sekisho,
    SekishoWithUsers,
    await_bindings,
    free_port,
    make_sekisho,
    running,
)
from tests.support.waiting import wait_until

BALANCER, STRANGER = "127.0.0.2", "127.0.0.3"
CLIENT = "203.0.113.7"
HEADERS = {
    "version 1": line(CLIENT, "192.0.2.1", 50000, 443),
    "version 2": of_addresses(CLIENT, "192.0.2.1", b"\x04\x00\x02\x00\x00"),
}
REFUSED = 'sekisho_refused_connections_total{reason="%s"}'
SETTINGS = f'proxy_protocol_from: ["{BALANCER}/32"]'


def announcing(server: Sekisho, *, workers: int) -> None:
    """Let a stopped server expect headers from the balancer."""
    listen = f'listen: "127.0.0.1:{server.port}"'
    text = server.config.read_text()
    added = f"{listen}, workers: {workers}, {SETTINGS}"
    server.config.write_text(text.replace(listen, added, 1))


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "workers"])
def gate(
    request: pytest.FixtureRequest,
    prepared_proxy: SekishoWithUsers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[SekishoWithUsers]:
    """A server with a cluster behind a balancer, as one process and with workers."""
    server = prepared_proxy.copied_to(tmp_path_factory.mktemp("announced") / "sekisho")
    announcing(server, workers=request.param)
    with running(server):
        await_bindings(server)
        yield server
    assert "Traceback" not in server.log


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    """A server without clusters that lets few connections of a network in."""
    limits = "limits: {connections: {total: 60, per_network: 4}}\n"
    server = make_sekisho(tmp_path_factory.mktemp("small"), (free_port(), free_port()), limits)
    announcing(server, workers=1)
    server.create_user("root", "--admin")
    with running(server):
        yield server
    assert "Traceback" not in server.log


def connect(server: Sekisho, source: str = BALANCER, first: bytes = b"") -> socket.socket:
    made = socket.create_connection(
        ("127.0.0.1", server.port), timeout=120, source_address=(source, 0)
    )
    with suppress(ConnectionError):  # The server may refuse it before it has read everything.
        made.sendall(first)
    return made


def exchange(raw: socket.socket, ca: Path, *requests: bytes) -> bytes:
    """Send requests over TLS, the last one with ``Connection: close``; return all responses."""
    context = ssl.create_default_context(cafile=str(ca))
    with context.wrap_socket(raw, server_hostname="127.0.0.1") as tls:
        tls.sendall(b"".join(requests))
        found = b""
        while data := tls.recv(65536):
            found += data
        return found


def ask(server: Sekisho, raw: socket.socket, path: str, token: str, request_id: str) -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer {token}\r\n"
    request = f"{head}X-Forwarded-For: 198.51.100.1\r\nX-Request-Id: {request_id}\r\n"
    ca = server.folder / "data" / "tls" / "ca.crt"
    return exchange(raw, ca, f"{request}Connection: close\r\n\r\n".encode())


def address_of(server: Sekisho, request_id: str) -> str:
    """Return the client's address of a request in the audit log."""
    [address] = await_audit_event(server, request_id)["sourceIPs"]
    return str(address)


def is_reset(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("version", HEADERS)
def test_announced_address_is_in_the_audit_log_of_both_paths_and_of_the_api(
    gate: SekishoWithUsers, version: str
) -> None:
    token = gate.token("alice")
    pods = "/k8s/clusters/test/api/v1/namespaces/default/pods"
    for number, path in enumerate(
        (pods, pods, f"{pods}?watch=true&timeoutSeconds=1", "/v1/tokens")
    ):
        request_id = f"announced-{version[-1]}-{number}"
        response = ask(gate, connect(gate, first=HEADERS[version]), path, token, request_id)
        assert response.startswith(b"HTTP/1.1 200 "), response
        assert address_of(gate, request_id) == CLIENT


def test_connection_from_elsewhere_keeps_its_own_address(gate: SekishoWithUsers) -> None:
    token = gate.token("alice")
    response = ask(gate, connect(gate, STRANGER), "/v1/tokens", token, "announced-own")
    assert response.startswith(b"HTTP/1.1 200 ")
    assert address_of(gate, "announced-own") == STRANGER


def test_balancer_that_speaks_for_itself_keeps_its_own_address(small: Sekisho) -> None:
    token = small.token("root")
    raw = connect(small, first=b"PROXY UNKNOWN\r\n")
    response = ask(small, raw, "/v1/tokens", token, "announced-local")
    assert response.startswith(b"HTTP/1.1 200 ")
    assert address_of(small, "announced-local") == BALANCER


@pytest.mark.parametrize("version", HEADERS)
def test_header_from_elsewhere_is_refused_and_logged(version: str, small: Sekisho) -> None:
    before = small.metric(REFUSED % "header")
    with connect(small, STRANGER, HEADERS[version]) as spoofed:
        assert is_reset(spoofed)
    assert small.metric(REFUSED % "header") == before + 1
    wait_until(lambda: f'"address": "{STRANGER}"' in small.log, what="the line")
    assert "server.proxy_protocol_from lacks it" in small.log


@pytest.mark.parametrize(
    "first",
    [b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 nonsense\r\n"],
)
def test_connection_of_a_balancer_without_a_valid_header_is_refused(
    first: bytes, small: Sekisho
) -> None:
    before = small.metric(REFUSED % "header")
    with connect(small, first=first) as bare:
        assert is_reset(bare)
    assert small.metric(REFUSED % "header") == before + 1
    wait_until(lambda: '"refused a connection"' in small.log, what="the line")


@pytest.mark.parametrize("source", [BALANCER, STRANGER])
def test_silent_connection_is_closed_in_time(source: str, small: Sekisho) -> None:
    with connect(small, source) as silent, connect(small, source, b"PRO") as unfinished:
        assert is_reset(silent)
        assert is_reset(unfinished)


def test_header_in_parts_is_read_to_its_end_and_no_further(small: Sekisho) -> None:
    token = small.token("root")
    for number, header in enumerate(HEADERS.values()):
        raw = connect(small)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(header)):
            raw.sendall(header[at : at + 1])
        request_id = f"announced-parts-{number}"
        assert ask(small, raw, "/v1/tokens", token, request_id).startswith(b"HTTP/1.1 200 ")
        assert address_of(small, request_id) == CLIENT


def test_announced_addresses_are_counted_and_not_the_balancers(small: Sekisho) -> None:
    """Without the first byte of TLS, so that only the listener has seen them."""
    same = [line("203.0.113.8", "192.0.2.1", 1, 2)] * 6  # No user has signed in from there.
    others = [line(f"198.51.100.{n}", "192.0.2.1", 1, 2) for n in range(6)]
    wait_until(lambda: has_let_in(small, same + others, 10), what="ten of twelve to be let in")
    wait_until(lambda: counts(small) == (0, 0), what="the end of all")


def counts(server: Sekisho) -> tuple[float, float]:
    """Return the numbers of open connections of known and of unknown clients."""
    known, unknown = (
        server.metric(f'sekisho_client_connections{{known="{one}"}}') for one in ("true", "false")
    )
    return known, unknown


def has_let_in(server: Sekisho, headers: list[bytes], most: int) -> bool:
    """Return whether ``most`` of the connections are let in, and the others refused.

    False if the machine is so slow that the server closes the first ones for their silence.
    """
    wait_until(lambda: counts(server) == (0, 0), what="the end of other connections")
    refused = REFUSED % "network"
    expected = server.metric(refused) + len(headers) - most
    with ExitStack() as opened:
        for header in headers:
            opened.enter_context(connect(server, first=header))
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if (server.metric(refused), counts(server)) == (expected, (0, most)):
                return True
    return False
