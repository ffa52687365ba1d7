"""The sign-in page in a real browser: by a link to an issuer, and what there is afterwards."""

from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from tests.management.signing_in.conftest import World
from tests.parts.npm import installed
from tests.parts.sekisho import PASSWORD

pytestmark = pytest.mark.timeout(300)  # the browser may have to be installed first
AXE = Path(__file__).parents[2] / "parts" / "axe_core"


def see(browser: Chrome, wanted: Callable[[Chrome], object]) -> None:
    WebDriverWait(browser, 20).until(wanted)


def shown(element: str) -> Callable[[Chrome], object]:
    return lambda browser: browser.find_element(By.ID, element).is_displayed()


def says(browser: Chrome, words: str) -> None:
    see(browser, lambda b: words in b.find_element(By.ID, "message").text)


def type_keys(browser: Chrome, *keys: str) -> None:
    """As somebody without a mouse: to whatever has the focus."""
    browser.switch_to.active_element.send_keys(*keys)


def focused(browser: Chrome) -> str:
    element = browser.switch_to.active_element
    return str(element.get_attribute("id") or element.text)


def at_the_issuer(browser: Chrome, login: str) -> None:
    """Sign in and consent at the issuer's own pages."""
    see(browser, lambda b: b.find_element(By.NAME, "login"))
    browser.find_element(By.NAME, "login").send_keys(login)
    browser.find_element(By.NAME, "password").send_keys("x" + Keys.ENTER)
    see(browser, lambda b: b.find_elements(By.CSS_SELECTOR, 'input[value="consent"]'))
    browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()


def accessible(browser: Chrome) -> None:
    """What axe-core finds wrong for people who see, hear or move otherwise: nothing."""
    script = installed(AXE) / "node_modules" / "axe-core" / "axe.min.js"
    browser.execute_script(script.read_text())
    found = browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []


def test_a_person_continues_at_the_issuer_without_a_mouse(
    oidc: World, browser: Chrome, tmp_path: Path
) -> None:
    browser.get(oidc.server.url)
    see(browser, shown("sign-in"))
    accessible(browser)
    browser.save_screenshot(str(tmp_path / "sign-in.png"))
    type_keys(browser, Keys.SHIFT + Keys.TAB)
    see(browser, lambda b: focused(b) == "Continue with corp")
    type_keys(browser, Keys.ENTER)
    at_the_issuer(browser, "alice")
    see(browser, lambda b: b.find_element(By.ID, "home-title").text == "alice of the tests")
    assert browser.current_url == f"{oidc.server.url}/"
    assert "oidc_corp_user://alice" in browser.find_element(By.ID, "accounts").text
    accessible(browser)
    browser.save_screenshot(str(tmp_path / "home.png"))
    logged = browser.get_log("browser")  # type: ignore[no-untyped-call]
    assert [one for one in logged if "Content Security" in one["message"]] == []


def test_a_token_is_made_shown_once_and_revoked(oidc: World, browser: Chrome) -> None:
    sign_in_with_password(oidc, browser)
    browser.find_element(By.ID, "token-description").send_keys("for <b>CI</b>" + Keys.ENTER)
    see(browser, shown("new-token"))
    token = str(browser.find_element(By.ID, "token-value").get_attribute("value"))
    assert oidc.server.ask("GET", "/v1/me", token=token).json()["username"] == "carol"
    assert "for <b>CI</b>" in browser.find_element(By.ID, "tokens").text
    name = token.partition(":")[0]
    browser.find_element(By.CSS_SELECTOR, f'[aria-label$="{name}"]').click()
    says(browser, f"{name} is revoked")
    assert oidc.server.ask("GET", "/v1/me", token=token).status == 401
    browser.refresh()
    see(browser, shown("home"))
    assert not browser.find_element(By.ID, "new-token").is_displayed()
    other = oidc.server.token("carol")
    browser.find_element(By.ID, "revoke-all").click()
    says(browser, "This session goes on")
    assert oidc.server.ask("GET", "/v1/me", token=other).status == 401
    assert "This session" in browser.find_element(By.ID, "tokens").text


def test_an_account_is_linked_and_unlinked(oidc: World, browser: Chrome) -> None:
    sign_in_with_password(oidc, browser)
    browser.find_element(By.CSS_SELECTOR, '.link-account[data-provider="corp"]').click()
    at_the_issuer(browser, "carol-in-the-browser")
    says(browser, "is linked")
    principal = "oidc_corp_user://carol-in-the-browser"
    assert principal in browser.find_element(By.ID, "accounts").text
    browser.find_element(By.CSS_SELECTOR, '[aria-label^="Unlink carol-in-the-browser"]').click()
    says(browser, "is unlinked")
    see(browser, lambda b: principal not in b.find_element(By.ID, "accounts").text)


def test_what_came_of_a_sign_in_elsewhere_is_told_and_nothing_else(
    oidc: World, browser: Chrome
) -> None:
    browser.get(f"{oidc.server.url}/?signin=refused&request=abcdefgh12345")
    says(browser, "was refused")
    says(browser, "abcdefgh12345")
    assert browser.current_url == f"{oidc.server.url}/"
    browser.get(f"{oidc.server.url}/?signin=toString&request=<b>call+0900</b>&linked=")
    see(browser, shown("sign-in"))
    assert not browser.find_element(By.ID, "message").is_displayed()


def sign_in_with_password(oidc: World, browser: Chrome) -> None:
    browser.get(oidc.server.url)
    see(browser, shown("sign-in"))
    browser.find_element(By.ID, "username").send_keys("carol")
    browser.find_element(By.ID, "password").send_keys(PASSWORD + Keys.ENTER)
    see(browser, shown("home"))
