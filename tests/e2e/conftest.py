"""Fixtures of the end-to-end tests."""

from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests.e2e.kubectl_commands import alice as alice  # for tests with kubectl
from tests.support.pages import Pages
from tests.support.sekisho import SekishoWithUsers


@pytest.fixture
def pages(proxy: SekishoWithUsers, browser: Chrome, tmp_path: Path) -> Pages:
    return Pages(browser, proxy.url, tmp_path)
