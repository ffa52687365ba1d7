"""Send one request on a connection of its own, and read the response within limits.

Only this module reads bodies that servers send to the command line. A body is bounded in bytes
after decompression, by the caller; time is bounded by the caller, too.
"""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import h11

from agent.http.connection import Address, open_connection
from agent.http.errors import BodyTooLarge, BrokenBody, InvalidUrl
from agent.http.messages import Stream, client_connection, read_head, read_piece
from config.bounded_inflate import ENCODINGS, Inflater, InvalidCompression

USER_AGENT = "sekisho"


@dataclass(frozen=True, slots=True)
class Response:
    """The head of a response, and its body for one reader. Names of ``headers`` are lower case."""

    status: int
    headers: Mapping[str, str]
    _pieces: AsyncIterator[bytes]

    async def read(self, most: int) -> bytes:
        """Return the decoded body. Raises BrokenBody, and BodyTooLarge above ``most`` bytes."""
        body = bytearray()
        async for piece in self._pieces:
            body += piece
            if len(body) > most:
                raise BodyTooLarge(f"over {most} bytes")
        return bytes(body)

    def pieces(self) -> AsyncIterator[bytes]:
        """Return the decoded body's pieces as they arrive. Raises BrokenBody."""
        return self._pieces

    async def lines(self, most: int) -> AsyncIterator[bytes]:
        """Yield the body's lines as they arrive, without their ends; empty ones too.

        An incomplete last line is dropped: the server closed the connection inside it. Raises
        BodyTooLarge for a line over ``most`` bytes.
        """
        line = bytearray()
        async for piece in self._pieces:
            start = 0
            # Only the new piece is searched: a long line in many small pieces takes linear time.
            while (end := piece.find(b"\n", start)) >= 0:
                line += piece[start:end]
                _check(line, most)
                yield bytes(line).removesuffix(b"\r")
                line.clear()
                start = end + 1
            line += piece[start:]
            _check(line, most)


@asynccontextmanager
async def exchange(
    method: str,
    url: str,
    *,
    tls: ssl.SSLContext,
    proxy: str | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> AsyncIterator[Response]:
    """Send a request and yield the response. Redirects are not followed.

    Raises:
        HttpError: one of its subclasses says what happened.
        OSError: the connection failed; for TLS, it is an ssl.SSLError.
    """
    address = Address.of(url)
    connection = client_connection()
    sent = _message(connection, method, address, dict(headers or {}), body)
    reader, writer = await open_connection(address, tls, proxy)
    try:
        writer.write(sent)
        # Not drained: a server may respond to a part of the body, and h11 reads that response.
        head = await read_head(connection, reader)
        received = {name.decode("ascii"): _text(value) for name, value in head.headers}
        pieces = _decoded(connection, (reader, writer), received.get("content-encoding", ""))
        yield Response(head.status_code, received, pieces)
    finally:
        writer.close()


def _message(
    connection: h11.Connection,
    method: str,
    address: Address,
    headers: Mapping[str, str],
    body: bytes | None,
) -> bytes:
    fields = {
        "Host": address.authority,
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity",
        "Connection": "close",
        **headers,
    }
    if body is not None or method in {"POST", "PUT", "PATCH"}:
        fields["Content-Length"] = str(len(body or b""))
    try:
        request = h11.Request(method=method, target=address.target, headers=list(fields.items()))
        parts = [connection.send(request), connection.send(h11.Data(data=body or b""))]
        parts.append(connection.send(h11.EndOfMessage()))
    except (h11.LocalProtocolError, UnicodeError) as exc:
        raise InvalidUrl(str(exc)) from exc
    return b"".join(part or b"" for part in parts)


async def _decoded(
    connection: h11.Connection, stream: Stream, encoding: str
) -> AsyncIterator[bytes]:
    """Yield the decoded body. gzip is decoded, because some HTTP proxies send nothing else."""
    wanted = encoding.strip().lower()
    if wanted not in {"", "identity", *ENCODINGS}:
        raise BrokenBody("a Content-Encoding that was not requested")
    inflater = Inflater() if wanted in ENCODINGS else None
    try:
        while (piece := await read_piece(connection, stream[0])) is not None:
            if inflater is None:
                yield piece
                continue
            for decoded in inflater.decoded(piece):
                yield decoded
        if inflater is not None:
            inflater.finish()
    except InvalidCompression as exc:
        raise BrokenBody(str(exc)) from None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _check(line: bytearray, most: int) -> None:
    if len(line) > most:
        raise BodyTooLarge(f"a line over {most} bytes")
