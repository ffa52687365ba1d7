"""Pages whose server or session is away for a while: nothing that was typed is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.support.isolation import free_port
from tests.support.pages import DESKTOP, Pages
from tests.support.sekisho import PASSWORD, Sekisho, make_sekisho, running

pytestmark = pytest.mark.timeout(600)  # the browser may have to be installed first

REFUSING_ME = """
const real = window.fetch;
window.fetch = (path, options) => path === "/v1/me" && !document.body.dataset.back
  ? Promise.resolve(new Response(%s, { status: %d })) : real(path, options);
"""
"""A script with which ``GET /v1/me`` fails until the body has ``data-back``."""

STORED = "return JSON.stringify([{ ...localStorage }, { ...sessionStorage }])"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    made = make_sekisho(tmp_path_factory.mktemp("pages"), (free_port(), free_port()))
    with running(made):
        for name in ("alice", "bob", "carol"):
            made.create_user(name)
        yield made


@pytest.fixture
def pages(server: Sekisho, browser: Chrome, tmp_path: Path) -> Pages:
    made = Pages(browser, server.url, tmp_path)
    made.look(DESKTOP)
    return made


def end_session(server: Sekisho, pages: Pages, user: str = "alice") -> None:
    """End the browser's session at the server."""
    script = "return fetch('/v1/me').then((answer) => answer.json()).then((me) => me.token)"
    name = pages.browser.execute_script(script)
    body = {"username": user, "password": PASSWORD}
    token = server.request("POST", "/v1/login/local", body=body).json()["token"]
    assert server.request("DELETE", f"/v1/tokens/{name}", token=token).status == 204


def begin_token(pages: Pages, path: str = "/me/tokens") -> None:
    """Fill a part of the form of a new token, as alice."""
    pages.sign_in("alice", path=path)
    pages.press("Create token")
    pages.type_into("Description", "half of a form")
    pages.choose("Lifetime", "90 days")


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ('\'{"detail": "the store does not respond"}\'', 503, "The store does not respond."),
        ("'no JSON'", 500, "The server is not available."),
    ],
)
def test_start_while_the_server_refuses_says_so_and_continues_at_the_address(
    pages: Pages, body: str, status: int, says: str
) -> None:
    pages.sign_in("alice")
    script = {"source": REFUSING_ME % (body, status)}
    pages.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
    pages.browser.get(pages.url + "/me/tokens?search=x")
    pages.shows("Sekisho is not available", "#start")
    pages.shows(says, "#start [role=alert]")
    assert not pages.browser.find_element(By.ID, "sign-in").is_displayed()
    pages.accessible()
    pages.picture("not-available")
    pages.browser.execute_script("document.body.dataset.back = 'yes'")
    pages.titled("alice")
    assert pages.browser.current_url.endswith("/me/tokens?search=x")


def test_start_without_an_answer_continues_when_the_server_responds(pages: Pages) -> None:
    pages.sign_in("alice")
    pages.browser.execute_cdp_cmd("Network.enable", {})
    pages.browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/v1/me"]})
    pages.browser.get(pages.url + "/me/tokens")
    pages.shows("Sekisho is not available", "#start")
    pages.browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    pages.press("Try again", "#start")
    pages.titled("alice")
    pages.shows("You have no tokens.")


def test_page_that_the_server_could_not_answer_is_read_again(pages: Pages) -> None:
    pages.sign_in("alice", path="/me/tokens")
    pages.shows("You have no tokens.")
    pages.browser.execute_script(
        "const real = window.fetch; let refused = 0;"
        "window.fetch = (path, options) => path.startsWith('/v1/providers') && !refused++"
        "  ? Promise.resolve(Response.json({ detail: 'not now' }, { status: 503 }))"
        "  : real(path, options);"
    )
    pages.press("Account", ".tabs")
    pages.shows("Not now.")
    pages.shows("Accounts you sign in with")


def test_sign_out_that_the_server_refuses_is_not_said_to_have_happened(pages: Pages) -> None:
    pages.sign_in("alice")
    pages.browser.execute_cdp_cmd("Network.enable", {})
    pages.browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/v1/logout"]})
    pages.press("Sign out")
    pages.says("cannot be reached")
    assert not pages.browser.find_element(By.ID, "sign-in").is_displayed()
    pages.browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    pages.press("Sign out")
    pages.says("You are signed out")


