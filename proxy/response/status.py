"""Answers of the gate's own: Kubernetes ``Status`` objects, so that kubectl prints a sentence.

See "Status" (meta/v1) in the Kubernetes API reference for the reasons. A message says what failed
and where, never how it looks inside.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web


class Refusal(Exception):
    """The gate answers by itself instead of the cluster. One class for each status code.

    ``note`` is what the logs are told instead of the message.
    """

    code = 500
    reason = "InternalError"

    def __init__(self, message: str, *, retry_after: int | None = None, note: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.note = note

    def headers(self) -> dict[str, str]:
        """Headers that go with the answer."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


class BadRequest(Refusal):
    """The request can't be read in one way only."""

    code, reason = 400, "BadRequest"


class Unauthorized(Refusal):
    """No credential, or one that isn't valid (RFC 6750 §3)."""

    code, reason = 401, "Unauthorized"

    def headers(self) -> dict[str, str]:
        """The challenge that a 401 must carry, RFC 9110 §11.6.1."""
        return {"WWW-Authenticate": 'Bearer realm="sekisho"'}


class Forbidden(Refusal):
    """A valid credential that doesn't allow this."""

    code, reason = 403, "Forbidden"


class NotFound(Refusal):
    """No such cluster, or none that the caller may know of."""

    code, reason = 404, "NotFound"


class MethodNotAllowed(Refusal):
    """A method that isn't one of the Kubernetes API."""

    code, reason = 405, "MethodNotAllowed"

    def headers(self) -> dict[str, str]:
        """Which methods there are, RFC 9110 §15.5.6."""
        return {"Allow": "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"}


class TooLarge(Refusal):
    """The request's body is larger than may be sent."""

    code, reason = 413, "RequestEntityTooLarge"


class TooManyRequests(Refusal):
    """A limit is reached; come back after ``retry_after`` seconds."""

    code, reason = 429, "TooManyRequests"


class HeadTooLarge(Refusal):
    """A line of the request's head is too long, or there are too many."""

    code, reason = 431, "BadRequest"


class InternalError(Refusal):
    """Something of ours is wrong; the log has more, under the request id."""

    code, reason = 500, "InternalError"


class UpstreamFailed(Refusal):
    """The cluster's API server answered with something that can't be passed on."""

    code, reason = 502, "BadGateway"


class Unavailable(Refusal):
    """The cluster, or Sekisho's own store, can't be reached right now."""

    code, reason = 503, "ServiceUnavailable"


class UpstreamTimeout(Refusal):
    """The cluster's API server didn't answer in time."""

    code, reason = 504, "Timeout"


def status_object(code: int, reason: str, message: str) -> dict[str, object]:
    """A ``Status`` of a failure."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


def _answer(refusal: Refusal, request_id: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of the answer."""
    status = status_object(refusal.code, refusal.reason, refusal.message)
    if refusal.retry_after is not None:
        status["details"] = {"retryAfterSeconds": refusal.retry_after}
    body = json.dumps(status).encode() + b"\n"
    headers = {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Request-Id": request_id,
        "Server": "sekisho",
        **refusal.headers(),
    }
    return headers, body


def status_bytes(refusal: Refusal, request_id: str, *, keep_alive: bool) -> bytes:
    """``refusal`` as the bytes of an HTTP/1.1 answer."""
    headers, body = _answer(refusal, request_id)
    lines = [f"HTTP/1.1 {refusal.code} {HTTPStatus(refusal.code).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    if not keep_alive:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body


def status_response(
    refusal: Refusal, request_id: str, extra: Mapping[str, str] | None = None
) -> web.Response:
    """``refusal`` as an HTTP answer."""
    headers, body = _answer(refusal, request_id)
    return web.Response(status=refusal.code, body=body, headers={**headers, **(extra or {})})
