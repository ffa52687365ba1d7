"""Drive Sekisho's pages in a real browser: sign in, wait, check accessibility, take pictures.

Pictures are written into the folder of the variable ``SEKISHO_SCREENSHOTS``, else into the test's
temporary folder. ``make screenshots`` writes those of the documentation.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
)
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.npm import installed_packages
from tests.support.sekisho import PASSWORD
from tests.support.waiting import BUSY_SECONDS

AXE = Path(__file__).parent / "axe_core"
DESKTOP, PHONE = (1280, 800), (360, 740)
LOOKS = (("desktop", DESKTOP, False), ("dark", DESKTOP, True), ("phone", PHONE, False))
"""The name of a look, its width and height, and whether it is dark."""
BETWEEN = (1000, 620)
"""Widths of windows, in pixels, just above those at which the layout changes."""


BROKEN = """
const found = [], page = document.querySelector("#content");
const texts = document.createTreeWalker(page, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  for (const word of texts.currentNode.data.matchAll(/(?<=^|\\s)[A-Za-z]{3,14}(?=$|\\s)/g)) {
    const range = document.createRange();
    range.setStart(texts.currentNode, word.index);
    range.setEnd(texts.currentNode, word.index + word[0].length);
    if (new Set([...range.getClientRects()].map((one) => one.top)).size > 1) found.push(word[0]);
  }
}
return found;
"""
"""A script that returns the short words of the page that are broken at the end of a line."""
BLANK = """
return [...document.querySelectorAll("#content .panel")].filter((one) =>
  !one.innerText.slice(one.querySelector(".panel-head")?.innerText.length || 0).trim()
  && !one.querySelector("input, select, textarea, img")).map((one) => one.innerText);
