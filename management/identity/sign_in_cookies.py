"""The cookies of pending sign-ins: one for each, so that two tabs can sign in.

Each holds encrypted state (:mod:`management.identity.sealed_state`) under a name of its own. A
browser keeps only a few, because all of them travel with each request: a new sign-in removes the
oldest.
"""

import secrets
from collections.abc import Mapping
from datetime import timedelta

from aiohttp import web

PREFIX = "__Host-sekisho-signin-"
LIFETIME = timedelta(minutes=10)
"""How long a sign-in at the provider may take."""

MAX_PENDING = 5
"""Concurrent pending sign-ins of one browser."""

MAX_DECRYPTED = 20
"""Cookies decrypted for one request: a browser may send any number."""


def sign_in_cookies(cookies: Mapping[str, str]) -> dict[str, str]:
    """Return the sign-in cookies among ``cookies`` by name, still encrypted."""
    names = sorted(name for name in cookies if name.startswith(PREFIX))
    return {name: cookies[name] for name in names[:MAX_DECRYPTED]}


def set_cookie(request: web.Request, response: web.StreamResponse, encrypted: str) -> None:
    """Set the cookie of a new sign-in; delete the oldest if there are too many.

    SameSite is Lax, because the callback comes from another site; the session's cookie stays
    Strict. Names begin with an increasing number, so that they sort by age.
    """
    before = list(sign_in_cookies(request.cookies))
    for name in before[: max(0, len(before) - MAX_PENDING + 1)]:
        clear_cookie(response, name)
    number = 1 + max((_number(name) for name in before), default=0)
    response.set_cookie(
        f"{PREFIX}{number:06d}-{secrets.token_hex(4)}",
        encrypted,
        max_age=int(LIFETIME.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="Lax",
    )


def clear_cookie(response: web.StreamResponse, name: str) -> None:
    """Delete one cookie."""
    response.del_cookie(name, path="/", secure=True, httponly=True, samesite="Lax")


def _number(name: str) -> int:
    text = name.removeprefix(PREFIX).partition("-")[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) == 6 else 0
