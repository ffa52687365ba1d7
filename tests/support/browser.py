"""Fixture with a headless Chromium."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

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
            _apt_get()
    found = shutil.which("chromedriver")
    if found is None:
        pytest.fail(hint, pytrace=False)
    return found


def _apt_get() -> None:
    if shutil.which("chromedriver") is None:
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "chromium", "chromium-driver"]):
            subprocess.run(["apt-get", "-q", *command], env=env, check=False, capture_output=True)
