"""The session cookie's keys, and the requests that it authorises; without a server."""

import secrets

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from aiohttp_session import Session
from multidict import CIMultiDict

from management.identity.session_cookies import COOKIE, SessionCookies, SessionData, origin_of

URL = "https://sekisho.example.test"
OLD, NEW = secrets.token_bytes(32), secrets.token_bytes(32)
SESSION = SessionData("session-x:secret", "csrf-token")


def cookies(*keys: bytes, max_age: int = 3600) -> SessionCookies:
    return SessionCookies(keys or (NEW,), external_url=URL, max_age=max_age)


def request(
    method: str = "GET", headers: list[tuple[str, str]] | None = None, cookie: str = ""
) -> web.Request:
    sent = CIMultiDict(headers or [])
    if cookie:
        sent.add("Cookie", f"{COOKIE}={cookie}")
    return make_mocked_request(method, "/", headers=sent)


async def sealed(storage: SessionCookies) -> str:
    """Return the cookie of a session that ``storage`` wrote."""
    session = Session(None, data=None, new=True, max_age=3600)
    session["bearer"], session["csrf"] = SESSION.bearer, SESSION.csrf_token
    response = web.Response()
    await storage.save_session(request(), response, session)
    return response.cookies[COOKIE].value


async def test_cookie_survives_key_rotation_until_its_key_is_removed() -> None:
    cookie = await sealed(cookies(OLD))
    assert await cookies(NEW, OLD).read(request(cookie=cookie)) == SESSION
    assert await cookies(NEW).read(request(cookie=cookie)) is None
    fresh = await sealed(cookies(NEW, OLD))
    assert await cookies(NEW).read(request(cookie=fresh)) == SESSION


async def test_modified_cookie_authenticates_no_user() -> None:
    cookie = await sealed(cookies())
    changed = cookie[:40] + ("A" if cookie[40] != "A" else "B") + cookie[41:]
    assert await cookies().read(request(cookie=changed)) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b'{"created": "now", "session": {"bearer": "x", "csrf": "y"}}',
        b'{"created": 1, "session": ["bearer"]}',
        b'{"created": 1, "token": {"bearer": "x", "csrf": "y"}}',
    ],
)
async def test_cookie_with_other_content_authenticates_no_user(content: bytes) -> None:
    storage = cookies()
    cookie = storage._fernet.encrypt(content).decode()
    assert await storage.read(request(cookie=cookie)) is None


async def test_cookie_expires() -> None:
    cookie = await sealed(cookies())
    assert await cookies(max_age=-1).read(request(cookie=cookie)) is None


def test_session_data_repr_hides_its_contents() -> None:
    assert "secret" not in repr(SESSION)
    assert "csrf-token" not in repr(SESSION)


UPGRADE = [("Connection", "keep-alive"), ("Connection", "Upgrade"), ("Upgrade", "websocket")]
TOKEN = ("X-CSRF-Token", "csrf-token")


@pytest.mark.parametrize(
    ("method", "headers", "meant"),
    [
        ("GET", [], True),
        ("GET", [("Origin", URL)], True),
        ("GET", [("Origin", "null")], False),
        ("GET", [("Origin", URL), ("Origin", "https://evil.example")], False),
        ("GET", [("Sec-Fetch-Site", "same-origin")], True),
        ("GET", [("Sec-Fetch-Site", "none")], True),
        ("GET", [("Sec-Fetch-Site", "same-site")], False),
        ("POST", [], False),
        ("POST", [TOKEN], True),
        ("POST", [("X-CSRF-Token", "")], False),
        ("POST", [TOKEN, ("Origin", "https://evil.example")], False),
        ("DELETE", [("X-CSRF-Token", "csrf-token ")], False),
        ("GET", UPGRADE, False),
        ("GET", [*UPGRADE, ("Origin", URL)], True),
        ("GET", [*UPGRADE, ("Origin", "https://evil.example")], False),
        ("POST", [*UPGRADE, TOKEN], False),
    ],
)
def test_cookie_authorises_only_requests_of_sekishos_page(
    method: str, headers: list[tuple[str, str]], meant: bool
) -> None:
    assert cookies().check_csrf(request(method, headers), SESSION) is meant


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Sekisho.Example.test/", "https://sekisho.example.test"),
        ("https://sekisho.example.test:443", "https://sekisho.example.test"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("https://127.0.0.1:8443", "https://127.0.0.1:8443"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_origin_is_written_as_browsers_write_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin
