"""Tests of the HTTP client with arbitrary responses, on a real socket."""

import gzip
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from providers.base import ProviderUnavailable
from providers.http.client import MAX_RESPONSE_BYTES, HttpClient
from proxy.transport.certificates import KeyPair
from tests.support.scripted_api_server import (
    ReceivedRequest,
    Script,
    ScriptedApiServer,
    issue,
    make_authority,
)

MiB = 1024 * 1024


def respond_with(body: bytes, *lines: bytes) -> Script:
    async def script(received: ReceivedRequest) -> None:
        head = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *lines, b"", b""]
        await received.send(b"\r\n".join(head), body)

    return script


async def endless_response(received: ReceivedRequest) -> None:
    await received.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        await received.send(b" " * 65536)


HARMFUL: dict[str, Callable[[], Script]] = {
    "an endless body": lambda: endless_response,
    "a gzip bomb": lambda: respond_with(
        gzip.compress(b" " * (200 * MiB), 9), b"Content-Encoding: gzip"
    ),
    "deep nesting": lambda: respond_with(b"[" * 100_000 + b"]" * 100_000),
    "many small values": lambda: respond_with(b"[" + b",".join([b"[]"] * 1_000_000) + b"]"),
    "a list": lambda: respond_with(b"[]"),
    "not JSON": lambda: respond_with(b"<html>"),
    "an encoding that was not requested": lambda: respond_with(b"{}", b"Content-Encoding: br"),
}


@asynccontextmanager
async def connected_client(script: Script, folder: Path) -> AsyncIterator[tuple[HttpClient, str]]:
    authority: KeyPair = make_authority()
    (folder / "ca.pem").write_bytes(authority.certificate_pem)
    with ScriptedApiServer(issue(authority)) as server:
        server.scripts["/keys"] = script
        client = HttpClient(ca_file=folder / "ca.pem", timeout_seconds=60)
        await client.start()
        try:
            yield client, f"{server.url}/keys"
        finally:
            await client.close()


@pytest.mark.parametrize("name", HARMFUL)
async def test_harmful_response_is_unavailable_and_takes_little_memory(
    tmp_path: Path, name: str
) -> None:
    async with connected_client(HARMFUL[name](), tmp_path) as (client, url):
        tracemalloc.start()
        try:
            with pytest.raises(ProviderUnavailable) as caught:
                (await client.request("GET", url)).object()
            assert tracemalloc.get_traced_memory()[1] < 6 * MAX_RESPONSE_BYTES
        finally:
            tracemalloc.stop()
    assert "\n" not in str(caught.value)


async def test_response_compressed_without_request_is_decoded(
    tmp_path: Path,
) -> None:
    script = respond_with(gzip.compress(b'{"keys": []}'), b"Content-Encoding: gzip")
    async with connected_client(script, tmp_path) as (client, url):
        assert (await client.request("GET", url)).object() == {"keys": []}
