"""Header lines, read once for all requests that say the same."""

import asyncio
import gc
import hashlib

import pytest

from management.client_address import ClientAddresses
from proxy.opening import MAX_INLINE_BODY, MAX_REMEMBERED, Opening, OpeningReader

BEARER = b"token-abc:secret"
ORDINARY = b"Host: gate\r\nAuthorization: Bearer " + BEARER + b"\r\nAccept: */*\r\n"


def a_reader(*trusted: str) -> OpeningReader:
    return OpeningReader(
        asyncio.get_running_loop(),
        ClientAddresses(trusted),
        max_line_size=8190,
        max_field_size=8190,
        max_headers=64,
    )


async def read(*lines: bytes, reader: OpeningReader | None = None) -> Opening | None:
    text = ORDINARY + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
    return (reader or a_reader()).read(text, "192.0.2.1")


async def test_an_opening_says_who_and_how_much() -> None:
    found = await read(b"User-Agent: kubectl", b"Content-Length: 12")
    assert found is not None
    assert found.digest == hashlib.sha256(BEARER).digest()
    assert (found.length, found.user_agent, found.remote) == (12, "kubectl", "192.0.2.1")
    assert found.head.passed == [(b"Accept", b"*/*"), (b"User-Agent", b"kubectl")]
    assert found.keep_alive


async def test_the_same_lines_are_read_once_and_the_credential_is_not_kept() -> None:
    reader = a_reader()
    found = await read(reader=reader)
    assert found is not None
    assert await read(reader=reader) is found
    assert found.head.authorization is None
    gc.collect()
    kept = [one for one in gc.get_referents(reader._remembered) if isinstance(one, bytes)]
    assert not any(BEARER in one for one in kept)


async def test_lines_with_a_request_id_are_not_remembered() -> None:
    reader = a_reader()
    first = await read(b"X-Request-Id: 12345678", reader=reader)
    assert first is not await read(b"X-Request-Id: 12345678", reader=reader)


async def test_no_more_is_remembered_than_may_be() -> None:
    reader = a_reader()
    for number in range(MAX_REMEMBERED + 50):
        await read(b"X-Number: %d" % number, reader=reader)
    assert len(reader._remembered) == MAX_REMEMBERED


async def test_the_address_is_the_clients_behind_a_balancer() -> None:
    found = await read(b"X-Forwarded-For: 203.0.113.9", reader=a_reader("192.0.2.0/24"))
    assert found is not None
    assert found.remote == "203.0.113.9"


async def test_the_last_request_of_a_connection_is_known() -> None:
    found = await read(b"Connection: close")
    assert found is not None
    assert not found.keep_alive


@pytest.mark.parametrize(
    "line",
    [
        b"Connection: upgrade\r\nUpgrade: websocket",
        b"Upgrade: SPDY/3.1",
        b"Transfer-Encoding: chunked",
        b"Content-Length: %d" % (MAX_INLINE_BODY + 1),
        b"Content-Length: 1\r\nContent-Length: 1",
        b"Content-Length: -1",
        b"Content-Length: 1x",
        b"Expect: 100-continue",
        b"Cookie: session=x",
        b"Impersonate-User: root",
        b"impersonate_user: root",
        b"Authorization: Bearer other:one",
        b"Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.eA, x",
        b"Host: another",
        b"X: y\r\n folded",
        b"X : y",
        b"X\x00: y",
        b"X: a\x00b",
        b": y",
        b"no colon",
    ],
)
async def test_what_is_out_of_the_ordinary_is_left_to_others(line: bytes) -> None:
    assert await read(line) is None


async def test_lines_without_a_credential_or_a_host_are_left_to_others() -> None:
    reader = a_reader()
    assert reader.read(b"Host: gate\r\n\r\n", "") is None
    assert reader.read(b"Authorization: Bearer %b\r\n\r\n" % BEARER, "") is None
