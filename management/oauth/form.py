"""The parameters of a request to the token endpoint."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from aiohttp import web

from management.http.body import UnreadableBody, body_of
from management.oauth.errors import INVALID_REQUEST, OAuthError

MAX_PARAMETERS = 200
_REPEATABLE = frozenset({"audience", "resource"})
"""Parameters that may be repeated (RFC 8693 §2.1); no other may (RFC 6749 §3.2)."""


class Form:
    """Parameters by name. Empty ones count as missing (RFC 6749 §3.2)."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = values

    def one(self, name: str) -> str:
        """Return a required parameter.

        Raises:
            OAuthError: it is missing.
        """
        value = self.maybe(name)
        if not value:
            raise OAuthError(INVALID_REQUEST, f"{name} is missing")
        return value

    def maybe(self, name: str) -> str:
        """Return an optional parameter; empty if it is missing."""
        values = self._values.get(name, [])
        return values[0] if values else ""

    def many(self, name: str) -> Sequence[str]:
        """Return every value of a parameter."""
        return self._values.get(name, [])


def parse_form(text: str) -> Form:
    """Parse ``application/x-www-form-urlencoded``.

    Raises:
        OAuthError: the text is malformed, or a parameter is repeated.
    """
    try:
        pairs = parse_qsl(text, max_num_fields=MAX_PARAMETERS, errors="strict")
    except ValueError:
        raise OAuthError(
            INVALID_REQUEST, "the body is not application/x-www-form-urlencoded text"
        ) from None
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    for name, found in values.items():
        if len(found) > 1 and name not in _REPEATABLE:
            raise OAuthError(INVALID_REQUEST, f"{name[:40]} may be given only once")
    return Form(values)


async def read_form(request: web.Request) -> Form:
    """Read the request's form.

    Raises:
        OAuthError: the body cannot be read as a form.
    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise OAuthError(
            INVALID_REQUEST, "the body must be application/x-www-form-urlencoded", status=415
        )
    try:
        raw = await body_of(request)
    except UnreadableBody as exc:
        headers = {"Connection": "close"}
        raise OAuthError(INVALID_REQUEST, exc.detail, status=exc.status, headers=headers) from None
    try:
        return parse_form(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise OAuthError(INVALID_REQUEST, "the body is not UTF-8") from None
