"""Header lines, read once for all requests that say the same."""

import asyncio
import gc
import hashlib

import pytest

from management.http.client_address import ClientAddresses
from proxy.fastpath.header_cache import MAX_CACHED, MAX_INLINE_BODY, CachedHeaders, HeaderCache

BEARER = b"token-abc:secret"
ORDINARY = b"Host: gate\r\nAuthorization: Bearer " + BEARER + b"\r\nAccept: */*\r\n"


def a_reader(*trusted: str) -> HeaderCache:
    return HeaderCache(
        asyncio.get_running_loop(),
        ClientAddresses(trusted),
        max_line_size=8190,
        max_field_size=8190,
        max_headers=64,
    )


async def read(*lines: bytes, reader: HeaderCache | None = None) -> CachedHeaders | None:
    text = ORDINARY + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
    return (reader or a_reader()).read(text, "192.0.2.1")


async def test_read_returns_credential_length_and_headers() -> None:
    found = await read(b"User-Agent: kubectl", b"Content-Length: 12")
    assert found is not None
    assert found.digest == hashlib.sha256(BEARER).digest()
    assert (found.length, found.user_agent, found.remote) == (12, "kubectl", "192.0.2.1")
    assert found.headers.forwarded == [(b"Accept", b"*/*"), (b"User-Agent", b"kubectl")]
    assert found.keep_alive


async def test_same_lines_are_parsed_once_and_keep_no_credential() -> None:
    reader = a_reader()
    found = await read(reader=reader)
    assert found is not None
    assert await read(reader=reader) is found
    assert found.headers.authorization is None
    gc.collect()
    kept = [one for one in gc.get_referents(reader._cached) if isinstance(one, bytes)]
    assert not any(BEARER in one for one in kept)


async def test_lines_with_request_id_are_not_cached() -> None:
    reader = a_reader()
    first = await read(b"X-Request-Id: 12345678", reader=reader)
    assert first is not await read(b"X-Request-Id: 12345678", reader=reader)


async def test_cache_is_bounded() -> None:
    reader = a_reader()
    for number in range(MAX_CACHED + 50):
        await read(b"X-Number: %d" % number, reader=reader)
    assert len(reader._cached) == MAX_CACHED


async def test_address_behind_balancer_is_the_clients() -> None:
    found = await read(b"X-Forwarded-For: 203.0.113.9", reader=a_reader("192.0.2.0/24"))
    assert found is not None
    assert found.remote == "203.0.113.9"


async def test_connection_close_ends_keep_alive() -> None:
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
async def test_unusual_lines_leave_the_fast_path(line: bytes) -> None:
    assert await read(line) is None


async def test_lines_without_credential_or_host_leave_the_fast_path() -> None:
    reader = a_reader()
    assert reader.read(b"Host: gate\r\n\r\n", "") is None
    assert reader.read(b"Authorization: Bearer %b\r\n\r\n" % BEARER, "") is None
