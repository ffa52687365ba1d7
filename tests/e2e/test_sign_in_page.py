"""The pages in a real browser, with a real cluster behind them."""

from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from tests.support.kubernetes import kubectl
from tests.support.pages import Pages
from tests.support.sekisho import PASSWORD, SekishoWithUsers
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(300)  # the browser may have to be installed first


def test_user_signs_in_downloads_a_kubeconfig_and_signs_out(
    proxy: SekishoWithUsers, pages: Pages, tmp_path: Path
) -> None:
    pages.browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    pages.browser.get(f"{proxy.url}/me")
    pages.fill_sign_in("alice", "wrong")
    pages.says("is wrong")
    pages.fill_sign_in("alice", PASSWORD)
    pages.titled("alice")
    pages.shows(proxy.users["alice"])
    pages.press("Get a kubeconfig for test")
    pages.click("dialog input[value=token]")
    pages.press("Get kubeconfig", "dialog")
    pages.press("Download", "dialog")
    file = tmp_path / "test.kubeconfig"
    wait_until(lambda: file.exists() and file.read_text().endswith("\n"))
    whoami = kubectl(file, "auth", "whoami")
    assert proxy.users["alice"] in whoami.stdout, whoami.stderr
    pages.browser.refresh()
    pages.titled("alice")
    pages.press("Sign out")
    pages.says("signed out")
    pages.browser.refresh()
    pages.see(lambda b: b.find_element(By.ID, "sign-in").is_displayed())
    assert pages.logged() == []


def test_one_time_password_must_be_changed_at_the_first_sign_in(
    proxy: SekishoWithUsers, pages: Pages
) -> None:
    pages.browser.get(proxy.url)
    pages.fill_sign_in("admin", proxy.first_password)
    pages.see(lambda b: b.find_element(By.ID, "change").is_displayed())
    pages.type_into("New password", "a password of my own")
    pages.press("Change password")
    pages.says("has been changed")
    body = {"username": "admin", "password": "a password of my own"}
    assert (
        proxy.request("POST", "/v1/login/local", body=body).json()["must_change_password"] is False
    )
