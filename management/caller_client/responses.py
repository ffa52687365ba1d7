"""Read the gate's responses to a caller's requests, and translate failures."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from config.dialing import DialFailed
from management.caller_client.errors import (
    CallerRequestError,
    RequestRefused,
    ResponseBroken,
    refusal,
    refusal_in_stream,
    unknown_to_gate,
)
from management.http.decisions import GATE, RESPONDER
from management.kubernetes.list_watch import Event
from management.kubernetes.validation import MalformedObject, checked_object
from providers.http.response_body import (
    InvalidJsonBody,
    UnreadableResponse,
    parse_json,
    read_body,
    read_pieces,
)

MAX_ERROR_BYTES = 64 * 1024

BROKEN = (aiohttp.ClientError, TimeoutError, OSError)
"""What is raised when a response ends early, or does not come."""

_EVENTS = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK"})


def object_of(method: str, value: Any) -> dict[str, Any]:
    """Return the object in a response. Raises MalformedObject."""
    if method == "DELETE" and isinstance(value, dict) and value.get("kind") == "Status":
        return {}  # Its `status` is a text.
    return checked_object(value, named=False)


async def refusal_of(response: aiohttp.ClientResponse) -> CallerRequestError:
    """Return the error for a response that is not a success.

    A 404 of the gate is about the cluster as a whole, and one of the cluster about an object.
    """
    if response.status == 404 and response.headers.get(RESPONDER) == GATE:
        return unknown_to_gate()
    try:
        data = await read_body(response, MAX_ERROR_BYTES)
    except (*BROKEN, UnreadableResponse):
        data = b""
    return refusal(response.status, data, response.headers.get("Retry-After"))


async def pieces_of(path: str, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield a body as it arrives. Raises ResponseBroken."""
    try:
        async for piece in read_pieces(response):
            yield piece
    except BROKEN as exc:
        raise ResponseBroken(f"{path}: the stream broke off") from exc


def event_of(line: bytes) -> Event | None:
    """Return an event of a watch; None for a malformed one.

    Raises:
        RequestRefused: the event is an error.
    """
    try:
        sent = parse_json(line)
    except InvalidJsonBody:
        return None
    if not isinstance(sent, dict):
        return None
    kind = sent.get("type")
    if kind == "ERROR":
        raise refusal_in_stream(sent)
    if kind not in _EVENTS:
        return None
    try:
        return Event(kind, checked_object(sent.get("object"), named=kind != "BOOKMARK"))
    except MalformedObject:
        return None


def not_sent(path: str, exc: Exception) -> CallerRequestError:
    """Return the error for a request without a response."""
    cause = exc.os_error if isinstance(exc, aiohttp.ClientConnectorError) else exc
    if isinstance(cause, DialFailed):
        if cause.kind == "limit":
            return RequestRefused(503, str(cause), reason="ServiceUnavailable", retry_after=1)
        return ResponseBroken(str(cause))
    return ResponseBroken(f"{path}: {broken_reason(exc)}")


def broken_reason(exc: BaseException) -> str:
    """Return why a response did not arrive, for the caller."""
    if isinstance(exc, TimeoutError):
        return "no response in time; try again"
    return "the connection broke off; try again"
