"""Browser sessions: an encrypted cookie with a session's token and a CSRF token.

This is a storage of aiohttp-session, in the format of its EncryptedCookieStorage. The cookie holds
an ordinary ``session-…`` token, so a session ends at the server when the user signs out, when it is
revoked or when the user is disabled. See docs/decisions/0006-sessions-and-csrf.md.
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
"""Browsers accept this prefix only with Secure, Path=/ and no Domain (RFC 6265bis §4.1.3)."""

CSRF_HEADER = "X-CSRF-Token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class SessionData:
    """The contents of a session's cookie. ``repr`` hides both."""

    bearer: str = field(repr=False)
    csrf_token: str = field(repr=False)


class SessionCookies(AbstractStorage):
    """A storage of aiohttp-session with several keys: the first encrypts, all decrypt."""

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
        """Return the session of the request's cookie, or a new one if no key decrypts it."""
        data = self._decrypt(request.cookies.get(COOKIE))
        return Session(None, data=data, new=data is None, max_age=self.max_age)

    def _decrypt(self, cookie: str | None) -> Any:
        if not cookie or not cookie.isascii():
            return None
        try:
            data = json.loads(self._fernet.decrypt(cookie, ttl=self.max_age))
        except (InvalidToken, ValueError):
            return None
        return data if _is_session(data) else None

    async def save_session(
        self, request: web.Request, response: web.StreamResponse, session: Session
    ) -> None:
        """Set the cookie, encrypted with the first key; delete it if the session is empty."""
        if session.empty:
            # Browsers ignore a __Host- cookie without Secure, also when it is deleted.
            response.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Strict")
            return
        data = json.dumps({"created": session.created, "session": dict(session)}).encode()
        self.save_cookie(response, self._fernet.encrypt(data).decode(), max_age=self.max_age)

    async def read(self, request: web.BaseRequest) -> SessionData | None:
        """Return the contents of the request's cookie, or None. Needs no middleware."""
        if COOKIE not in request.cookies:
            return None
        return session_data(await self.load_session(request))

    def check_csrf(self, request: web.BaseRequest, session: Any) -> bool:
        """Return whether a request with a session cookie comes from Sekisho's own page.

        A request that changes something must carry the session's CSRF token. A WebSocket cannot
        carry a custom header, and browsers send cookies with it from any page (CVE-2019-13209), so
        it must come from Sekisho's origin. Any other request that names an origin must name
        Sekisho's.
        """
        if not self.same_origin(request):
            return False
        # Checked by Upgrade, which names the protocol: a request may have several Connection
        # headers.
        if "Upgrade" in request.headers:
            return "Origin" in request.headers
        if request.method in _SAFE:
            return True
        offered = request.headers.get(CSRF_HEADER, "").encode("utf-8", "surrogateescape")
        return hmac.compare_digest(offered, str(session.csrf_token).encode())

    def same_origin(self, request: web.BaseRequest) -> bool:
        """Return whether a request comes from one of Sekisho's pages, or from no browser."""
        origins = request.headers.getall("Origin", [])
        sites = request.headers.getall("Sec-Fetch-Site", [])
        return all(one == self._origin for one in origins) and _OWN_SITES.issuperset(sites)


def _is_session(data: object) -> bool:
    """Return whether decrypted data has the format of aiohttp-session."""
    return (
        isinstance(data, dict)
        and isinstance(data.get("session"), dict)
        and isinstance(data.get("created"), int)
    )


def origin_of(url: str) -> str:
    """Return the origin of a URL as browsers write it in ``Origin`` (RFC 6454 §6.1).

    In lower case, and without the scheme's default port.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    if parts.port is None or parts.port == _DEFAULT_PORTS.get(parts.scheme):
        return f"{parts.scheme}://{host}"
    return f"{parts.scheme}://{host}:{parts.port}"


def session_data(session: Session) -> SessionData | None:
    """Return a session's data, or None if no user is signed in to it."""
    bearer, csrf_token = session.get("bearer"), session.get("csrf")
    if session.new or not isinstance(bearer, str) or not isinstance(csrf_token, str):
        return None
    return SessionData(bearer, csrf_token)


async def begin_session(request: web.Request, bearer: str) -> None:
    """Begin a new session; nothing of an earlier one remains (session fixation)."""
    session = await new_session(request)
    session["bearer"] = bearer
    session["csrf"] = secrets.token_urlsafe(32)
