"""The pages of clusters in a real browser, with a real API server behind Sekisho."""

from datetime import UTC, datetime

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.support.kubernetes import NAMESPACE, Kubernetes, kubectl
from tests.support.pages import Pages
from tests.support.sekisho import PASSWORD, SekishoWithUsers
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(600)  # the browser may have to be installed first

TABS = ("Workloads", "Nodes", "Events", "Usage", "Members", "Projects", "Settings")


def test_cluster_is_shown_with_its_health_nodes_and_conditions(
    pages: Pages, kubernetes: Kubernetes
) -> None:
    pages.sign_in("alice", path="/clusters")
    pages.shows("Healthy")
    pages.check("clusters")
    pages.press("test", "table")
    pages.titled("test")
    for text in ("Reachable", "RBACReady", "1 of 1 ready", "Capacity"):
        pages.shows(text)
    pages.check("cluster")
    for tab in TABS:
        pages.press(tab, ".tabs")
        pages.shows(tab, ".tabs [aria-current]")
        pages.find("#content section")
        pages.check(f"cluster-{tab.lower()}")
    assert pages.logged() == []


def test_reader_sees_only_what_the_role_includes(pages: Pages, proxy: SekishoWithUsers) -> None:
    pages.sign_in("carol", path="/clusters/test")
    pages.titled("test")
    tabs = [one.text for one in pages.browser.find_elements(By.CSS_SELECTOR, ".tabs a")]
    assert tabs == ["Overview", "Workloads", "Nodes", "Events", "Usage", "Projects"]
    pages.open("/clusters/test/settings", "Not allowed")
    pages.shows("This needs the permission cluster.edit in the cluster")
    pages.browser.get(f"{proxy.url}/clusters/c-0000000000")
    pages.titled("Not found")
    pages.shows("Request ")


def test_reports_of_a_cluster_are_shown_with_what_cannot_be_read(
    pages: Pages, proxy: SekishoWithUsers, kubernetes: Kubernetes
) -> None:
    event = {
        "metadata": {"generateName": "pull-", "namespace": NAMESPACE},
        "type": "Warning",
        "reason": "ImagePullFailed",
        "message": "no such image",
        "involvedObject": {"kind": "Pod", "namespace": NAMESPACE, "name": "web"},
        "lastTimestamp": datetime.now(UTC).isoformat(),
    }
    kubernetes.call(kubernetes.request("POST", f"/api/v1/namespaces/{NAMESPACE}/events", event))

    def reports() -> bool:
        answer = proxy.request("GET", "/v1/clusters/test/events", token=proxy.token("alice"))
        return any(one["reason"] == "ImagePullFailed" for one in answer.json()["items"])

    wait_until(reports, 120, "a report of the event")
    pages.sign_in("alice", path="/clusters/test/events")
    pages.shows("ImagePullFailed", "table")
    pages.shows(f"Pod {NAMESPACE}/web", "table")
    pages.check("cluster-reported-events")
    pages.open("/clusters/test/usage", "test")
    pages.shows("NotInstalled")
    pages.check("cluster-usage-without-metrics")
    pages.open("/clusters/test", "test")
    pages.shows("Certificate of API servers ends")
    assert pages.logged() == []


def test_owner_adds_changes_and_removes_a_member_with_the_keyboard(
    pages: Pages, proxy: SekishoWithUsers
) -> None:
    pages.sign_in("alice", path="/clusters/test/members")
    pages.press("Add member")
    field = pages.field("Person or group")
    field.send_keys("dav")
    pages.shows("dave", "[role=listbox]")
    pages.check_dialog("Add a member to test", "add-member")
    field.send_keys(Keys.ARROW_DOWN, Keys.ENTER)
    pages.shows("Person at local", "dialog")
    field.send_keys(Keys.ENTER)
    pages.says("dave is a member of test")
    pages.shows("dave")
    pages.press("Change the role of dave")
    pages.click("dialog input[value=cluster-read-only]")
    pages.check_dialog("Role of dave", "change-member")
    pages.press("Change role", "dialog")
    pages.see(lambda b: "read-only" in row(b, "dave"))
    items = proxy.request("GET", "/v1/clusters/test/members", token=proxy.token("alice")).json()
    roles = {one["username"]: one["role"] for one in items["items"]}
    assert roles["dave"] == "read-only"
    pages.press("Remove dave")
    pages.shows("loses every role", "dialog")
    pages.check_dialog("Remove dave from test", "remove-member")
    pages.press("Remove dave", "dialog")
    pages.says("dave is no longer a member")
    pages.see(lambda b: not row(b, "dave"))


