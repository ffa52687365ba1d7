"""The pages of orders in a real browser, with clusters that the real engine makes."""

from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.e2e.ordering import ORDER, QUOTA
from tests.e2e.ordering import world as world
from tests.proxy.cli.verbs.conftest import World
from tests.support.capi.management_cluster import (
    CLUSTERS,
    DELETION_SECONDS,
    ManagementCluster,
    cluster_manifest,
)
from tests.support.capi.standin_kinds import NAMESPACE, VERSIONS
from tests.support.pages import Pages
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(900)  # the browser may have to be installed first


@pytest.fixture
def pages(world: World, browser: Chrome, tmp_path: Path) -> Pages:
    return Pages(browser, world.server.url, tmp_path)


def order(pages: Pages, name: str) -> None:
    """Fill in the form of an order with one worker, except for variables."""
    pages.open("/clusters/order", "Order a cluster")
    pages.type_into("Name", name)
    pages.type_into("Kubernetes", VERSIONS[0])
    count = pages.find("[aria-label='Number of workers']")
    count.clear()
    count.send_keys("1")


def change_size_of_machines(pages: Pages) -> None:
    """Change a variable of the order that is shown, and see the order follow."""
    pages.press("Variables", ".tabs")
    pages.shows("A change can replace machines")
    pages.click("details:not([open]) summary")
    pages.press("Change variables")
    pages.shows("Nothing differs from what the cluster has")
    pages.choose("machineSize", "large")
    pages.check("order-change")
    pages.press("Check only")
    pages.shows("The engine would accept the change of machineSize")
    pages.press("Change variables")
    pages.says("shop is being changed")
    pages.shows("Ready", "#content [role=status]")
    pages.press("Variables", ".tabs")
    pages.shows("A change can replace machines")
    assert pages.find("[name='variables.machineSize']").get_property("value") == "large"
    pages.press("Overview", ".tabs")


def test_order_is_made_by_a_form_and_its_steps_are_live(pages: Pages, world: World) -> None:
    pages.sign_in("alice", path="/clusters")
    pages.press("Order cluster")
    pages.titled("Order a cluster")
    pages.shows("Pools of workers")
    pages.check("order-new")
    order(pages, "full")
    pages.type_into("Kubernetes", "latest")
    pages.press("Order cluster")
    pages.shows("must be a version of Kubernetes", ".field-error:not([hidden])")
    pages.type_into("Kubernetes", VERSIONS[0])
    pages.click("details summary")
    pages.type_into("fail", QUOTA)
    pages.choose("machineSize", "large")
    pages.check("order-variables")
    pages.press("Check only")
    pages.shows("The engine would accept this order")
    pages.press("Order cluster")
    pages.titled("full")
    pages.shows(QUOTA, "#content [role=status]")
    assert pages.find("progress").get_attribute("aria-label") == "Step 3 of 6: Machines are made"
    assert pages.find(".steps [aria-current=step]").text == "Machines are made"
    pages.check("order-steps")
    tabs = [one.text for one in pages.browser.find_elements(By.CSS_SELECTOR, ".tabs a")]
    assert tabs == ["Overview", "Machines", "Variables"]
    pages.press("Machines", ".tabs")
    pages.shows("No machines yet")
    pages.open("/clusters", "Clusters")
    pages.shows(QUOTA, "table")
    pages.check("order-in-list")
    pages.press("full", "table")
    pages.press("Delete full")
    pages.shows("What happens to its machines", "dialog")
    pages.check_dialog("Delete cluster full", "order-delete")
    pages.type_into("Type full to confirm", "full")
    pages.press("Delete cluster", "dialog")
    pages.click("dialog[open] input[value=delete]:invalid")
    pages.press("Delete cluster", "dialog")
    pages.says("full is being deleted")
    wait_until(lambda: world.of("alice").json("clusters") == [], DELETION_SECONDS, "full is gone")
    assert pages.logged() == []


def test_ordered_cluster_is_scaled_upgraded_and_deleted(pages: Pages, world: World) -> None:
    pages.sign_in("alice", path="/clusters")
    order(pages, "shop")
    pages.press("Order cluster")
    pages.titled("shop")
    pages.named("Kubeconfig")  # when it is imported, without a reload
    pages.shows("Ready", "#content [role=status]")
    pages.check("order-ready")
    pages.press("Machines", ".tabs")
    pages.shows("workers", "table")
    pages.check("order-machines")
    pages.press("Overview", ".tabs")
    pages.press("Scale shop")
    pages.check_dialog("Pools of shop", "order-scale")
    pages.type_into("Machines in workers", "2")
    pages.press("Scale", "dialog")
    pages.says("shop is being scaled")
    pages.shows("workers: 2 machines")
    change_size_of_machines(pages)
    pages.press("Upgrade shop")
    pages.check_dialog("Upgrade shop", "order-upgrade")
    pages.type_into("Version", "v1.35.0")
    pages.press("Upgrade", "dialog")
    pages.shows("version cannot be decreased", "dialog")
    pages.type_into("Version", VERSIONS[1])
    pages.press("Upgrade", "dialog")
    pages.says(f"shop is being upgraded to {VERSIONS[1]}")
    pages.press("Delete shop")
    pages.click("dialog input[value=delete]")
    pages.type_into("Type shop to confirm", "shop")
    pages.press("Delete cluster", "dialog")
    pages.says("shop is being deleted")
    wait_until(lambda: world.of("alice").json("clusters") == [], DELETION_SECONDS, "shop is gone")
    assert pages.logged() == []


