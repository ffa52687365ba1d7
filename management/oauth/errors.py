"""Errors of the token endpoint, as OAuth clients expect them."""

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
UNAVAILABLE = "temporarily_unavailable"


class OAuthError(Exception):
    """An answer of RFC 6749 §5.2: ``error`` is for programs, ``description`` for people.

    ``more`` are further members; neither says anything that was kept from the caller.
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
        """The error as an HTTP answer."""
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
