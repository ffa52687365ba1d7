"""The end of watches on real sockets: between two events, or truncated within one."""

import asyncio
import json
from dataclasses import dataclass, field

import pytest

from proxy.response.relay import EVENT_SECONDS
from tests.proxy.relay import RunningRelay, read_request, relay, respond_with

WATCH = b"GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: g\r\n\r\n"
SECONDS = EVENT_SECONDS + 15
"""More than a second, for a busy machine."""


def length_prefixed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


@dataclass
class Kind:
    """An encoding of events. Prefixes of these events look complete in another encoding."""

    media_type: bytes
    events: list[bytes]
    encoding: bytes = b""

    @property
    def head(self) -> bytes:
        more = b"Content-Encoding: " + self.encoding + b"\r\n" if self.encoding else b""
        return (
            b"HTTP/1.1 200 OK\r\nContent-Type: " + self.media_type + b"\r\n" + more
            + b"Transfer-Encoding: chunked\r\n\r\n"
        )  # fmt: skip


KINDS = {
    "json": Kind(b"application/json", [json.dumps({"a": n}).encode() + b"\n" for n in range(3)]),
    "json stream": Kind(b"application/json;stream=watch", [b'{"type":"ADDED"}\n', b"{}\n"]),
    "protobuf": Kind(
        b"application/vnd.kubernetes.protobuf;stream=watch",
        [length_prefixed(b"k8s\x00\n\x05ADDED\x12\n\nabc\n"), length_prefixed(b"\n" * 10)],
    ),
    "cbor": Kind(
        b"application/cbor-seq",
        [b"\xd9\xd9\xf7\xa2DtypeEADDEDFobject\xa1Aa\x44\n\xf6\n\n", b"\xbfAa\x9f\x01\n\xff\xff"],
    ),
}


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@dataclass
class Events:
    """An upstream that sends the pieces that a test puts into a queue."""

    kind: Kind
    pieces: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def script(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(self.kind.head)
        gone = asyncio.ensure_future(reader.read())
        while not gone.done():
            piece = asyncio.ensure_future(self.pieces.get())
            await asyncio.wait({piece, gone}, return_when=asyncio.FIRST_COMPLETED)
            if piece.done():
                writer.write(chunk(piece.result()))
            else:
                piece.cancel()
        self.ended.set()


async def received(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """Read a body until it or the connection ends; return it and whether it is complete."""
    body = b""
    try:
        while True:
            size = int(await reader.readuntil(b"\r\n"), 16)
            if not size:
                assert await reader.readexactly(2) == b"\r\n"
                return body, True
            body += await reader.readexactly(size)
            await reader.readexactly(2)
    except (asyncio.IncompleteReadError, ConnectionError) as exc:
        return body + getattr(exc, "partial", b""), False


async def begun(running: RunningRelay) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await running.open()
    writer.write(WATCH)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    return reader, writer


async def until(running: RunningRelay, sent: int) -> None:
    async with asyncio.timeout(60):
        while running.responses[0].sent < sent:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("name", KINDS)
async def test_watch_between_two_events_ends_cleanly_at_once(name: str) -> None:
    events = Events(KINDS[name])
    async with relay(events.script) as running, asyncio.timeout(SECONDS):
        reader, writer = await begun(running)
        for event in events.kind.events:
            events.pieces.put_nowait(event)
        whole = b"".join(events.kind.events)
        await until(running, len(whole))
        running.responses[0].end_watch()
        assert await received(reader) == (whole, True)
        await events.ended.wait()
        writer.close()


@pytest.mark.parametrize("name", KINDS)
async def test_watch_without_an_event_ends_cleanly_at_once(name: str) -> None:
    events = Events(KINDS[name])
    async with relay(events.script) as running, asyncio.timeout(SECONDS):
        reader, writer = await begun(running)
        running.responses[0].end_watch()
        assert await received(reader) == (b"", True)
        writer.close()


@pytest.mark.parametrize("name", KINDS)
async def test_watch_within_an_event_ends_cleanly_after_that_event(name: str) -> None:
    first, second = KINDS[name].events[:2]
    for cut in range(1, len(second)):
        events = Events(KINDS[name])
        async with relay(events.script) as running, asyncio.timeout(SECONDS):
            reader, writer = await begun(running)
            events.pieces.put_nowait(first + second[:cut])
            await until(running, len(first) + cut)
            running.responses[0].end_watch()
            assert not running.responses[0].over
            events.pieces.put_nowait(second[cut:] + first + second[:1])
            assert await received(reader) == (first + second, True)
            writer.close()


@pytest.mark.parametrize("name", KINDS)
async def test_watch_within_an_endless_event_is_truncated(name: str) -> None:
    events = Events(KINDS[name])
    event = events.kind.events[0]
    async with relay(events.script) as running, asyncio.timeout(SECONDS):
        reader, writer = await begun(running)
        events.pieces.put_nowait(event[:-1])
        await until(running, len(event) - 1)
        running.responses[0].end_watch()
        assert await received(reader) == (event[:-1], False)
        assert running.responses[0].note
        await events.ended.wait()
        writer.close()


@pytest.mark.parametrize(
    "kind",
    [
        Kind(b"application/json", [b"{}\n"], b"gzip"),
        Kind(b"application/vnd.kubernetes.protobuf;stream=watch", [length_prefixed(b"")], b"gzip"),
        Kind(b"application/yaml;stream=watch", [b"a: b\n"]),
        Kind(b"application/cbor-seq", [b"\xff"]),
    ],
)
async def test_watch_without_recognizable_events_is_truncated(kind: Kind) -> None:
    events = Events(kind)
    async with relay(events.script) as running, asyncio.timeout(SECONDS):
        reader, writer = await begun(running)
        events.pieces.put_nowait(kind.events[0])
        await until(running, len(kind.events[0]))
        running.responses[0].end_watch()
        assert await received(reader) == (kind.events[0], False)
        writer.close()


async def test_watch_that_ends_before_its_response_is_answered_within_the_second() -> None:
    requested = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        requested.set()
        await reader.read()

    async with relay(silent) as running, asyncio.timeout(SECONDS):
        reader, writer = await running.open()
        writer.write(WATCH)
        await requested.wait()
        running.responses[0].end_watch()
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 503 ")
        writer.close()


async def test_watch_that_ends_while_it_is_sent_again_is_answered() -> None:
    requested, breaks = asyncio.Event(), asyncio.Event()

    async def breaking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await read_request(reader)
        requested.set()
        await breaks.wait()

    async with relay(breaking, respond_with(Events(KINDS["json"]).kind.head)) as running:
        async with asyncio.timeout(SECONDS):
            reader, writer = await running.open()
            writer.write(b"GET /api HTTP/1.1\r\nHost: g\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            writer.write(WATCH)
            await requested.wait()
            running.responses[0].end_watch()
            breaks.set()
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 503 ")
            writer.close()


async def test_watch_of_an_http_1_0_client_ends_between_events() -> None:
    events = Events(KINDS["protobuf"])
    async with relay(events.script) as running, asyncio.timeout(SECONDS):
        reader, writer = await running.open()
        writer.write(WATCH.replace(b"1.1", b"1.0"))
        await reader.readuntil(b"\r\n\r\n")
        event = events.kind.events[0]
        events.pieces.put_nowait(event[:9])
        await until(running, 9)
        running.responses[0].end_watch()
        events.pieces.put_nowait(event[9:] + b"\x00")
        assert await reader.read() == event
        writer.close()


async def test_pool_of_a_removed_cluster_ends_watches_after_their_event() -> None:
    events = Events(KINDS["cbor"])
    async with relay(events.script) as running, asyncio.timeout(SECONDS):
        reader, writer = await begun(running)
        event = events.kind.events[0]
        events.pieces.put_nowait(event[:9])
        await until(running, 9)
        running.pool.abort(after_events=True)
        events.pieces.put_nowait(event[9:])
        assert await received(reader) == (event, True)
        writer.close()


async def test_response_that_is_not_an_event_stream_is_truncated() -> None:
    """The rejection of a watch is one object, and any part of it may end with a line break."""

    async def rejecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 410 Gone\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"{\n"))
        await reader.read()

    async with relay(rejecting) as running, asyncio.timeout(SECONDS):
        reader, writer = await running.open()
        writer.write(WATCH)
        await reader.readuntil(b"\r\n\r\n")
        await until(running, 2)
        running.responses[0].end_watch()
        assert await received(reader) == (b"{\n", False)
        writer.close()
