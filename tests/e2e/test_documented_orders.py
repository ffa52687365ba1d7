"""The pictures of docs/pages about ordered clusters: ``make screenshots``."""

from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests.e2e.ordering import QUOTA
from tests.e2e.ordering import world as world
from tests.proxy.cli.verbs.conftest import World
from tests.support.capi.management_cluster import DELETION_SECONDS
from tests.support.capi.standin_kinds import VERSIONS
from tests.support.pages import Pages
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(900)  # the browser may have to be installed first

SIZE = (1040, 540)


def test_pictures_of_an_order_and_of_a_management_cluster_are_taken(
    world: World, browser: Chrome, tmp_path: Path
) -> None:
    pages = Pages(browser, world.server.url, tmp_path)
    pages.look(SIZE)
    pages.sign_in("root", path="/clusters/mgmt/provisioning")
    pages.shows("Token of Sekisho's account ends")
    pages.picture("cluster-provisioning")
    pages.open("/clusters/order", "Order a cluster")
    pages.type_into("Name", "shop")
    pages.type_into("Kubernetes", VERSIONS[0])
    pages.click("details summary")
    pages.type_into("fail", QUOTA)
    pages.choose("machineSize", "large")
    pages.picture("order-variables", ".order details")
    pages.press("Order cluster")
    pages.titled("shop")
    pages.shows(QUOTA, "#content [role=status]")
    pages.shows("Machines are made", ".steps [aria-current=step]")
    pages.picture("order-steps")
    root = world.of("root")
    root.run("cluster", "remove", "shop", "--infrastructure", "delete", "--yes")
    names = ("cluster", "list", "-o", "name")
    wait_until(lambda: "shop" not in root.run(*names).stdout, DELETION_SECONDS, "shop is gone")
