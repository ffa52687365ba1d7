"""Pages and lists that cannot be read: no network, no permission."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.support.isolation import free_port
from tests.support.pages import DESKTOP, Pages
from tests.support.sekisho import Sekisho, make_sekisho, running

pytestmark = pytest.mark.timeout(600)  # the browser may have to be installed first


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    """Run a server with alice, who has no role."""
    made = make_sekisho(tmp_path_factory.mktemp("pages"), (free_port(), free_port()))
    with running(made):
        made.create_user("alice")
        yield made


@pytest.fixture
def pages(server: Sekisho, browser: Chrome, tmp_path: Path) -> Pages:
    return Pages(browser, server.url, tmp_path)


def test_page_that_was_not_loaded_is_shown_when_the_network_is_back(pages: Pages) -> None:
    pages.look(DESKTOP)
    pages.sign_in("alice", path="/me/tokens")
    pages.shows("You have no tokens.")
    pages.browser.set_network_conditions(offline=True, latency=0, throughput=0)
    pages.press("Projects", ".side")
    pages.titled("Connection lost")
    pages.see(lambda b: b.find_element(By.ID, "away").is_displayed())
    pages.browser.delete_network_conditions()
    pages.titled("Projects")
    pages.see(lambda b: not b.find_element(By.ID, "away").is_displayed())


def test_page_that_the_reader_may_not_use_is_accessible(pages: Pages) -> None:
    """``test_page_permissions.py`` opens all of them."""
    pages.sign_in("alice")
    pages.open("/roles/new", "Not allowed")
    pages.check("not-allowed")
    assert pages.logged() == []


def test_list_that_may_not_be_read_is_not_said_to_be_loading(pages: Pages) -> None:
    pages.look(DESKTOP)
    pages.sign_in("alice", path="/me/tokens")
    pages.shows("You have no tokens.")
    pages.browser.execute_script(
        "const real = window.fetch;"
        "window.fetch = (path, options) => path.startsWith('/v1/projects')"
        "  ? Promise.resolve(Response.json({detail: 'the role has ended'}, {status: 403}))"
        "  : real(path, options);"
    )
    pages.press("Projects", ".side")
    pages.says("The role has ended.")
    pages.shows("Not read.")
    assert "Loading" not in pages.find("#content").text
