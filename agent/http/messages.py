"""Read HTTP messages from a stream with h11."""

import asyncio

import h11

from agent.http.errors import BrokenBody, ConnectionEnded, NotHttp

MAX_HEAD_BYTES = 64 * 1024
"""Limit for the status line and the header fields of a message."""

_PIECE = 64 * 1024
_MAX_INTERIM = 20
"""1xx responses before the final one. A server has a reason for one or two."""

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def client_connection() -> h11.Connection:
    """Return the state machine of a client for one request."""
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)


async def next_event(connection: h11.Connection, reader: asyncio.StreamReader) -> object:
    """Return h11's next event. Raises h11.RemoteProtocolError, OSError."""
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(_PIECE))
    return event


async def read_head(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Response:
    """Return the head of the final response. Raises ConnectionEnded, NotHttp, OSError."""
    try:
        for _ in range(_MAX_INTERIM):
            event = await next_event(connection, reader)
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise ConnectionEnded
    except h11.RemoteProtocolError as exc:
        if reader.at_eof() and not connection.trailing_data[0]:
            raise ConnectionEnded from exc
        raise NotHttp(str(exc)) from exc
    raise NotHttp("too many interim responses")


async def read_piece(connection: h11.Connection, reader: asyncio.StreamReader) -> bytes | None:
    """Return the next piece of the body; None at its end. Raises BrokenBody, OSError."""
    try:
        event = await next_event(connection, reader)
    except h11.RemoteProtocolError as exc:
        raise BrokenBody(str(exc)) from exc
    except ConnectionError as exc:
        raise BrokenBody("the connection was reset") from exc
    return bytes(event.data) if isinstance(event, h11.Data) else None