def restore(management_cluster: ManagementCluster, name: str) -> None:
    """Make a Cluster again with another uid, as a backup of the management cluster does."""
    before = management_cluster.cluster(name)
    assert before is not None
    path = f"{CLUSTERS}/{name}"
    management_cluster.kubectl("delete", "cluster", name, "--cascade=foreground", "--wait=false")
    management_cluster.request("PATCH", path, {"metadata": {"finalizers": None}})
    wait_until(lambda: management_cluster.cluster(name) is None, DELETION_SECONDS, f"{name} gone")
    kept = {key: before["metadata"][key] for key in ("labels", "annotations")}
    metadata = kept | {"name": name, "namespace": NAMESPACE}
    spec = {"topology": before["spec"]["topology"]}
    document = {"apiVersion": before["apiVersion"], "kind": "Cluster"}
    management_cluster.apply([document | {"metadata": metadata, "spec": spec}])


def test_order_is_attached_again_to_its_restored_cluster(
    pages: Pages, world: World, management_cluster: ManagementCluster
) -> None:
    world.of("root").run(
        "cluster", "provision", "lost", *ORDER, "--workers", "1", "--set", f"fail={QUOTA}"
    )
    pages.sign_in("root", path="/clusters/lost")
    pages.shows(QUOTA, "#content [role=status]")
    assert "Reattach" not in pages.find("#content").text
    management_cluster.request("PATCH", f"{CLUSTERS}/lost", {"spec": {"paused": True}})
    pages.shows("Paused", "#content [role=status]")
    restore(management_cluster, "lost")
    pages.shows("Foreign", "#content [role=status]")
    pages.named("Reattach lost")
    shown = [one.text for one in pages.browser.find_elements(By.CSS_SELECTOR, "#content button")]
    assert not {"Scale", "Upgrade"} & set(shown), "the API refuses to change it"
    label = {"metadata": {"labels": {"sekisho.io/cluster": None}}}
    order_id = management_cluster.request("GET", f"{CLUSTERS}/lost")["metadata"]["labels"]
    management_cluster.request("PATCH", f"{CLUSTERS}/lost", label)
    pages.press("Reattach lost")
    pages.check_dialog("Reattach cluster lost", "order-reattach")
    pages.press("Reattach", "dialog")
    pages.shows("it lacks the label", "dialog .field-error:not([hidden])")
    label["metadata"]["labels"] = order_id
    management_cluster.request("PATCH", f"{CLUSTERS}/lost", label)
    pages.press("Reattach", "dialog")
    pages.says("lost is attached to its Cluster")
    pages.shows("Provisioning", "#content [role=status]")
    pages.named("Scale lost")
    world.of("root").run("cluster", "remove", "lost", "--infrastructure", "delete", "--yes")
    assert pages.logged() == []


def test_cluster_that_others_made_is_adopted_by_a_form(
    pages: Pages, world: World, management_cluster: ManagementCluster
) -> None:
    management_cluster.apply([cluster_manifest("theirs", fail=QUOTA)])
    pages.sign_in("root", path="/clusters/new")
    pages.press("From a management cluster", ".tabs")
    pages.shows("Cluster there")
    pages.type_into("Name", "found")
    pages.type_into("Cluster there", "nope")
    pages.check("cluster-adopt")
    pages.press("Adopt cluster")
    pages.check_dialog("Adopt nope of mgmt", "cluster-adopt-confirm")
    pages.press("Cancel", "dialog")
    pages.press("Adopt cluster")
    pages.press("Adopt", "dialog")
    pages.shows('no Cluster "nope"', ".field-error:not([hidden])")
    assert pages.browser.switch_to.active_element.get_attribute("name") == "cluster"
    pages.type_into("Cluster there", "theirs")
    pages.press("Adopt cluster")
    pages.shows("You become its owner", "dialog")
    pages.press("Adopt", "dialog")
    pages.titled("found")
    pages.says("found is being imported")
    pages.named("Delete found")
    world.of("root").run("cluster", "remove", "found", "--yes")
    pages.open("/clusters/new?with=nonsense", "Not found")
    assert pages.logged() == []


def test_management_cluster_is_configured_by_administrators(pages: Pages, world: World) -> None:
    pages.sign_in("root", path="/clusters/mgmt/provisioning")
    pages.shows("Token of Sekisho's account ends")
    pages.check("cluster-provisioning")
    pages.type_into("Classes", "standin: provisioner; 2")
    pages.type_into("Workers of one cluster", "5")
    pages.press("Save")
    pages.says("The settings are saved")
    shown = world.of("root").json("cluster", "management", "show", "mgmt")
    assert (shown["classes"][0]["clusters"], shown["limits"]["workers_per_cluster"]) == (2, 5)
    pages.see(
        lambda b: (
            b.find_element(By.NAME, "classes").get_property("value") == "standin: provisioner; 2"
        )
    )
    pages.press("Disable provisioning")
    pages.check_dialog("Disable provisioning in mgmt", "cluster-disable")
    pages.type_into("Type mgmt to confirm", "mgmt")
    pages.press("Disable provisioning", "dialog")
    pages.says("mgmt is an ordinary cluster")
    pages.shows("If Cluster API runs in this cluster")
    pages.type_into("Namespace", "sekisho-clusters")
    pages.press("Enable provisioning")
    pages.says("Clusters can be ordered here")
    assert pages.logged() == []


def test_reader_who_may_not_order_is_offered_nothing(pages: Pages) -> None:
    pages.sign_in("bob", path="/clusters")
    pages.titled("Clusters")
    assert "Order cluster" not in pages.find("#content").text
    pages.open("/clusters/order", "Not allowed")
    pages.shows("This needs the permission clusters.provision")
    pages.open("/clusters/new?with=adopt", "Not allowed")
    pages.shows("This needs the permission clusters.create")
    pages.accessible()
