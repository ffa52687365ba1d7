"""The pictures of docs/pages, taken where the documentation says so: ``make screenshots``."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.support.kubernetes import Kubernetes
from tests.support.pages import Pages
from tests.support.scripted_api_server import ScriptedApiServer, issue, make_authority, respond_json
from tests.support.sekisho import SekishoWithUsers

pytestmark = pytest.mark.timeout(600)  # the browser may have to be installed first

DOCS = Path(__file__).parents[2] / "docs" / "pages"
SIZE = (1040, 540)
LARGEST = 60_000
"""Bytes of a picture, so that the repository stays small."""


@pytest.fixture
def pages(proxy: SekishoWithUsers, browser: Chrome, tmp_path: Path) -> Pages:
    found = Pages(browser, proxy.url, tmp_path)
    found.look(SIZE)
    return found


@pytest.fixture
def metrics(kubernetes: Kubernetes) -> Iterator[None]:
    """An aggregated API like metrics-server's, which reports what the node uses."""
    group, version = "metrics.k8s.io", "v1beta1"
    services, api = "/api/v1/namespaces/default/services", "/apis/apiregistration.k8s.io/v1"
    found = {"metadata": {"name": "standin"}, "usage": {"cpu": "420m", "memory": "688Mi"}}
    discovery = {"kind": "APIResourceList", "apiVersion": "v1", "resources": []}
    spec = {
        "group": group,
        "version": version,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
    }

    def put(path: str, body: object) -> None:
        kubernetes.call(kubernetes.request("POST", path, body))

    with ScriptedApiServer(issue(make_authority())) as backend:
        for path, answer in (
            ("", {**discovery, "groupVersion": f"{group}/{version}"}),
            ("/nodes", {"kind": "NodeMetricsList", "metadata": {}, "items": [found]}),
        ):
            script = respond_json(json.dumps(answer).encode())
            backend.scripts[f"/apis/{group}/{version}{path}"] = script
        outside = {"type": "ExternalName", "externalName": "localhost"}
        put(services, {"metadata": {"name": "metrics"}, "spec": outside})
        service = {"namespace": "default", "name": "metrics", "port": backend.port}
        name = {"name": f"{version}.{group}"}
        put(f"{api}/apiservices", {"metadata": name, "spec": {**spec, "service": service}})
        yield
        for path in (f"{api}/apiservices/{name['name']}", f"{services}/metrics"):
            kubernetes.call(kubernetes.request("DELETE", path))


@pytest.fixture
def token(proxy: SekishoWithUsers) -> Iterator[None]:
    """A token of bob's for a picture."""
    made = proxy.token("bob", "--description", "nightly build", "--read-only", "--ttl", "30d")
    yield
    proxy.request("DELETE", f"/v1/tokens/{made.partition(':')[0]}", token=made)


def test_pictures_for_developers_are_taken(pages: Pages, token: None) -> None:
    pages.browser.get(pages.url)
    pages.see(lambda b: b.find_element(By.ID, "sign-in").is_displayed())
    pages.picture("sign-in")
    pages.sign_in("bob", path="/clusters")
    pages.shows("Healthy")
    pages.picture("clusters")
    pages.press("Kubeconfig for all")
    pages.click("dialog input[value=token]")
    pages.picture("kubeconfig", "dialog")
    pages.press("Close", "dialog")
    pages.open("/me/tokens", "bob")
    pages.shows("nightly build")
    pages.picture("tokens")
    pages.open("/me/sessions", "bob")
    pages.shows("This session")
    pages.picture("sessions")


def test_pictures_for_administrators_are_taken(pages: Pages, metrics: None) -> None:
    pages.sign_in("root", path="/clusters/test")
    pages.shows("Healthy")
    pages.shows("0.4 of 1")  # of the CPU: usage is read once a minute
    pages.accessible()
    pages.look((SIZE[0], 490))
    pages.picture("cluster")
    pages.look(SIZE)
    pages.open("/clusters/new", "Import a cluster")
    pages.picture("import")
    pages.press("With an agent", ".tabs")
    pages.field("HTTP proxy on the way to Sekisho")
    pages.picture("import-agent")
    pages.open("/clusters/test/members", "test")
    pages.press("Add member")
    pages.field("Person or group").send_keys("da")
    pages.shows("dave", "[role=listbox]")
    pages.picture("add-member", "dialog")
    pages.press("Close", "dialog")
    pages.open("/clusters/test/settings", "test")
    pages.picture("cluster-agent", "section[aria-label=Agent]")
    pages.press("Remove cluster")
    pages.field("Type test to confirm")
    pages.picture("remove-cluster", "dialog")


def test_pictures_of_people_roles_and_providers_are_taken(pages: Pages) -> None:
    pages.sign_in("root")
    pages.titled("Overview")
    pages.shows("administrator", ".tiles")
    pages.picture("overview")
    pages.open("/people", "People and groups")
    pages.press("alice")
    pages.shows("role owner")
    pages.picture("person")
    pages.open("/roles/new?scope=project", "Create a role")
    pages.type_into("Name", "log-reader")
    pages.press("Add a rule")
    pages.type_into("Verbs", "get, list")
    pages.type_into("Resources", "pods, pods/log")
    pages.press("Check only")
    pages.shows("You may make this role")
    pages.picture("role-new")
    pages.open("/providers/new?type=openldap", "Add a provider")
    pages.type_into("Name", "corp")
    pages.type_into("Servers", "ldaps://ldap.corp.example")
    pages.type_into("Base", "dc=corp,dc=example")
    pages.picture("provider-new")


def test_pictures_for_project_owners_and_auditors_are_taken(pages: Pages) -> None:
    pages.sign_in("alice", path="/projects/new")
    pages.titled("Create a project")
    pages.type_into("Name", "shop")
    pages.type_into("Pods", "20")
    pages.press("Create project", "form")
    pages.titled("shop")
    pages.press("Create namespace", ".panel-head")
    pages.type_into("Name", "shop-web")
    pages.press("Create namespace", "dialog")
    pages.shows("20 Pods")
    pages.picture("project")
    pages.press("Usage", ".tabs")
    pages.shows("of 20")
    pages.picture("usage")
    pages.press("Sign out")
    pages.says("signed out")
    pages.sign_in("root", path="/access?verb=get&resource=secrets&namespace=shop-web")
    pages.shows("alice → role owner")
    pages.look((SIZE[0], 440))  # smaller: a picture of much text is large
    pages.picture("who-can")
    pages.open("/activity", "Activity")
    pages.shows("/v1/projects")
    pages.browser.execute_script("scrollTo(0, 280)")
    pages.picture("activity")


def test_documentation_has_each_picture_that_it_shows_and_no_other() -> None:
    shown = {
        name
        for page in DOCS.glob("*.md")
        for name in re.findall(r"\]\(([\w-]+\.png)\)", page.read_text())
    }
    assert {one.name for one in DOCS.glob("*.png")} == shown
    large = [one.name for one in DOCS.glob("*.png") if one.stat().st_size > LARGEST]
    assert large == []
