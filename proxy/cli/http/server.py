"""Respond to single requests of a browser on this machine, on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h11

from agent.http.messages import next_event

REQUEST_SECONDS = 10.0
"""How long a connection may take for its request."""

MAX_HEAD_BYTES = 16 * 1024
MAX_CONNECTIONS = 32
"""Browsers open a few in advance. More wait."""


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request. ``headers`` have names in lower case; the first of equal ones wins."""

    method: str
    target: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """A response with an HTML body."""

    status: int
    html: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@asynccontextmanager
async def serve_loopback(respond: Callable[[Request], Page]) -> AsyncIterator[int]:
    """Listen on a free port of 127.0.0.1 and yield it."""
    limit = asyncio.Semaphore(MAX_CONNECTIONS)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with limit:
            await _handled(reader, writer, respond)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=MAX_HEAD_BYTES)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def _handled(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    respond: Callable[[Request], Page],
) -> None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            request = await _request(connection, reader)
            if request is not None:
                writer.write(_message(connection, respond(request)))
                await writer.drain()
    except (TimeoutError, OSError, h11.RemoteProtocolError):
        pass  # not a browser; nothing is shown to it
    finally:
        writer.close()


async def _request(connection: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
    event = await next_event(connection, reader)
    if not isinstance(event, h11.Request):
        return None
    headers: dict[str, str] = {}
    for name, value in event.headers:
        headers.setdefault(name.decode("ascii"), value.decode("latin-1"))
    return Request(event.method.decode("ascii"), event.target.decode("ascii"), headers)


def _message(connection: h11.Connection, page: Page) -> bytes:
    body = page.html.encode()
    fields = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **page.headers,
    }
    head = h11.Response(status_code=page.status, headers=list(fields.items()))
    parts = (head, h11.Data(data=body), h11.EndOfMessage())
    return b"".join(connection.send(part) or b"" for part in parts)