"""
"""A script that returns the panels that have nothing below their title."""

PASSING = (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
)
"""What a page that is still changing causes."""


@dataclass(frozen=True, slots=True)
class Pages:
    """A browser at a running Sekisho."""

    browser: Chrome
    url: str
    folder: Path

    def see(self, wanted: Callable[[Chrome], object]) -> None:
        """Wait until a condition holds; an element that is replaced meanwhile is found again."""
        WebDriverWait(self.browser, BUSY_SECONDS, 0.05, PASSING).until(wanted)

    def find(self, selector: str) -> WebElement:
        """Return the first element of a CSS selector, when it is there."""
        self.see(lambda b: b.find_elements(By.CSS_SELECTOR, selector))
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def click(self, selector: str) -> None:
        """Click the first element of a CSS selector, again if the page replaces it meanwhile."""

        def clicked(browser: Chrome) -> bool:
            browser.find_element(By.CSS_SELECTOR, selector).click()
            return True

        self.see(clicked)

    def named(self, name: str, within: str = "body") -> WebElement:
        """Return the shown button or link with a text or label, when it is there."""

        def found(browser: Chrome) -> WebElement | None:
            both = browser.find_elements(By.CSS_SELECTOR, f"{within} button, {within} a")
            named = (one for one in both if name in {one.text, one.get_attribute("aria-label")})
            return next((one for one in named if one.is_displayed()), None)

        self.see(found)
        element = found(self.browser)
        assert element is not None
        return element

    def press(self, name: str, within: str = "body") -> None:
        """Click the shown button or link with a text or label."""

        def clicked(browser: Chrome) -> bool:
            element = self.named(name, within)
            browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
            element.click()
            return True

        self.see(clicked)

    def type_into(self, label: str, text: str) -> None:
        """Type into the shown field with a label, in place of what it has."""

        def typed(_: Chrome) -> bool:
            field = self.field(label)
            field.clear()
            field.send_keys(text)
            return True

        self.see(typed)

    def field(self, label: str) -> WebElement:
        """Return the shown field with a label, when it is there."""

        def found(browser: Chrome) -> WebElement | None:
            for one in browser.find_elements(By.TAG_NAME, "label"):
                if one.text.strip() == label and one.is_displayed():
                    target = one.get_attribute("for")
                    if target:
                        return browser.find_element(By.ID, target)
                    return one.find_element(By.TAG_NAME, "input")
            return None

        self.see(found)
        element = found(self.browser)
        assert element is not None
        return element

    def choose(self, label: str, option: str) -> None:
        """Choose an option of the shown list with a label."""

        def chosen(_: Chrome) -> bool:
            Select(self.field(label)).select_by_visible_text(option)
            return True

        self.see(chosen)

    def shows(self, text: str, selector: str = "main#content") -> None:
        """Wait until an element contains a text."""
        self.see(lambda b: text in b.find_element(By.CSS_SELECTOR, selector).text)

    def says(self, text: str) -> None:
        """Wait for a message."""
        self.shows(text, "#messages")

    def open(self, path: str, title: str) -> None:
        """Open a page by its address, and wait for its heading."""
        self.browser.get(self.url + path)
        self.titled(title)

    def titled(self, title: str) -> None:
        """Wait for a page by its heading."""
        self.see(lambda b: b.find_element(By.CSS_SELECTOR, "#content h1").text == title)
        self.see(lambda b: b.title == f"{title} · Sekisho")

    def sign_in(self, username: str, password: str = PASSWORD, path: str = "/") -> None:
        """Open a page as an anonymous reader, and sign in there."""
        self.browser.get(self.url + path)
        self.fill_sign_in(username, password)
        self.see(lambda b: b.find_elements(By.CSS_SELECTOR, "#content h1"))

    def fill_sign_in(self, username: str, password: str = PASSWORD) -> None:
        """Send the sign-in form."""
        self.see(lambda b: b.find_element(By.ID, "sign-in").is_displayed())
        self.type_into("Username", username)
        self.type_into("Password", password + Keys.ENTER)

    def look(self, size: tuple[int, int], *, dark: bool = False) -> None:
        """Set the size of the window, and light or dark."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def check(self, name: str) -> None:
        """Check the page in every look: accessible, and no wider than the window. Take pictures."""
        for look, size, dark in LOOKS:
            self.look(size, dark=dark)
            self.accessible()
            wide = self.browser.execute_script("return document.documentElement.scrollWidth")
            assert wide <= size[0], f"{name} is {wide} pixels wide on a {look}"
            assert self.browser.execute_script(BROKEN) == [], f"{name} on a {look}"
            assert self.browser.execute_script(BLANK) == [], f"{name} on a {look}"
            self.picture(f"{name}-{look}")
        for width in BETWEEN:
            self.look((width, 700))
            wide = self.browser.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} pixels wide in {width}"
        self.look(DESKTOP)

    def check_dialog(self, title: str, name: str) -> None:
        """Wait for a dialog by its title, and check it in every look.

        ``tests/management/web/test_dialogs.py`` compares the titles with those of the scripts.
        """
        heading = "dialog[open]:last-of-type h2"
        self.see(lambda b: b.find_element(By.CSS_SELECTOR, heading).text == title)
        self.check(name)
        close = self.find("dialog[open]:last-of-type .close").rect
        text = self.browser.find_element(By.CSS_SELECTOR, heading).rect
        assert close["x"] >= text["x"] + text["width"], "the close button is below the title"

    def picture(self, name: str, selector: str = "") -> None:
        """Save a picture of the window, or of one element."""
        folder = Path(os.environ.get("SEKISHO_SCREENSHOTS") or self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        taken = self.find(selector) if selector else self.browser
        file = folder / f"{name}.png"
        (taken.screenshot if isinstance(taken, WebElement) else taken.save_screenshot)(str(file))

    def accessible(self) -> None:
        """Assert that axe-core finds no violation, when the page is loaded.

        Until then the former page is shown, pale.
        """
        self.see(lambda b: not b.find_elements(By.CSS_SELECTOR, "#content[aria-busy=true]"))
        script = installed_packages(AXE) / "node_modules" / "axe-core" / "axe.min.js"
        self.browser.execute_script(script.read_text())
        found = self.browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
        assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []

    def logged(self) -> list[str]:
        """Return errors that the browser logged, except of responses that were refused."""
        entries = self.browser.get_log("browser")  # type: ignore[no-untyped-call]
        messages = [one["message"] for one in entries if one["level"] == "SEVERE"]
        return [one for one in messages if "Failed to load resource" not in one]