def test_half_filled_form_is_kept_while_the_same_person_signs_in_again(
    server: Sekisho, pages: Pages
) -> None:
    begin_token(pages)
    end_session(server, pages)
    pages.says("Sign in again as alice")
    assert "half of a form" not in pages.browser.find_element(By.TAG_NAME, "body").text
    assert not pages.browser.find_elements(By.CSS_SELECTOR, "dialog[open]")
    pages.accessible()
    pages.picture("signed-in-again")
    assert "half" not in pages.browser.execute_script(STORED)
    pages.type_into("Username", "alice")
    pages.type_into("Password", "wrong" + Keys.ENTER)
    pages.says("is wrong")
    pages.fill_sign_in("alice")
    pages.says("You are signed in again.")
    assert pages.field("Description").get_attribute("value") == "half of a form"
    pages.press("Create token", "dialog")
    token = str(pages.field("Token").get_attribute("value"))
    found = server.request("GET", "/v1/tokens", token=token).json()["items"]
    assert "half of a form" in {one["description"] for one in found}
    assert pages.logged() == []


def test_form_that_was_sent_in_an_ended_session_is_sent_again_by_the_person(
    server: Sekisho, pages: Pages
) -> None:
    """The form is what notices the end of the session: the page has no stream."""
    pages.sign_in("carol", path="/me/account")
    pages.type_into("Current password", PASSWORD)
    pages.type_into("New password", PASSWORD + " 2")
    end_session(server, pages, "carol")
    pages.press("Change password")
    pages.says("Sign in again as carol")
    pages.fill_sign_in("carol")
    pages.shows("This was not sent, because your session had ended.")
    assert pages.field("New password").get_attribute("value") == PASSWORD + " 2"
    assert pages.browser.title == "carol · Sekisho"
    pages.press("Change password")
    pages.says("Your password has been changed.")


def test_other_person_who_signs_in_sees_nothing_of_the_first(server: Sekisho, pages: Pages) -> None:
    begin_token(pages, "/me/tokens?search=alices")
    end_session(server, pages)
    pages.says("Sign in again as alice")
    pages.fill_sign_in("bob")
    pages.titled("bob")
    pages.shows("bob", "#account")
    source = pages.browser.execute_script("return document.documentElement.outerHTML")
    values = pages.browser.execute_script(
        "return [...document.querySelectorAll('input')].map((one) => one.value).join()"
    )
    for trace in ("alice", "half of a form"):
        assert trace not in source + values + pages.browser.current_url


def test_form_is_kept_for_the_sign_in_in_another_tab(server: Sekisho, pages: Pages) -> None:
    begin_token(pages)
    first = pages.browser.current_window_handle
    end_session(server, pages)
    pages.says("Sign in again as alice")
    pages.browser.switch_to.new_window("tab")
    pages.sign_in("alice", path="/me")
    pages.titled("alice")
    pages.browser.switch_to.window(first)
    assert pages.field("Description").get_attribute("value") == "half of a form"


def test_refusal_by_a_cluster_does_not_end_the_session(pages: Pages) -> None:
    pages.sign_in("alice", path="/me/tokens")
    pages.named("Create token")
    pages.browser.execute_script(
        "const real = window.fetch;"
        "window.fetch = (path, options) => path.startsWith('/v1/projects')"
        "  ? Promise.resolve(Response.json({detail: 'the cluster refuses'}, {status: 401}))"
        "  : real(path, options);"
    )
    pages.press("Projects", ".side")
    pages.shows("Not read.")
    assert not pages.browser.find_element(By.ID, "sign-in").is_displayed()


def test_browsers_back_button_closes_the_dialog_of_a_page(pages: Pages) -> None:
    pages.sign_in("alice", path="/clusters")
    pages.press("My account", ".side")
    pages.press("Tokens", ".tabs")
    pages.press("Create token")
    pages.find("dialog[open]")
    pages.browser.back()
    pages.see(lambda b: not b.find_elements(By.CSS_SELECTOR, "dialog"))
    pages.shows("You may not enter any cluster yet")


SLOW_DIALOG = """
const done = arguments[arguments.length - 1];
const frame = document.querySelector("script[type=module]").src.replace("app.js", "");
Promise.all(["form", "ui"].map((one) => import(`${frame}${one}.js`))).then(([form, ui]) => {
  const slow = async () => {
    await new Promise((resolve) => { window.answered = resolve; });
    form.dialog("Too late");
  };
  document.getElementById("content").append(ui.button("Slow", slow));
  done();
});
"""


def test_dialog_of_a_slow_server_does_not_open_over_another_page(pages: Pages) -> None:
    pages.sign_in("alice", path="/clusters")
    pages.browser.execute_async_script(SLOW_DIALOG)
    pages.press("Slow")
    pages.press("Projects", ".side")
    pages.titled("Projects")
    pages.browser.execute_script("window.answered()")
    pages.press("Clusters", ".side")
    pages.titled("Clusters")
    assert not pages.browser.find_elements(By.CSS_SELECTOR, "dialog")
    pages.browser.execute_async_script(SLOW_DIALOG)
    pages.press("Slow")
    pages.browser.execute_script("window.answered()")
    pages.shows("Too late", "dialog")
    assert pages.logged() == []
