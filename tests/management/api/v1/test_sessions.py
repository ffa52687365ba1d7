"""Browser sessions: the cookie, its scope, and cross-site requests."""

import http.cookies
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.support.sekisho import PASSWORD, HttpResponse, Sekisho

COOKIE = "__Host-sekisho"


@dataclass
class Browser:
    """A minimal browser: keeps the cookie and sends what the test passes."""

    server: Sekisho
    cookie: str = ""
    csrf: str = ""

    def ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: object
    ) -> HttpResponse:
        sent = dict(headers or {})
        if self.cookie:
            sent["Cookie"] = f"{COOKIE}={self.cookie}"
        response = self.server.request(method, path, headers=sent, **more)  # type: ignore[arg-type]
        jar = http.cookies.SimpleCookie(response.headers.get("Set-Cookie", ""))
        if COOKIE in jar:
            self.cookie = jar[COOKIE].value
        return response

    def sign_in(self, **headers: str) -> HttpResponse:
        body = {"username": "alice", "password": PASSWORD, "session": True}
        response = self.ask("POST", "/v1/login/local", body=body, headers=headers)
        if response.status == 200:
            self.csrf = self.ask("GET", "/v1/me").json()["csrf_token"]
        return response


@pytest.fixture
def browser(server: Sekisho) -> Browser:
    return Browser(server)


def test_session_cookie_is_host_only_secure_and_http_only(browser: Browser) -> None:
    flags = browser.sign_in().headers["Set-Cookie"]
    for flag in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/", COOKIE):
        assert flag in flags
    assert "Domain" not in flags


def test_session_cookie_has_no_readable_content(browser: Browser) -> None:
    token = browser.sign_in().json()["token"]
    assert token.partition(":")[2] not in browser.cookie
    assert "alice" not in browser.cookie


def test_session_reads_with_its_cookie_alone(browser: Browser) -> None:
    browser.sign_in()
    assert browser.ask("GET", "/v1/me").json()["username"] == "alice"


def test_session_change_needs_the_csrf_token(browser: Browser) -> None:
    browser.sign_in()
    assert browser.ask("POST", "/v1/tokens", body={}).status == 403
    wrong = browser.ask("POST", "/v1/tokens", body={}, headers={"X-CSRF-Token": "guess"})
    assert wrong.status == 403
    bytes_ = browser.ask("POST", "/v1/tokens", body={}, headers={"X-CSRF-Token": "\xff\xfe"})
    assert bytes_.status == 403
    right = browser.ask("POST", "/v1/tokens", body={}, headers={"X-CSRF-Token": browser.csrf})
    assert right.status == 201


@pytest.mark.parametrize(
    "header", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_session_request_from_another_site_is_rejected(
    browser: Browser, header: dict[str, str]
) -> None:
    browser.sign_in()
    headers = {"X-CSRF-Token": browser.csrf, **header}
    assert browser.ask("POST", "/v1/tokens", body={}, headers=headers).status == 403
    assert browser.ask("GET", "/v1/me", headers=headers).status == 403


def test_sign_in_from_another_site_is_rejected(browser: Browser) -> None:
    assert browser.sign_in(Origin="https://evil.example").status == 403
    assert browser.cookie == ""


def test_sign_in_begins_a_new_session(browser: Browser) -> None:
    browser.sign_in()
    before, csrf = browser.cookie, browser.csrf
    browser.sign_in()
    assert browser.cookie != before
    assert browser.csrf != csrf


def test_sign_out_ends_the_session_at_the_server(browser: Browser) -> None:
    browser.sign_in()
    stolen = Browser(browser.server, browser.cookie, browser.csrf)
    out = browser.ask("POST", "/v1/logout", headers={"X-CSRF-Token": browser.csrf})
    assert out.status == 204
    # Without Secure, browsers ignore the deletion of a __Host- cookie.
    for part in ("Max-Age=0", "Secure", "Path=/"):
        assert part in out.headers["Set-Cookie"]
    assert stolen.ask("GET", "/v1/me").status == 401


def test_cookie_and_token_in_one_request_are_rejected(browser: Browser) -> None:
    token = browser.sign_in().json()["token"]
    for path in ("/v1/me", "/k8s/clusters/x/api"):
        assert browser.ask("GET", path, token=token).status == 400


@pytest.mark.parametrize("cookie", ["", "garbage", "gAAAAABm" + "A" * 100, "\xff\xfe"])
def test_foreign_cookie_authenticates_no_user(browser: Browser, cookie: str) -> None:
    browser.cookie = cookie
    assert browser.ask("GET", "/v1/me").status == 401
    assert browser.ask("GET", "/k8s/clusters/x/api").status == 401


def test_proxy_request_with_a_cookie_needs_its_csrf_token(browser: Browser) -> None:
    browser.sign_in()
    path = "/k8s/clusters/x/api/v1/pods"
    assert browser.ask("GET", path).status == 404
    assert browser.ask("POST", path, body={}).status == 403
    assert browser.ask("POST", path, body={}, headers={"X-CSRF-Token": browser.csrf}).status == 404


def test_websocket_with_a_cookie_must_come_from_sekishos_page(browser: Browser) -> None:
    """CVE-2019-13209."""
    browser.sign_in()
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    path = "/k8s/clusters/x/api/v1/namespaces/n/pods/p/exec"
    evil = {"Origin": "https://evil.example"}
    assert browser.ask("GET", path, headers=upgrade).status == 403
    assert browser.ask("GET", path, headers=upgrade | evil).status == 403
    ours = {"Origin": browser.server.url}
    assert browser.ask("GET", path, headers=upgrade | ours).status == 404
