"""The overview, streams, activity and permissions, in a real browser with a real cluster."""

import pytest
from selenium.webdriver.common.by import By

from tests.e2e.page_tables import cell
from tests.support.pages import DESKTOP, Pages
from tests.support.sekisho import PASSWORD, SekishoWithUsers

pytestmark = pytest.mark.timeout(400)  # the browser may have to be installed first


def test_overview_shows_an_administrator_everything_and_a_user_their_own(pages: Pages) -> None:
    pages.sign_in("root")
    pages.titled("Overview")
    pages.shows("administrator", ".tiles")
    pages.shows("Problems")
    pages.check("overview")
    pages.press("Sign out")
    pages.says("signed out")
    pages.sign_in("dave")
    pages.titled("Overview")
    pages.shows("of yours", ".tiles")
    assert "administrator" not in pages.find(".tiles").text
    shown = pages.find("#sections").text.split("\n")
    assert "People and groups" not in shown
    assert "Providers" not in shown
    assert pages.logged() == []


def test_auditor_sees_everything_without_buttons_that_change_it(
    proxy: SekishoWithUsers, pages: Pages
) -> None:
    root = proxy.token("root")
    user = proxy.create_user("audrey")
    held = {"role": "auditor", "user": user}
    assert proxy.request("POST", "/v1/bindings", token=root, body=held).status == 201
    pages.sign_in("audrey")
    pages.titled("Overview")
    pages.shows("administrator", ".tiles")
    for path, shown in (
        ("/people", "alice"),
        ("/people/roles", "administrator"),
        (f"/people/{proxy.users['alice']}", "role owner"),
        (f"/people/{proxy.users['alice']}/tokens", "Ends"),
        (f"/people/{proxy.users['alice']}/account", "local"),
        ("/roles", "standard-user"),
        ("/roles/cluster-owner", "cluster.edit"),
        ("/providers", "local"),
        ("/providers/local", "Up"),
        ("/clusters/test", "Healthy"),
        ("/clusters/test/members", "alice"),
        ("/clusters/test/events", "Newest events"),
        ("/clusters/test/usage", "NotInstalled"),
    ):
        pages.browser.get(proxy.url + path)
        pages.shows(shown)
        buttons = pages.browser.find_elements(
            By.CSS_SELECTOR, "#content :is(button, .button):not(thead *, .table-bar *)"
        )
        assert [one.text for one in buttons if one.is_displayed()] in ([], ["Show"]), path
    pages.open("/activity", "Activity")
    pages.shows("/v1/login/local")
    pages.accessible()
    assert pages.logged() == []


READ = """return performance.getEntriesByType("resource").map((one) => one.name)
    .filter((one) => one.includes(arguments[0]) && !one.includes("watch=1")).length"""


def test_changes_elsewhere_appear_by_streams_without_reading_again(
    proxy: SekishoWithUsers, pages: Pages
) -> None:
    pages.sign_in("root", path="/people?search=livia")
    pages.shows("Nothing matches.")
    user = proxy.create_user("livia")
    pages.see(lambda b: cell(pages, "livia", "Username") == "livia")
    assert pages.browser.execute_script(READ, "/v1/users?") == 1
    pages.open(f"/people/{user}/tokens", "livia")
    pages.shows("No sessions and no tokens.")
    body = {"username": "livia", "password": PASSWORD}
    token = proxy.request("POST", "/v1/login/local", body=body).json()["token"]
    pages.shows("Session", "tbody")
    assert pages.browser.execute_script(READ, "/v1/tokens?") == 0
    pages.open(f"/people/{user}", "livia")
    pages.shows("No roles.")
    held = {"role": "standard-user", "user": user}
    root = proxy.token("root")
    assert proxy.request("POST", "/v1/bindings", token=root, body=held).status == 201
    pages.shows("role standard-user")
    assert pages.browser.execute_script(READ, "/access") == 1
    pages.open("/activity?path=/v1/me/tokens", "Activity")
    pages.shows("No events match.")
    assert proxy.request("DELETE", "/v1/me/tokens", token=token).status == 200
    pages.shows("livia", "tbody")
    assert pages.logged() == []


def test_activity_is_searched_and_shows_details(pages: Pages) -> None:
    pages.sign_in("root", path="/activity")
    pages.titled("Activity")
    pages.shows("/v1/login/local")
    pages.check("activity")
    pages.type_into("Verbs", "post")
    pages.type_into("Path", "/v1/login*")
    pages.choose("Outcome", "Success")
    pages.press("Search")
    pages.see(lambda b: "verb=post" in b.current_url)
    pages.shows("/v1/login/local")
    pages.click("tbody button")
    pages.shows("request id", "dialog")
    pages.check_dialog("Event", "activity-event")
    pages.press("Close", "dialog")
    pages.type_into("Token", "token-of-no-one")
    pages.press("Search")
    pages.shows("No events match.")
    pages.see(lambda b: "token=token-of-no-one" in b.current_url)
    assert pages.logged() == []


def test_who_can_is_answered_with_chains_and_a_picture(pages: Pages) -> None:
    pages.sign_in("root", path="/access?verb=get&resource=secrets")
    pages.titled("Who can …?")
    pages.shows("alice → role owner")
    picture = pages.find(".picture img")
    pages.see(lambda b: str(picture.get_property("naturalWidth")) not in {"0", "None"})
    pages.check("access")
    pages.press("Draw")
    pages.shows("the whole cluster")
    pages.check("access-reach")
    pages.look(DESKTOP, dark=True)
    pages.picture("access-picture-dark", ".picture")
    assert pages.logged() == []
