"""Browser sessions: an encrypted cookie that holds a session's token and a CSRF token.

aiohttp-session's encrypted storage does the cookie. What it holds is a ``session-…`` token like any
other, so a session ends at the server when it is signed out, revoked or its user disabled. See
docs/decisions/0006-sessions-and-csrf.md.
"""

import base64
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp_session import AbstractStorage, Session
from aiohttp_session.cookie_storage import EncryptedCookieStorage
from cryptography.fernet import Fernet

COOKIE = "__Host-sekisho"
"""The prefix makes browsers insist on Secure, Path=/ and this very host (RFC 6265bis §4.1.3)."""

CSRF_HEADER = "X-CSRF-Token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class SessionData:
    """What a session's cookie holds. ``repr`` hides both."""

    bearer: str = field(repr=False)
    csrf_token: str = field(repr=False)


class SessionCookies(AbstractStorage):
    """aiohttp-session's storage over several keys: the first encrypts, all of them decrypt."""

    def __init__(self, keys: Sequence[bytes], *, external_url: str, max_age: int) -> None:
        super().__init__(
            cookie_name=COOKIE,
            max_age=max_age,
            path="/",
            secure=True,
            httponly=True,
            samesite="Strict",
        )
        self._storages = [
            EncryptedCookieStorage(
                Fernet(base64.urlsafe_b64encode(key)),
                cookie_name=COOKIE,
                max_age=max_age,
                path="/",
                secure=True,
                httponly=True,
                samesite="Strict",
            )
            for key in keys
        ]
        parts = urlsplit(external_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"

    async def load_session(self, request: web.BaseRequest) -> Session:
        """The session of the request's cookie; a new one where no key opens it."""
        session = Session(None, data=None, new=True, max_age=self.max_age)
        for storage in self._storages:
            session = await storage.load_session(request)  # type: ignore[arg-type]
            if not session.new:
                break
        return session

    async def save_session(
        self, request: web.Request, response: web.StreamResponse, session: Session
    ) -> None:
        """Set the cookie, encrypted with the first key."""
        await self._storages[0].save_session(request, response, session)

    async def read(self, request: web.BaseRequest) -> SessionData | None:
        """What the request's cookie holds, or None. Needs no middleware."""
        if COOKIE not in request.cookies:
            return None
        return session_data(await self.load_session(request))

    def check_csrf(self, request: web.BaseRequest, session: Any) -> bool:
        """Whether a request that a cookie authorises was meant by our own page.

        What changes something must carry the session's CSRF token. A WebSocket can't carry a header
        of ours, and browsers send cookies with it from any page (CVE-2019-13209), so it must come
        from our origin; so must everything else that names an origin.
        """
        origin = request.headers.get("Origin")
        if origin is not None and origin != self._origin:
            return False
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            return False
        if "upgrade" in request.headers.get("Connection", "").lower():
            return origin is not None
        if request.method in _SAFE:
            return True
        offered = request.headers.get(CSRF_HEADER, "")
        return hmac.compare_digest(offered.encode(), str(session.csrf_token).encode())

    def same_origin(self, request: web.BaseRequest) -> bool:
        """Whether the request comes from one of our pages, or from no browser at all."""
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        return (origin is None or origin == self._origin) and site in {"same-origin", "none"}


def session_data(session: Session) -> SessionData | None:
    """A session's data, where somebody is signed in to it."""
    bearer, csrf_token = session.get("bearer"), session.get("csrf")
    if session.new or not isinstance(bearer, str) or not isinstance(csrf_token, str):
        return None
    return SessionData(bearer, csrf_token)


def begin_session(session: Session, bearer: str) -> None:
    """Sign somebody in to a session: nothing of what was in it before stays (fixation)."""
    session.invalidate()
    session["bearer"] = bearer
    session["csrf"] = secrets.token_urlsafe(32)