def row(browser: Chrome, name: str) -> str:
    """Return the text of the row that begins with a name; empty if there is none."""
    rows = (one.text for one in browser.find_elements(By.CSS_SELECTOR, "#content tbody tr"))
    return next((one for one in rows if one.startswith(name)), "")


def test_change_of_another_person_is_reported_as_changed_meanwhile(
    pages: Pages, proxy: SekishoWithUsers
) -> None:
    pages.sign_in("alice", path="/clusters/test/settings")
    pages.field("Name")
    admin = proxy.token("root")
    for name in ("renamed", "test"):
        path = "/v1/clusters/" + ("test" if name == "renamed" else "renamed")
        assert proxy.request("PATCH", path, token=admin, body={"name": name}).status == 200
    pages.press("Save")
    pages.shows("This was changed meanwhile")
    pages.accessible()
    pages.press("Load the current state")
    pages.see(lambda b: "meanwhile" not in b.find_element(By.ID, "content").text)
    pages.type_into("Labels", "env=test\nteam=shop")
    pages.press("Save")
    pages.says("The settings are saved")
    pages.type_into("Labels", "env=prod")
    pages.press("Save")
    shown = "/v1/clusters/test"
    wait_until(lambda: proxy.request("GET", shown, token=admin).json()["labels"] == {"env": "prod"})
    assert proxy.request("PATCH", shown, token=admin, body={"labels": None}).status == 200


def test_administrator_imports_a_cluster_and_removes_it_by_typing_its_name(
    pages: Pages, proxy: SekishoWithUsers, kubernetes: Kubernetes
) -> None:
    """The cluster is imported already, so the import is refused, and its reason is shown."""
    pages.sign_in("root", path="/clusters")
    pages.press("Import cluster")
    pages.titled("Import a cluster")
    pages.check("import")
    pages.type_into("Name", "another")
    config = kubernetes.admin_kubeconfig.read_text()
    script = "arguments[0].value = arguments[1]"
    pages.browser.execute_script(
        script, pages.field("Kubeconfig of an administrator of the cluster"), config
    )
    pages.press("Import cluster", "form")
    pages.shows("already", "form [role=alert]")
    pages.press("With a manifest", ".tabs")
    pages.type_into("Name", "another")
    pages.type_into("API servers, as Sekisho reaches them", "https://10.0.0.1:6443")
    pages.press("Create manifest")
    pages.shows("Waiting for another to register")
    manifest = str(pages.find(".secret textarea").get_attribute("value"))
    checked = kubectl(
        kubernetes.admin_kubeconfig, "create", "--dry-run=client", "-f", "-", input=manifest
    )
    assert "job.batch/" in checked.stdout, checked.stderr
    pages.check("import-manifest")
    pages.open("/clusters/new?with=agent", "Import a cluster")
    pages.type_into("Name", "edge")
    pages.type_into("HTTP proxy on the way to Sekisho", "http://user:word@proxy.example:3128")
    pages.check("import-agent")
    pages.press("Create manifest")
    pages.shows("Waiting for edge to register")
    manifest = str(pages.find(".secret textarea").get_attribute("value"))
    assert "kind: Deployment" in manifest
    pages.open("/clusters/edge", "edge")
    pages.shows("Not registered yet")
    pages.shows("No agent is connected")
    pages.check("pending")
    pages.open("/clusters/test/settings", "test")
    pages.press("Remove cluster")
    pages.shows("memberships", "dialog")
    pages.check_dialog("Remove cluster test", "remove-cluster")
    pages.type_into("Type test to confirm", "tset")
    pages.press("Remove cluster", "dialog")
    pages.shows("This is not test", "dialog")
    assert proxy.request("GET", "/v1/clusters/test", token=proxy.token("root")).status == 200


def test_kubeconfig_has_the_chosen_scope(pages: Pages, proxy: SekishoWithUsers) -> None:
    pages.sign_in("bob", PASSWORD, path="/me")
    pages.press("Get a kubeconfig for test")
    pages.shows("With the sekisho command", "dialog")
    pages.check_dialog("Kubeconfig for test", "kubeconfig")
    pages.click("dialog input[value=token]")
    pages.click("dialog input[value=read]")
    pages.press("Get kubeconfig", "dialog")
    pages.check_dialog("Your kubeconfig for test", "kubeconfig-made")
    file = proxy.folder / "page.kubeconfig"
    file.write_text(str(pages.find("dialog textarea").get_attribute("value")))
    assert kubectl(file, "get", "namespaces").returncode == 0
    refused = kubectl(file, "-n", NAMESPACE, "create", "configmap", "from-a-page")
    assert "read-only" in refused.stderr
