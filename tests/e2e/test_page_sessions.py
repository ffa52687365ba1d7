"""Pages when something ends or repeats: sessions, tabs, the server, the network, forms."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.support.isolation import free_port
from tests.support.pages import DESKTOP, PHONE, Pages
from tests.support.sekisho import PASSWORD, Sekisho, make_sekisho, running

pytestmark = pytest.mark.timeout(600)  # the browser may have to be installed first


@pytest.fixture(scope="module")
def restartable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    """A server of this module, which tests may stop."""
    server = make_sekisho(tmp_path_factory.mktemp("pages"), (free_port(), free_port()))
    # A page's event streams would prolong a stop to the end of the grace period.
    server.environment["SEKISHO_SERVER__SHUTDOWN_GRACE_SECONDS"] = "2"
    with running(server):
        for name in ("alice", "bob"):
            server.create_user(name)
        yield server


@pytest.fixture
def pages(restartable: Sekisho, browser: Chrome, tmp_path: Path) -> Pages:
    return Pages(browser, restartable.url, tmp_path)


def session_token(server: Sekisho, pages: Pages) -> str:
    """Return the name of the browser's session."""
    script = "return fetch('/v1/me').then((answer) => answer.json()).then((me) => me.token)"
    return str(pages.browser.execute_script(script))


def revoke(server: Sekisho, name: str) -> None:
    body = {"username": "alice", "password": PASSWORD}
    token = server.request("POST", "/v1/login/local", body=body).json()["token"]
    assert server.request("DELETE", f"/v1/tokens/{name}", token=token).status == 204


def test_ended_session_shows_the_sign_in_form_and_returns_to_the_address(
    restartable: Sekisho, pages: Pages
) -> None:
    pages.sign_in("alice", path="/me/account")
    pages.titled("alice")
    revoke(restartable, session_token(restartable, pages))
    pages.press("Tokens", ".tabs")
    pages.says("Your session has ended")
    assert pages.browser.current_url.endswith("/me/tokens")
    pages.fill_sign_in("alice")
    pages.titled("alice")
    pages.shows("You have no tokens.")
    assert pages.browser.current_url.endswith("/me/tokens")


def test_revoked_session_ends_the_page_without_an_action(
    restartable: Sekisho, pages: Pages
) -> None:
    """The stream of the shown list ends with the session."""
    pages.sign_in("alice", path="/me/tokens")
    pages.shows("You have no tokens.")
    revoke(restartable, session_token(restartable, pages))
    pages.says("Your session has ended")


def test_signing_out_in_another_tab_signs_this_one_out(pages: Pages) -> None:
    pages.sign_in("alice", path="/me/tokens")
    first = pages.browser.current_window_handle
    pages.browser.switch_to.new_window("tab")
    pages.open("/me", "alice")
    pages.press("Sign out")
    pages.says("You are signed out")
    pages.browser.switch_to.window(first)
    pages.says("You signed out in another tab")
    pages.browser.switch_to.window(pages.browser.window_handles[1])
    pages.fill_sign_in("bob")
    pages.shows("bob", "#account")
    pages.browser.switch_to.window(first)
    pages.shows("bob", "#account")
    pages.titled("bob")


def test_form_that_is_submitted_twice_creates_one_object(
    restartable: Sekisho, pages: Pages
) -> None:
    pages.sign_in("alice", path="/me/tokens")
    pages.press("Create token")
    pages.type_into("Description", "twice")
    pages.browser.execute_script(
        "const form = document.querySelector('dialog form');"
        "for (let i = 0; i < 3; i++) form.requestSubmit();"
    )
    token = str(pages.field("Token").get_attribute("value"))
    found = restartable.request("GET", "/v1/tokens", token=token).json()["items"]
    assert [one["description"] for one in found if one["kind"] == "token"] == ["twice"]
    pages.press("Close", "dialog")
    pages.press(f"Revoke twice, {token.partition(':')[0]}")
    pages.shows("You have no tokens.")


def test_form_repeated_after_a_lost_response_creates_one_object(
    restartable: Sekisho, pages: Pages
) -> None:
    pages.sign_in("alice", path="/me/tokens")
    pages.press("Create token")
    pages.type_into("Description", "lost response")
    pages.browser.execute_script(
        "const real = window.fetch; let lost = 0;"
        "window.fetch = async (path, options) => {"
        "  const answer = await real(path, options);"
        "  if (path === '/v1/tokens' && options.method === 'POST' && !lost++)"
        "    throw new TypeError('network');"
        "  return answer; };"
    )
    pages.press("Create token", "dialog")
    pages.shows("cannot be reached", "dialog [role=alert]")
    pages.press("Create token", "dialog")
    token = str(pages.field("Token").get_attribute("value"))
    found = restartable.request("GET", "/v1/tokens", token=token).json()["items"]
    assert [one["description"] for one in found if one["kind"] == "token"] == ["lost response"]


def test_restarted_server_is_noticed_and_lists_become_live_again(
    restartable: Sekisho, pages: Pages
) -> None:
    pages.sign_in("alice", path="/me/sessions")
    pages.shows("This session")
    restartable.stop()
    pages.see(lambda b: b.find_element(By.ID, "away").is_displayed())
    pages.picture("away")
    restartable.start()
    pages.see(lambda b: not b.find_element(By.ID, "away").is_displayed())
    body = {"username": "alice", "password": PASSWORD}
    other = restartable.request("POST", "/v1/login/local", body=body).json()["token"]
    name = other.partition(":")[0]
    pages.shows(name)
    assert restartable.request("DELETE", "/v1/me/tokens", token=other).status == 200
    pages.says("Your session has ended")


