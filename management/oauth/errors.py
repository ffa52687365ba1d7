"""Errors of the token endpoint (RFC 6749 §5.2)."""

import json
from collections.abc import Mapping

from aiohttp import web

INVALID_REQUEST = "invalid_request"
INVALID_GRANT = "invalid_grant"
UNSUPPORTED_GRANT = "unsupported_grant_type"
INVALID_TARGET = "invalid_target"
INVALID_SCOPE = "invalid_scope"
ACCESS_DENIED = "access_denied"
EXPIRED = "expired_token"
PENDING = "authorization_pending"
SLOW_DOWN = "slow_down"
UNAVAILABLE = "temporarily_unavailable"


class OAuthError(Exception):
    """An error response of RFC 6749 §5.2. ``error`` is for programs, ``description`` for humans.

    ``more`` has further members. None of them reveals what the caller may not know.
    """

    def __init__(
        self,
        error: str,
        description: str,
        *,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    def response(self, request_id: str) -> web.Response:
        """Return the error as an HTTP response."""
        body = {
            "error": self.error,
            "error_description": self.description,
            "request_id": request_id,
            **self.more,
        }
        return web.Response(
            status=self.status,
            body=json.dumps(body).encode(),
            content_type="application/json",
            headers={"Cache-Control": "no-store", **self.headers},
        )
