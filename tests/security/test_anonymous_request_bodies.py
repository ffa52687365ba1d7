"""Stalled, truncated, endless and malformed request bodies at every endpoint.

The endpoints come from the route tables, so new ones are covered automatically.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest

from tests.security.endpoints import ENDPOINTS
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.waiting import within

DEADLINE = 1.0
WAIT_SECONDS = 120.0
"""Seconds until a connection must have ended: deadline, linger, and reserve for a busy machine."""

LENGTH, CHUNKED = b"Content-Length: 1000", b"Transfer-Encoding: chunked"
JSON, FORM = b"application/json", b"application/x-www-form-urlencoded"

STALLED = {
    "json": (JSON, LENGTH, b'{"username": "a'),
    "form": (FORM, LENGTH, b"grant_type=x&"),
    "nothing": (JSON, LENGTH, b""),
    "chunked": (FORM, CHUNKED, b"5\r\ngrant\r\n"),
    "in a chunk": (JSON, CHUNKED, b"5\r\ngr"),
    "multipart": (b"multipart/form-data; boundary=x", LENGTH, b"--x\r\n"),
}
MALFORMED = {
    "no chunk": (FORM, CHUNKED, b"5\r\ngrant\r\nzz\r\n\r\n"),
    "a chunk too long": (JSON, CHUNKED, b"2\r\n{}}}\r\n0\r\n\r\n"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    """A server with a body timeout of one second."""
    yield from _served(tmp_path_factory.mktemp("short-body-timeout"), DEADLINE)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    """A server that waits for bodies for as long as a busy machine may take to send one."""
    yield from _served(tmp_path_factory.mktemp("long-body-timeout"), WAIT_SECONDS)


def _served(folder: Path, seconds: float) -> Iterator[Sekisho]:
    made = make_sekisho(folder, (free_port(), free_port()))
    made.environment["SEKISHO_LIMITS__BODY_TIMEOUT"] = f"{seconds:g}s"
    with running(made):
        yield made
        assert made.stop() == 0
        assert "Traceback" not in made.log


@pytest.fixture(autouse=True)
def no_logged_errors(server: Sekisho) -> Iterator[None]:
    """Fail if the server logs an error or a traceback during the test."""
    before = len(server.log)
    yield
    logged = server.log[before:]
    assert "Traceback" not in logged
    assert '"level": "error"' not in logged


@asynccontextmanager
async def connected(
    sekisho: Sekisho,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    ca_file: Path = sekisho.folder / "data" / "tls" / "ca.crt"
    context = ssl.create_default_context(cafile=str(ca_file))
    reader, writer = await asyncio.open_connection("127.0.0.1", sekisho.port, ssl=context)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def head(method: str, path: str, kind: bytes, framing: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: gate", b"Content-Type: " + kind, framing]
    return b"\r\n".join([*lines, b"", b""])


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """Return all bytes until the connection ends."""
    received = b""
    with suppress(ConnectionError):
        async with asyncio.timeout(WAIT_SECONDS):
            while piece := await reader.read(65536):
                received += piece
    return received


def status_of(received: bytes) -> int:
    assert received.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")), received[:100]
    return int(received[9:12])


async def _status_after(
    sekisho: Sekisho, method: str, path: str, body: tuple[bytes, bytes, bytes]
) -> int:
    kind, framing, first_part = body
    async with connected(sekisho) as (reader, writer):
        writer.write(head(method, path, kind, framing) + first_part)
        return status_of(await read_all(reader))


@pytest.mark.parametrize("body", STALLED.values(), ids=STALLED)
async def test_stalled_body_ends_connection_at_every_endpoint(
    server: Sekisho, body: tuple[bytes, bytes, bytes]
) -> None:
    pending = [_status_after(server, method, path, body) for method, path in ENDPOINTS]
    statuses = await asyncio.gather(*pending)
    wrong = [
        (one, status)
        for one, status in zip(ENDPOINTS, statuses, strict=True)
        if not 200 <= status < 500
    ]
    assert not wrong


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_body_causes_no_server_error_at_any_endpoint(
    server: Sekisho, body: tuple[bytes, bytes, bytes]
) -> None:
    pending = [_status_after(server, method, path, body) for method, path in ENDPOINTS]
    statuses = await asyncio.gather(*pending)
    assert all(200 <= status < 500 for status in statuses)


async def test_slow_body_has_same_deadline(server: Sekisho) -> None:
    async with connected(server) as (reader, writer):
        writer.write(head("POST", "/v1/login/local", JSON, LENGTH))

        async def send_slowly() -> None:
            while not writer.is_closing():
                writer.write(b"a")
                await asyncio.sleep(DEADLINE / 20)

        with within(WAIT_SECONDS / 2):
            sending = asyncio.create_task(send_slowly())
            received = await read_all(reader)
            sending.cancel()
            assert status_of(received) == 408
    assert server.metric("sekisho_slow_bodies_total") >= 1


async def _send_truncated(sekisho: Sekisho, method: str, path: str, *, reset: bool) -> None:
    async with connected(sekisho) as (_, writer):
        writer.write(head(method, path, JSON, LENGTH) + b"{")
        await writer.drain()
        await asyncio.sleep(
            0.05
        )  # Give the endpoint time to read this part and to wait for the rest.
        if reset:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_truncated_body_logs_no_error_or_traceback(server: Sekisho, reset: bool) -> None:
    await asyncio.gather(
        *(_send_truncated(server, method, path, reset=reset) for method, path in ENDPOINTS)
    )
    # The server has processed all of it and still responds.
    assert server.request("GET", "/healthz").status == 200


@pytest.mark.parametrize("framing", [b"Content-Length: 100000000000", CHUNKED])
async def test_oversized_body_is_rejected_before_it_is_complete(
    patient: Sekisho, framing: bytes
) -> None:
    """The server reads the rest for a while, so that the response arrives. Then it may reset."""

    async def pending(method: str, path: str) -> int:
        async with connected(patient) as (reader, writer):
            kind = FORM if path == "/v1/token" else JSON
            writer.write(head(method, path, kind, framing))
            piece = b"x" * 16384
            data = piece if framing != CHUNKED else b"%x\r\n%b\r\n" % (len(piece), piece)

            async def flood() -> None:
                with suppress(ConnectionError):
                    for _ in range(20):
                        writer.write(data)
                        await writer.drain()

            flooding = asyncio.create_task(flood())
            async with asyncio.timeout(WAIT_SECONDS):
                received = await reader.readuntil(b"\r\n\r\n")
            flooding.cancel()
            return status_of(received)

    statuses = await asyncio.gather(*(pending(*one) for one in ENDPOINTS))
    assert all(200 <= status < 500 for status in statuses)
    by_endpoint = dict(zip(ENDPOINTS, statuses, strict=True))
    assert by_endpoint["POST", "/v1/login/local"] == 413
    assert by_endpoint["POST", "/v1/token"] == 413
    assert '"level": "error"' not in patient.log


async def test_two_hundred_stalled_sign_ins_end_after_deadline(
    server: Sekisho,
) -> None:
    body = JSON, LENGTH, b"{"
    pending = [_status_after(server, "POST", "/v1/login/local", body) for _ in range(200)]
    assert set(await asyncio.gather(*pending)) <= {408, 429}
    assert server.request("GET", "/healthz").status == 200


def test_endpoint_list_is_complete() -> None:
    """The list of endpoints is not empty and contains the important ones."""
    assert len(ENDPOINTS) > 70
    assert {("POST", "/v1/token"), ("GET", "/docs"), ("GET", "/healthz")} <= set(ENDPOINTS)
    assert all(one != other for one, other in pairwise(ENDPOINTS))
