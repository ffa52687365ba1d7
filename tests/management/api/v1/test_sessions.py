"""Browser sessions: the cookie, what it may do, and who may use it."""

import http.cookies
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.parts.sekisho import PASSWORD, Answer, Sekisho

COOKIE = "__Host-sekisho"


@dataclass
class Browser:
    """Just enough of one: keeps the cookie, and sends what it is told to."""

    server: Sekisho
    cookie: str = ""
    csrf: str = ""

    def ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: object
    ) -> Answer:
        sent = dict(headers or {})
        if self.cookie:
            sent["Cookie"] = f"{COOKIE}={self.cookie}"
        answer = self.server.ask(method, path, headers=sent, **more)  # type: ignore[arg-type]
        jar = http.cookies.SimpleCookie(answer.headers.get("Set-Cookie", ""))
        if COOKIE in jar:
            self.cookie = jar[COOKIE].value
        return answer

    def sign_in(self, **headers: str) -> Answer:
        body = {"username": "alice", "password": PASSWORD, "session": True}
        answer = self.ask("POST", "/v1/login/local", body=body, headers=headers)
        if answer.status == 200:
            self.csrf = self.ask("GET", "/v1/me").json()["csrf_token"]
        return answer


@pytest.fixture
def browser(server: Sekisho) -> Browser:
    return Browser(server)


def test_the_cookie_is_for_this_host_over_tls_and_no_script(browser: Browser) -> None:
    flags = browser.sign_in().headers["Set-Cookie"]
    for flag in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/", COOKIE):
        assert flag in flags
    assert "Domain" not in flags


def test_the_cookie_holds_nothing_that_can_be_read(browser: Browser) -> None:
    token = browser.sign_in().json()["token"]
    assert token.partition(":")[2] not in browser.cookie
    assert "alice" not in browser.cookie


def test_a_session_reads_by_its_cookie_alone(browser: Browser) -> None:
    browser.sign_in()
    assert browser.ask("GET", "/v1/me").json()["username"] == "alice"


def test_a_change_needs_the_csrf_token(browser: Browser) -> None:
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
def test_another_sites_page_can_do_nothing_with_it(
    browser: Browser, header: dict[str, str]
) -> None:
    browser.sign_in()
    headers = {"X-CSRF-Token": browser.csrf, **header}
    assert browser.ask("POST", "/v1/tokens", body={}, headers=headers).status == 403
    assert browser.ask("GET", "/v1/me", headers=headers).status == 403


def test_another_site_cannot_sign_its_visitor_in(browser: Browser) -> None:
    assert browser.sign_in(Origin="https://evil.example").status == 403
    assert browser.cookie == ""


def test_signing_in_makes_a_new_session(browser: Browser) -> None:
    browser.sign_in()
    before, csrf = browser.cookie, browser.csrf
    browser.sign_in()
    assert browser.cookie != before
    assert browser.csrf != csrf


def test_signing_out_ends_the_session_at_the_server(browser: Browser) -> None:
    browser.sign_in()
    stolen = Browser(browser.server, browser.cookie, browser.csrf)
    out = browser.ask("POST", "/v1/logout", headers={"X-CSRF-Token": browser.csrf})
    assert out.status == 204
    # Without Secure, browsers leave a __Host- cookie where it is.
    for part in ("Max-Age=0", "Secure", "Path=/"):
        assert part in out.headers["Set-Cookie"]
    assert stolen.ask("GET", "/v1/me").status == 401


def test_a_cookie_and_a_token_in_one_request_are_one_too_many(browser: Browser) -> None:
    token = browser.sign_in().json()["token"]
    for path in ("/v1/me", "/k8s/clusters/x/api"):
        assert browser.ask("GET", path, token=token).status == 400


@pytest.mark.parametrize("cookie", ["", "garbage", "gAAAAABm" + "A" * 100, "\xff\xfe"])
def test_a_cookie_that_is_not_ours_is_nobodys(browser: Browser, cookie: str) -> None:
    browser.cookie = cookie
    assert browser.ask("GET", "/v1/me").status == 401
    assert browser.ask("GET", "/k8s/clusters/x/api").status == 401


def test_on_the_gate_a_cookie_needs_its_csrf_token_too(browser: Browser) -> None:
    browser.sign_in()
    path = "/k8s/clusters/x/api/v1/pods"
    assert browser.ask("GET", path).status == 404
    assert browser.ask("POST", path, body={}).status == 403
    assert browser.ask("POST", path, body={}, headers={"X-CSRF-Token": browser.csrf}).status == 404


def test_a_websocket_by_cookie_must_come_from_our_own_page(browser: Browser) -> None:
    """CVE-2019-13209."""
    browser.sign_in()
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    path = "/k8s/clusters/x/api/v1/namespaces/n/pods/p/exec"
    evil = {"Origin": "https://evil.example"}
    assert browser.ask("GET", path, headers=upgrade).status == 403
    assert browser.ask("GET", path, headers=upgrade | evil).status == 403
    ours = {"Origin": browser.server.url}
    assert browser.ask("GET", path, headers=upgrade | ours).status == 404
