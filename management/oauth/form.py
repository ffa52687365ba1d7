"""The parameters of a request to the token endpoint."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from aiohttp import web

from management.oauth.errors import INVALID_REQUEST, OAuthError

MAX_FORM_BYTES = 64 * 1024
MAX_PARAMETERS = 200
_REPEATABLE = frozenset({"audience", "resource"})
"""RFC 8693 §2.1; nothing else may be there twice (RFC 6749 §3.2)."""


class Form:
    """Parameters by name. Empty ones count as left out (RFC 6749 §3.2)."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = values

    def one(self, name: str) -> str:
        """A parameter that must be there. Raises OAuthError."""
        value = self.maybe(name)
        if not value:
            raise OAuthError(INVALID_REQUEST, f"{name} is missing")
        return value

    def maybe(self, name: str) -> str:
        """A parameter, or nothing."""
        values = self._values.get(name, [])
        return values[0] if values else ""

    def many(self, name: str) -> Sequence[str]:
        """Every value of a parameter."""
        return self._values.get(name, [])


def parse_form(text: str) -> Form:
    """A form out of ``application/x-www-form-urlencoded``. Raises OAuthError."""
    try:
        pairs = parse_qsl(text, max_num_fields=MAX_PARAMETERS, errors="strict")
    except ValueError:
        raise OAuthError(INVALID_REQUEST, "the body is not a form") from None
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    for name, found in values.items():
        if len(found) > 1 and name not in _REPEATABLE:
            raise OAuthError(INVALID_REQUEST, f"{name[:40]} is there more than once")
    return Form(values)


async def read_form(request: web.Request) -> Form:
    """The request's form. Raises OAuthError."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise OAuthError(
            INVALID_REQUEST, "the body must be application/x-www-form-urlencoded", status=415
        )
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise OAuthError(
            INVALID_REQUEST, f"the body may have {MAX_FORM_BYTES} bytes at the most", status=413
        ) from None
    try:
        return parse_form(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise OAuthError(INVALID_REQUEST, "the body is not UTF-8") from None
