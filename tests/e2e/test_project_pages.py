"""The pages of projects and their owners, in a real browser with a real cluster."""

import pytest
from selenium.webdriver.common.by import By

from tests.e2e.page_tables import cell
from tests.support.kubernetes import Kubernetes
from tests.support.pages import Pages
from tests.support.sekisho import SekishoWithUsers

pytestmark = pytest.mark.timeout(400)  # the browser may have to be installed first


def count(kubernetes: Kubernetes, namespace: str, hard: str, used: str) -> None:
    """Write what a namespace uses, as the cluster's controller of quotas does."""
    path = f"/api/v1/namespaces/{namespace}/resourcequotas/sekisho-project"
    found = kubernetes.call(kubernetes.request("GET", path))
    found["status"] = {"hard": {"pods": hard}, "used": {"pods": used}}
    kubernetes.call(kubernetes.request("PUT", f"{path}/status", found))


def test_owner_makes_a_project_with_a_quota_namespaces_and_members(
    kubernetes: Kubernetes, pages: Pages
) -> None:
    pages.sign_in("alice", path="/projects")
    pages.titled("Projects")
    pages.press("Create project")
    pages.titled("Create a project")
    pages.type_into("Name", "bakery")
    pages.type_into("Pods", "ten")
    pages.press("Create project", "form")
    pages.shows("quota.pods")
    pages.type_into("Pods", "10")
    pages.check("project-new")
    pages.press("Create project", "form")
    pages.titled("bakery")
    pages.shows("No namespaces yet.")
    pages.press("Create namespace", ".panel")
    pages.type_into("Name", "bakery-oven")
    pages.check_dialog("Create a namespace", "namespace-create")
    pages.press("Create namespace", "dialog")
    pages.see(lambda b: cell(pages, "bakery-oven", "Gets") == "10 Pods")
    pages.check("project")
    pages.press("Change the quota of bakery-oven")
    pages.type_into("Pods", "4")
    pages.check_dialog("Quota of bakery-oven", "namespace-quota")
    pages.press("Save", "dialog")
    pages.see(lambda b: cell(pages, "bakery-oven", "Gets") == "4 Pods")
    count(kubernetes, "bakery-oven", "4", "3")
    pages.press("Usage", ".tabs")
    pages.shows("3 of 10")
    pages.shows("3 of 4")
    count(kubernetes, "bakery-oven", "4", "2")
    pages.shows("2 of 10")
    pages.check("project-usage")
    pages.press("Members", ".tabs")
    pages.press("Add member", ".panel-head")
    pages.type_into("Person or group", "bo")
    pages.click("dialog [role=option]")
    pages.check_dialog("Add a member to bakery", "project-member-add")
    pages.press("Add member", "dialog")
    pages.see(lambda b: cell(pages, "bob", "Role") == "member")
    pages.check("project-members")
    pages.press("Change the role of bob")
    pages.find("dialog input[value=project-read-only]")
    pages.check_dialog("Role of bob", "project-member-change")
    pages.press("Cancel", "dialog")
    pages.press("Remove bob")
    pages.shows("loses every role", "dialog")
    pages.check_dialog("Remove bob from bakery", "project-member-remove")
    pages.press("Remove bob", "dialog")
    pages.see(lambda b: cell(pages, "bob", "Role") == "")
    pages.press("Settings", ".tabs")
    pages.shows("Move or delete its namespaces first.")
    pages.check("project-settings")
    assert pages.logged() == []


def test_namespace_moves_to_another_project_and_projects_are_deleted(pages: Pages) -> None:
    pages.sign_in("alice", path="/projects/new")
    for name in ("kiln", "mill"):
        pages.open("/projects/new", "Create a project")
        pages.type_into("Name", name)
        pages.press("Create project", "form")
        pages.titled(name)
    pages.press("Create namespace", ".panel")
    pages.type_into("Name", "mill-stone")
    pages.press("Create namespace", "dialog")
    pages.see(lambda b: cell(pages, "mill-stone", "State") == "In the project")
    pages.press("Move mill-stone")
    pages.choose("To", "kiln")
    pages.check_dialog("Move namespace mill-stone", "namespace-move")
    pages.press("Move namespace mill-stone", "dialog")
    pages.says("mill-stone is moved")
    pages.shows("No namespaces yet.")
    pages.press("Settings", ".tabs")
    pages.press("Delete project")
    pages.type_into("Type mill to confirm", "mill")
    pages.check_dialog("Delete project mill", "project-delete")
    pages.press("Delete project", "dialog")
    pages.says("mill is deleted")
    pages.titled("Projects")
    pages.press("kiln")
    pages.see(lambda b: cell(pages, "mill-stone", "State") == "In the project")
    pages.press("Move mill-stone")
    pages.choose("To", "No project")
    pages.press("Move namespace mill-stone", "dialog")
    pages.shows("No namespaces yet.")
    pages.press("Move one here")
    pages.type_into("Name", "mill-stone")
    pages.check_dialog("Move a namespace here", "namespace-take")
    pages.press("Move namespace", "dialog")
    pages.see(lambda b: cell(pages, "mill-stone", "State") == "In the project")
    pages.press("Delete mill-stone")
    pages.shows("with all that is in it", "dialog")
    pages.type_into("Type mill-stone to confirm", "other")
    pages.press("Delete namespace mill-stone", "dialog")
    pages.shows("This is not mill-stone", "dialog")
    pages.check_dialog("Delete namespace mill-stone", "namespace-delete")
    pages.type_into("Type mill-stone to confirm", "mill-stone")
    pages.press("Delete namespace mill-stone", "dialog")
    pages.says("is being deleted")
    assert pages.logged() == []


def test_changed_meanwhile_is_shown_and_nothing_is_overwritten(
    proxy: SekishoWithUsers, pages: Pages
) -> None:
    root = proxy.token("root")
    body = {"cluster": "test", "name": "harbour"}
    made = proxy.request("POST", "/v1/projects", token=root, body=body).json()
    path = f"/v1/projects/{made['id']}"
    pages.sign_in("root", path=f"/projects/{made['id']}/settings")
    pages.titled("harbour")
    change = {"description": "by another tab"}
    assert proxy.request("PATCH", path, token=root, body=change).status == 200
    pages.type_into("Description", "by this tab")
    pages.press("Save")
    pages.shows("changed meanwhile")
    pages.press("Load the current state")
    pages.see(lambda b: pages.field("Description").get_attribute("value") == "by another tab")
    assert proxy.request("GET", path, token=root).json()["description"] == "by another tab"


def test_reader_of_a_project_sees_it_without_buttons(proxy: SekishoWithUsers, pages: Pages) -> None:
    root = proxy.token("root")
    body = {"cluster": "test", "name": "library"}
    made = proxy.request("POST", "/v1/projects", token=root, body=body).json()
    proxy.create_user("librarian")
    path = f"/v1/projects/{made['id']}/members/librarian"
    assert proxy.request("PUT", path, token=root, body={"role": "read-only"}).status == 200
    pages.sign_in("librarian", path="/projects")
    pages.press("library")
    pages.titled("library")
    pages.shows("No namespaces yet.")
    tabs = [one.text for one in pages.browser.find_elements(By.CSS_SELECTOR, ".tabs a")]
    assert tabs == ["Namespaces", "Workloads", "Usage", "Members"]
    buttons = pages.browser.find_elements(By.CSS_SELECTOR, "#content button")
    assert [one.text for one in buttons if one.is_displayed()] == ["Create token"]
    pages.press("Create token")
    pages.shows("Lifetime", "dialog")
    pages.check_dialog("Token for library", "project-token")
