"""Sekisho's own responses: Kubernetes ``Status`` objects, so that kubectl prints the message.

See "Status" (meta/v1) in the Kubernetes API reference for the reasons. A message names what failed
and where, and no internals.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from management.http.decisions import GATE, RESPONDER, Decision

CLIENT_CLOSED_REQUEST = 499
"""Status in logs and metrics for a client that left before its response began (as nginx logs)."""


class StatusError(Exception):
    """Sekisho responds instead of the cluster. One class for each status code.

    ``note`` replaces the message in the logs. ``decision`` names what decided, for explanations.
    ``closes_connection``: the client's connection ends after the response.
    """

    code = 500
    reason = "InternalError"
    closes_connection = False

    def __init__(
        self,
        message: str,
        *,
        retry_after: int | None = None,
        note: str = "",
        decision: Decision = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.note = note
        self.decision: Decision = decision

    def headers(self) -> dict[str, str]:
        """Return the additional headers of the response."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


class TemporaryRedirect(Exception):
    """The request belongs to another path. ``location`` is relative to the one it was sent to."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


class BadRequest(StatusError):
    """The request is malformed or ambiguous."""

    code, reason = 400, "BadRequest"


class Unauthorized(StatusError):
    """The request has no valid credential (RFC 6750 §3)."""

    code, reason = 401, "Unauthorized"

    def headers(self) -> dict[str, str]:
        """Return the challenge that a 401 must carry, RFC 9110 §11.6.1."""
        return {"WWW-Authenticate": 'Bearer realm="sekisho"'}


class Forbidden(StatusError):
    """The credential is valid and does not allow the request."""

    code, reason = 403, "Forbidden"


class ResourceNotFound(StatusError):
    """The resource does not exist, or not for this caller."""

    code, reason = 404, "NotFound"


class ClusterNotFoundStatus(ResourceNotFound):
    """The cluster does not exist, or not for this caller.

    The message is repeated in a Warning header (RFC 9111 §5.5): kubectl discovers the API first,
    takes a 404 there for an API without resources, and prints warnings but not the message.
    """

    def headers(self) -> dict[str, str]:
        """Return the message as a warning."""
        return _as_warning(self.message)


class MethodNotAllowed(StatusError):
    """The Kubernetes API does not have the method."""

    code, reason = 405, "MethodNotAllowed"

    def headers(self) -> dict[str, str]:
        """Return the allowed methods, RFC 9110 §15.5.6."""
        return {"Allow": "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"}


class RequestTimeout(StatusError):
    """The request's body did not arrive in time."""

    code, reason = 408, "Timeout"


class ContentTooLarge(StatusError):
    """The request's body is over the limit."""

    code, reason = 413, "RequestEntityTooLarge"


class TooManyRequests(StatusError):
    """A limit is reached. The client may retry after ``retry_after`` seconds."""

    code, reason = 429, "TooManyRequests"


class HeadTooLarge(StatusError):
    """A header line is too long, or there are too many."""

    code, reason = 431, "BadRequest"


class InternalError(StatusError):
    """An internal error. The log has details under the request id."""

    code, reason = 500, "InternalError"


class BadGateway(StatusError):
    """The response of the cluster's API server cannot be relayed."""

    code, reason = 502, "BadGateway"


class ServiceUnavailable(StatusError):
    """The cluster, or Sekisho's own store, is not reachable now.

    Without ``retry_after`` the message is repeated in a Warning header: kubectl prints its own text
    for a 503, which names neither the cluster nor the cause.
    """

    code, reason = 503, "ServiceUnavailable"

    def headers(self) -> dict[str, str]:
        """Return when to come back, or the message as a warning."""
        return _as_warning(self.message) if self.retry_after is None else super().headers()


class StoreAway(ServiceUnavailable):
    """The store cannot be reached from this replica.

    The connection ends, so that the client's next one may lead to another replica: a load balancer
    sends no new connections to an unready one, and does not end those that it has.
    """

    closes_connection = True


class GatewayTimeout(StatusError):
    """The cluster's API server did not respond in time."""

    code, reason = 504, "Timeout"


def _as_warning(message: str) -> dict[str, str]:
    """Return a Warning header, with the characters that a quoted string may contain."""
    text = message.encode("ascii", "replace").decode()
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return {"Warning": f'299 - "{quoted}"'}


def status_object(code: int, reason: str, message: str) -> dict[str, object]:
    """Return the ``Status`` of a failure."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


def _response(error: StatusError, request_id: str) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of the response.

    kubectl prints the message and not the headers, so a refusal has the request id in its message.
    """
    message = error.message
    if error.code == HTTPStatus.FORBIDDEN:
        message += f" (request {request_id})"
    status = status_object(error.code, error.reason, message)
    if error.retry_after is not None:
        status["details"] = {"retryAfterSeconds": error.retry_after}
    body = json.dumps(status).encode() + b"\n"
    headers = {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Request-Id": request_id,
        "Server": "sekisho",
        RESPONDER: GATE,
        **error.headers(),
    }
    return headers, body


def status_bytes(error: StatusError, request_id: str, *, keep_alive: bool) -> bytes:
    """Return ``error`` as the bytes of an HTTP/1.1 response."""
    headers, body = _response(error, request_id)
    lines = [f"HTTP/1.1 {error.code} {HTTPStatus(error.code).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    if not keep_alive:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body


def status_response(
    error: StatusError, request_id: str, extra: Mapping[str, str] | None = None
) -> web.Response:
    """Return ``error`` as an HTTP response."""
    headers, body = _response(error, request_id)
    response = web.Response(status=error.code, body=body, headers={**headers, **(extra or {})})
    if error.closes_connection:
        response.force_close()
    return response
