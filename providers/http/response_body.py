"""Read the HTTP responses of servers that are not trusted: clusters, issuers, GitHub.

This is the only module that opens a client session and reads a response's body; a test scans the
tree for others. A body is bounded in bytes after decompression, in the number of JSON values and in
their nesting. Time is bounded by the session's timeout, which its caller sets.
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp

from config.bounded_inflate import ENCODINGS, Inflater, InvalidCompression

MAX_VALUES = 500_000
"""JSON values in one body. A small value takes 20 times as much memory as its text does."""

MAX_DEPTH = 100
"""Nesting of JSON values. Kubernetes' own objects have fewer than 20 levels."""

STRUCTURE_BYTES = 24
"""Estimated memory for each brace, bracket, colon and comma of a JSON text, beside the text."""

USER_AGENT = "sekisho"


class UnreadableResponse(aiohttp.ClientPayloadError):
    """The body cannot be decoded. The message is one line without text from the server."""


class BodyTooLarge(UnreadableResponse):
    """The body exceeds its limit of bytes or JSON values."""


class InvalidJsonBody(ValueError):
    """The body is not valid JSON, or exceeds the limits on JSON."""


def open_session(
    *, headers: Mapping[str, str] | None = None, **options: Any
) -> aiohttp.ClientSession:
    """Open a session without cookies, without the environment's proxies, without decompression.

    ``options`` are those of :class:`aiohttp.ClientSession`.
    """
    return aiohttp.ClientSession(
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **(headers or {})},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        **options,
    )


async def read_body(
    response: aiohttp.ClientResponse, most: int, held: Callable[[int], None] = lambda size: None
) -> bytes:
    """Return the decoded body. Raises UnreadableResponse, and BodyTooLarge above ``most`` bytes.

    ``held`` is called with the bytes that are in memory, as they grow, and may raise an error.
    """
    declared = response.content_length
    if declared is not None and declared > most:
        raise BodyTooLarge(f"a body that is too large, over {most} bytes")
    body = bytearray()
    async for piece in _decoded(response):
        body += piece
        if len(body) > most:
            raise BodyTooLarge(f"a body that is too large, over {most} bytes")
        held(len(body))
    return bytes(body)


async def read_json(response: aiohttp.ClientResponse, most: int) -> Any:
    """Return the body as JSON. Raises UnreadableResponse and InvalidJsonBody."""
    return parse_json(await read_body(response, most))


async def read_lines(
    response: aiohttp.ClientResponse,
    most: int,
    taken: Callable[[int], float] = lambda size: 0.0,
    held: Callable[[int], None] = lambda size: None,
) -> AsyncIterator[bytes]:
    """Yield the body's lines that are not empty. Raises BodyTooLarge for one over ``most`` bytes.

    ``taken`` is called with the size of each piece and returns the seconds to pause. ``held`` is
    called with the bytes of the incomplete line in memory, and may raise an error. An incomplete
    last line is dropped: the server closed the connection inside it.
    """
    line = bytearray()
    async for piece in _decoded(response):
        if pause := taken(len(piece)):
            await asyncio.sleep(pause)
        start = 0
        # Only the new piece is searched: a long line in many small pieces takes linear time.
        while (end := piece.find(b"\n", start)) >= 0:
            line += piece[start:end]
            _check_line(line, most)
            if line:
                yield bytes(line)
            line.clear()
            start = end + 1
        line += piece[start:]
        _check_line(line, most)
        held(len(line))


async def read_pieces(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the body as it arrives, in pieces of bounded size. Raises UnreadableResponse."""
    async for piece in _decoded(response):
        yield piece


def parse_json(data: bytes | str, *, most_values: int = MAX_VALUES) -> Any:
    """Parse JSON that is not trusted.

    NaN, Infinity and lone surrogates are invalid: they cannot be serialized again.

    Raises:
        InvalidJsonBody: the text is not valid JSON, or is nested too deeply.
        BodyTooLarge: there are more than ``most_values`` values.
    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if _structure(raw) > most_values:
        raise BodyTooLarge(f"a body that is too large, over {most_values} values")
    try:
        value = json.loads(raw, parse_constant=_reject_constant, parse_float=_finite)
        if b"\\u" in raw:
            _check_surrogates(raw, value)
    except RecursionError:
        raise InvalidJsonBody("JSON that is nested too deeply") from None
    except ValueError as exc:
        raise InvalidJsonBody("not JSON") from exc
    if not _is_shallow(value):
        raise InvalidJsonBody("JSON that is nested too deeply")
    return value


def estimated_memory(data: bytes) -> int:
    """Estimate how many bytes a JSON text takes as Python objects, within a factor of two."""
    return len(data) + STRUCTURE_BYTES * (_structure(data) + data.count(b":"))


def _structure(data: bytes) -> int:
    """Return an upper limit of the number of values, less one: characters before values."""
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def _is_shallow(value: object) -> bool:
    """Return whether no value is deeper than MAX_DEPTH. Works level by level, not recursively."""
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(MAX_DEPTH):
        if not level:
            return True
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)  # type: ignore[attr-defined]
            if type(inner) in _CONTAINERS
        ]
    return not level


_CONTAINERS = frozenset({dict, list})
"""The container types that :mod:`json` creates. Exact comparison of types is faster."""


def _reject_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number that is too large")
    return number


def _check_surrogates(raw: bytes, value: object) -> None:
    """Raise ValueError for a lone surrogate, which UTF-8 cannot encode."""
    if b"\\ud" in raw or b"\\uD" in raw:
        json.dumps(value, ensure_ascii=False).encode("utf-8")


def _check_line(line: bytearray, most: int) -> None:
    if len(line) > most:
        raise BodyTooLarge(f"a line that is too large, over {most} bytes")


async def _decoded(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the decoded body in pieces of bounded size.

    The request asks for ``identity``. gzip is decoded anyway, because some servers send only gzip.
    """
    encoding = ",".join(response.headers.getall("Content-Encoding", ())).strip().lower()
    if encoding in {"", "identity"}:
        async for piece in response.content.iter_any():
            yield piece
        return
    if encoding not in ENCODINGS:
        raise UnreadableResponse("a body in a Content-Encoding that was not requested")
    inflater = Inflater()
    try:
        async for piece in response.content.iter_any():
            for decoded in inflater.decoded(piece):
                yield decoded
        inflater.finish()
    except InvalidCompression as exc:
        raise UnreadableResponse(str(exc)) from None
