"""The sign-in page in a real browser, with a real cluster behind it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.parts.kubernetes import kubectl
from tests.parts.sekisho import PASSWORD, Gate

pytestmark = pytest.mark.timeout(300)  # the browser may have to be installed first


def see(browser: Chrome, wanted: Callable[[Chrome], object]) -> None:
    WebDriverWait(browser, 20).until(wanted)


def text(browser: Chrome, element: str) -> str:
    return browser.find_element(By.ID, element).text


def sign_in(browser: Chrome, username: str, password: str) -> None:
    see(browser, lambda b: b.find_element(By.ID, "sign-in").is_displayed())
    browser.find_element(By.ID, "username").send_keys(username)
    browser.find_element(By.ID, "password").send_keys(password)
    browser.find_element(By.CSS_SELECTOR, "#sign-in-form button").click()


def test_a_person_signs_in_gets_a_kubeconfig_and_signs_out(
    gate: Gate, browser: Chrome, tmp_path: Path
) -> None:
    browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    browser.get(gate.url)
    sign_in(browser, "alice", "wrong")
    see(browser, lambda b: "not right" in text(b, "message"))
    browser.find_element(By.ID, "username").clear()
    browser.find_element(By.ID, "password").clear()
    sign_in(browser, "alice", PASSWORD)
    see(browser, lambda b: text(b, "home-title") == "alice")
    assert gate.users["alice"] in text(browser, "identity")
    browser.find_element(By.CSS_SELECTOR, "#clusters button").click()
    see(browser, lambda b: (tmp_path / "test.kubeconfig").exists())
    see(browser, lambda b: (tmp_path / "test.kubeconfig").read_text().endswith("\n"))
    whoami = kubectl(tmp_path / "test.kubeconfig", "auth", "whoami")
    assert gate.users["alice"] in whoami.stdout, whoami.stderr
    browser.refresh()
    see(browser, lambda b: text(b, "home-title") == "alice")
    browser.find_element(By.ID, "sign-out").click()
    see(browser, lambda b: "signed out" in text(b, "message"))
    browser.refresh()
    see(browser, lambda b: b.find_element(By.ID, "sign-in").is_displayed())
    logged = browser.get_log("browser")  # type: ignore[no-untyped-call]
    assert [one for one in logged if "Content Security" in one["message"]] == []


def test_a_given_password_is_changed_at_the_first_sign_in(gate: Gate, browser: Chrome) -> None:
    given = gate.output.partition("one-time password: ")[2].split()[0]
    browser.get(gate.url)
    sign_in(browser, "admin", given)
    see(browser, lambda b: b.find_element(By.ID, "change").is_displayed())
    browser.find_element(By.ID, "new-password").send_keys("a password of my own")
    browser.find_element(By.CSS_SELECTOR, "#change-form button").click()
    see(browser, lambda b: "has been changed" in text(b, "message"))
    body = {"username": "admin", "password": "a password of my own"}
    assert gate.ask("POST", "/v1/login/local", body=body).json()["must_change_password"] is False
