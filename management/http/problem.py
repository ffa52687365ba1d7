"""Error responses of the API as problem details (RFC 9457, ``application/problem+json``)."""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

REQUEST_ID = web.RequestKey("request_id", str)


class ApiProblem(Exception):
    """An error response. ``detail`` is a sentence for the caller, without internals.

    ``note`` is what the audit log gets in its place, where the detail may repeat a secret.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: list[dict[str, str]] | None = None,
        note: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = errors
        self.note = detail if note is None else note

    def response(self, request_id: str) -> web.Response:
        """Return the problem as an HTTP response."""
        title = _TITLES.get(self.status, "Error")
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": title,
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.errors:
            body["errors"] = self.errors
        return web.Response(
            status=self.status,
            body=json.dumps(body).encode(),
            headers={"Content-Type": "application/problem+json", **self.headers},
        )


_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    409: "Conflict",
    412: "Precondition Failed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="sekisho"'}
