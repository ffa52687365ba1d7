"""Fixture with a headless Chromium."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.support.debian import apt_get, explained
from tests.support.isolation import exclusive_lock

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--ignore-certificate-errors",  # other tests check the certificate
    "--window-size=900,900",
)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    """Start a browser with a new profile. CI installs it and fails if that is impossible."""
    driver = shutil.which("chromedriver") or _install()
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    chrome = Chrome(options=options, service=Service(executable_path=driver))
    yield chrome
    chrome.quit()


def _install() -> str:
    """Install Chromium and its driver in CI; elsewhere skip with a hint."""
    hint = "Chromium and chromedriver are needed: apt-get install chromium chromium-driver"
    if not os.environ.get("CI"):
        pytest.skip(hint)
    if os.geteuid() == 0:
        with exclusive_lock("install"):
            if shutil.which("chromedriver") is None:
                apt_get("update")
                apt_get("install", "chromium", "chromium-driver", options=("--yes",))
    found = shutil.which("chromedriver")
    if found is None:
        pytest.fail(explained(hint), pytrace=False)
    return found