@pytest.mark.parametrize(
    "stream",
    ["new Response(new ReadableStream({}))", "new Response('{}', { status: 429 })"],
    ids=["collected by a proxy", "over a limit"],
)
def test_list_is_read_as_a_whole_if_no_events_arrive(pages: Pages, stream: str) -> None:
    script = (
        "const real = window.fetch; window.fetch = (path, options) => "
        f"`${{path}}`.includes('watch=1') ? Promise.resolve({stream}) : real(path, options);"
    )
    command = "Page.addScriptToEvaluateOnNewDocument"
    pages.browser.execute_cdp_cmd(command, {"source": script})
    pages.sign_in("alice", path="/me/sessions")
    pages.shows("This session")


def test_hidden_page_closes_its_streams(pages: Pages) -> None:
    pages.browser.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument",
        {
            "source": "const real = window.fetch; window.streams = [];"
            "window.fetch = (path, options) => { if (`${path}`.includes('watch=1'))"
            " window.streams.push(options.signal); return real(path, options); };"
        },
    )
    count = "return window.streams.filter((one) => !one.aborted).length"
    pages.sign_in("alice", path="/me/sessions")
    pages.shows("This session")
    assert pages.browser.execute_script(count) == 1
    pages.press("Tokens", ".tabs")
    pages.titled("alice")
    pages.see(lambda b: b.execute_script(count) == 1)
    pages.browser.execute_script(
        "Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange'));"
    )
    pages.see(lambda b: b.execute_script(count) == 0)
    pages.browser.execute_script(
        "Object.defineProperty(document, 'hidden', { value: false, configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange'));"
    )
    pages.see(lambda b: b.execute_script(count) == 1)


def test_back_and_forward_show_the_pages_with_titles_and_focus(pages: Pages) -> None:
    pages.look(DESKTOP)
    pages.sign_in("bob", path="/clusters")
    pages.titled("Clusters")
    pages.press("My account")
    pages.titled("bob")
    pages.see(lambda b: b.switch_to.active_element.tag_name == "h1")
    pages.press("Account", ".tabs")
    pages.shows("Password")
    pages.browser.back()
    pages.browser.back()
    pages.titled("Clusters")
    pages.see(lambda b: b.switch_to.active_element.tag_name == "h1")
    pages.browser.forward()
    pages.titled("bob")
    pages.open("/clusters/no-such", "Not found")
    pages.accessible()
    pages.browser.get(f"{pages.url}/me/nothing/here")
    pages.titled("Not found")


def test_menu_of_a_phone_opens_and_closes_with_navigation(pages: Pages) -> None:
    pages.look(PHONE)
    pages.sign_in("bob", path="/clusters")
    sections = pages.browser.find_element(By.ID, "sections")
    pages.see(lambda b: not sections.is_displayed())
    pages.press("Menu")
    pages.see(lambda b: sections.is_displayed())
    pages.accessible()
    pages.picture("menu-phone")
    pages.press("My account", "#sections")
    pages.titled("bob")
    assert not sections.is_displayed()
    assert pages.named("Menu").get_attribute("aria-expanded") == "false"


def test_empty_list_says_what_to_do_first(pages: Pages) -> None:
    pages.sign_in("bob", path="/clusters")
    pages.shows("You may not enter any cluster yet")
    pages.check("clusters-empty")


MANY_ROWS = """
const done = arguments[arguments.length - 1];
import("/static/frame/table.js").then(({ table }) => {
  const name = (one) => one.name;
  const column = { label: "Name", cell: name, sort: name, text: name };
  const list = table({ caption: "rows", columns: [column] });
  document.getElementById("content").replaceChildren(list.element);
  const items = Array.from({ length: 10000 }, (_, id) => ({ id, name: `<i>row ${id}</i>` }));
  const begin = performance.now();
  for (let i = 0; i < 10; i++) list.update([...items]);
  done(performance.now() - begin);
});
"""


def test_list_of_ten_thousand_rows_shows_one_page_and_finds_any_row(pages: Pages) -> None:
    pages.sign_in("bob", path="/clusters")
    milliseconds = pages.browser.execute_async_script(MANY_ROWS)
    assert milliseconds < 10_000, "ten updates of ten thousand rows"
    pages.shows("Page 1 of 200")
    assert len(pages.browser.find_elements(By.CSS_SELECTOR, "tbody tr")) == 50
    pages.press("Next")
    pages.shows("<i>row 50</i>")
    pages.find("input[type=search]").send_keys("row 9999")
    pages.shows("1 of 10,000")
    pages.shows("<i>row 9999</i>")


FORM_WITH_A_CLOSED_PART = """
const done = arguments[arguments.length - 1];
const modules = ["form", "api", "dom"].map((one) => import(`/static/frame/${one}.js`));
Promise.all(modules).then(([{ form }, { Problem }, { h }]) => {
  const fields = [{ name: "size", label: "Size", type: "number", min: 1, value: 1 }];
  const errors = [{ field: "size.cpu", message: "too large" }];
  const action = () => { throw new Problem(422, { errors }); };
  const made = form({ fields, submit: "Send", action });
  made.prepend(h("details", null, h("summary", null, "More"), made.querySelector(".field")));
  document.getElementById("content").replaceChildren(made);
  done();
});
"""


def test_form_opens_its_closed_part_for_what_is_not_valid_there(pages: Pages) -> None:
    pages.sign_in("bob", path="/clusters")
    pages.browser.execute_async_script(FORM_WITH_A_CLOSED_PART)
    pages.press("Send")
    pages.shows("too large", "details[open] .field-error")
    assert pages.browser.switch_to.active_element.get_attribute("name") == "size"
    pages.type_into("Size", "0")
    pages.browser.execute_script("document.querySelector('details').open = false")
    pages.press("Send")
    pages.find("details[open] input:invalid")
