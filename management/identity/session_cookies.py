"""Browser sessions: an encrypted cookie that holds a session's token and a CSRF token.

A storage of aiohttp-session, in the format of its own EncryptedCookieStorage. What it holds is a
``session-…`` token like any other, so a session ends at the server when it is signed out, revoked
or its user disabled. See docs/decisions/0006-sessions-and-csrf.md.
"""

import base64
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp_session import AbstractStorage, Session, new_session
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

COOKIE = "__Host-sekisho"
"""The prefix makes browsers insist on Secure, Path=/ and this very host (RFC 6265bis §4.1.3)."""

CSRF_HEADER = "X-CSRF-Token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})
_DEFAULT_PORTS = {"https": 443, "http": 80}


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
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])
        self._origin = origin_of(external_url)

    async def load_session(self, request: web.BaseRequest) -> Session:
        """The session of the request's cookie; a new one where no key opens it."""
        data = self._opened(request.cookies.get(COOKIE))
        return Session(None, data=data, new=data is None, max_age=self.max_age)

    def _opened(self, cookie: str | None) -> Any:
        if not cookie or not cookie.isascii():
            return None
        try:
            return json.loads(self._fernet.decrypt(cookie, ttl=self.max_age))
        except InvalidToken:
            return None

    async def save_session(
        self, request: web.Request, response: web.StreamResponse, session: Session
    ) -> None:
        """Set the cookie, encrypted with the first key; delete it where the session is empty."""
        if session.empty:
            # Browsers ignore a __Host- cookie without Secure, also where it deletes one.
            response.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Strict")
            return
        data = json.dumps({"created": session.created, "session": dict(session)}).encode()
        self.save_cookie(response, self._fernet.encrypt(data).decode(), max_age=self.max_age)

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
        if not self.same_origin(request):
            return False
        # By the header that names the protocol: there may be several Connection headers.
        if "Upgrade" in request.headers:
            return "Origin" in request.headers
        if request.method in _SAFE:
            return True
        offered = request.headers.get(CSRF_HEADER, "").encode("utf-8", "surrogateescape")
        return hmac.compare_digest(offered, str(session.csrf_token).encode())

    def same_origin(self, request: web.BaseRequest) -> bool:
        """Whether the request comes from one of our pages, or from no browser at all."""
        origins = request.headers.getall("Origin", [])
        sites = request.headers.getall("Sec-Fetch-Site", [])
        return all(one == self._origin for one in origins) and _OWN_SITES.issuperset(sites)


def origin_of(url: str) -> str:
    """The origin of a URL as browsers write it in ``Origin`` (RFC 6454 §6.1).

    In lower case, and without the port where it is the scheme's own.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    if parts.port is None or parts.port == _DEFAULT_PORTS.get(parts.scheme):
        return f"{parts.scheme}://{host}"
    return f"{parts.scheme}://{host}:{parts.port}"


def session_data(session: Session) -> SessionData | None:
    """A session's data, where somebody is signed in to it."""
    bearer, csrf_token = session.get("bearer"), session.get("csrf")
    if session.new or not isinstance(bearer, str) or not isinstance(csrf_token, str):
        return None
    return SessionData(bearer, csrf_token)


async def begin_session(request: web.Request, bearer: str) -> None:
    """Sign somebody in to a new session: nothing of one that was there before stays (fixation)."""
    session = await new_session(request)
    session["bearer"] = bearer
    session["csrf"] = secrets.token_urlsafe(32)
