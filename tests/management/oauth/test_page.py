"""Sign-in, tokens, and linked accounts on the pages, in a real browser with a real issuer."""

from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.management.oauth.conftest import World
from tests.support.pages import Pages
from tests.support.sekisho import PASSWORD

pytestmark = pytest.mark.timeout(300)  # the browser may have to be installed first


@pytest.fixture
def pages(oidc: World, browser: Chrome, tmp_path: Path) -> Pages:
    return Pages(browser, oidc.server.url, tmp_path)


def type_keys(browser: Chrome, *keys: str) -> None:
    """Type with the keyboard only, into the focused element."""
    browser.switch_to.active_element.send_keys(*keys)


def focused(browser: Chrome) -> str:
    element = browser.switch_to.active_element
    return str(element.get_attribute("id") or element.text)


def at_the_issuer(pages: Pages, login: str) -> None:
    """Sign in and consent at the issuer's pages."""
    pages.find("input[name=login]").send_keys(login)
    pages.find("input[name=password]").send_keys("x" + Keys.ENTER)
    pages.find('input[value="consent"]')
    pages.click("button[type=submit]")


def test_page_sign_in_works_with_the_keyboard(pages: Pages, browser: Chrome) -> None:
    browser.get(pages.url)
    pages.see(lambda b: b.find_element(By.ID, "sign-in").is_displayed())
    pages.check("sign-in")
    type_keys(browser, Keys.SHIFT + Keys.TAB)
    pages.see(lambda b: focused(b) == "Continue with corp")
    type_keys(browser, Keys.ENTER)
    at_the_issuer(pages, "alice")
    pages.shows("alice of the tests", "#account")
    assert browser.current_url == f"{pages.url}/"
    pages.press("alice of the tests")
    pages.titled("alice of the tests")
    pages.press("Account", ".tabs")
    pages.shows("oidc_corp_user://alice")
    pages.check("account")
    assert pages.logged() == []


def test_page_returns_to_the_wanted_address_after_a_provider(pages: Pages, browser: Chrome) -> None:
    browser.get(f"{pages.url}/me/tokens?search=x")
    pages.press("Continue with corp")
    at_the_issuer(pages, "alice")
    pages.titled("alice of the tests")
    assert browser.current_url == f"{pages.url}/me/tokens?search=x"


def test_page_creates_shows_once_and_revokes_a_token(
    oidc: World, pages: Pages, browser: Chrome
) -> None:
    pages.sign_in("carol", path="/me/tokens")
    pages.press("Create token")
    pages.type_into("Description", "for <b>CI</b>" + Keys.ENTER)
    token = str(pages.field("Token").get_attribute("value"))
    assert oidc.server.request("GET", "/v1/me", token=token).json()["username"] == "carol"
    pages.press("Close", "dialog")
    pages.shows("for <b>CI</b>")
    name = token.partition(":")[0]
    pages.press(f"Revoke for <b>CI</b>, {name}")
    pages.says(f"{name} is revoked")
    pages.shows("You have no tokens.")
    assert oidc.server.request("GET", "/v1/me", token=token).status == 401
    other = oidc.server.token("carol")
    pages.press("Sessions", ".tabs")
    pages.press("End all others")
    pages.press("Revoke all", "dialog")
    pages.says("This session continues")
    assert oidc.server.request("GET", "/v1/me", token=other).status == 401
    pages.shows("This session")


def test_page_links_and_unlinks_a_principal(pages: Pages) -> None:
    pages.sign_in("carol", path="/me/account")
    pages.press("Link an account at corp")
    at_the_issuer(pages, "carol-in-the-browser")
    pages.says("is linked")
    principal = "oidc_corp_user://carol-in-the-browser"
    pages.open("/me/account", "carol")
    pages.shows(principal)
    pages.click('[aria-label^="Unlink carol-in-the-browser"]')
    pages.click("dialog button.danger")
    pages.says("is unlinked")
    pages.see(lambda b: principal not in b.find_element(By.ID, "content").text)


def test_page_shows_the_result_of_a_sign_in_and_nothing_else(pages: Pages, browser: Chrome) -> None:
    browser.get(f"{pages.url}/?signin=refused&request=abcdefgh12345")
    pages.says("was rejected")
    pages.says("abcdefgh12345")
    assert browser.current_url == f"{pages.url}/"
    browser.get(f"{pages.url}/?signin=toString&request=<b>call+0900</b>&linked=")
    pages.see(lambda b: b.find_element(By.ID, "sign-in").is_displayed())
    assert browser.find_element(By.ID, "messages").text == ""


def test_page_changes_the_password_of_a_local_account(oidc: World, pages: Pages) -> None:
    oidc.server.create_user("erin")
    pages.sign_in("erin", path="/me/account")
    pages.type_into("Current password", "wrong")
    pages.type_into("New password", "another battery staple" + Keys.ENTER)
    pages.shows("The current password is wrong")
    pages.type_into("Current password", PASSWORD + Keys.ENTER)
    pages.says("Your password has been changed")
    body = {"username": "erin", "password": "another battery staple"}
    assert oidc.server.request("POST", "/v1/login/local", body=body).status == 200
