"""The pages of roles and providers, in a real browser with a real cluster."""

import pytest

from tests.support.pages import Pages
from tests.support.sekisho import PASSWORD, SekishoWithUsers

pytestmark = pytest.mark.timeout(400)  # the browser may have to be installed first


def test_role_is_checked_before_it_is_made_and_changed(pages: Pages) -> None:
    pages.sign_in("root", path="/roles")
    pages.titled("Roles")
    pages.shows("restricted-administrator")
    pages.check("roles")
    pages.press("Create role")
    pages.titled("Create a role")
    pages.type_into("Name", "log-reader")
    pages.click("input[value='project.read']")
    pages.press("Add a rule")
    pages.type_into("Verbs", "get, list")
    pages.type_into("Resources", "pods, pods/log")
    pages.press("Check only")
    pages.shows("You may make this role")
    pages.shows("get, list on pods, pods/log of the core group")
    pages.check("role-new")
    pages.press("Save")
    pages.titled("log-reader")
    pages.shows("pods/log")
    pages.check("role")
    pages.type_into("Description", "Reads logs")
    pages.press("Save")
    pages.says("The role is saved")
    pages.press("Delete")
    pages.shows("log-reader", "dialog")
    pages.check_dialog("Delete role log-reader", "role-delete")
    pages.press("Delete role", "dialog")
    pages.says("log-reader is deleted")
    assert pages.logged() == []


def test_role_of_more_than_its_maker_holds_is_refused(
    proxy: SekishoWithUsers, pages: Pages
) -> None:
    root = proxy.token("root")
    body = {"scope": "global", "name": "role-maker", "permissions": ["roles.manage"]}
    role = proxy.request("POST", "/v1/roles", token=root, body=body).json()
    held = {"role": role["id"], "user": proxy.create_user("role-writer")}
    assert proxy.request("POST", "/v1/bindings", token=root, body=held).status == 201
    pages.sign_in("role-writer", path="/roles/new?scope=global")
    pages.titled("Create a role")
    assert pages.find("input[value='roles.manage']").is_enabled()
    assert not pages.find("input[value='providers.manage']").is_enabled()
    pages.open("/roles/new?scope=cluster", "Create a role")
    pages.type_into("Name", "everything")
    pages.type_into("Roles of the clusters, by name", "view")
    pages.press("Check only")
    pages.shows("you lack: cluster role view", ".form-error")


def test_provider_is_tried_added_and_disabled(pages: Pages) -> None:
    pages.sign_in("root", path="/providers")
    pages.titled("Providers")
    pages.shows("local")
    pages.check("providers")
    pages.press("Add provider")
    pages.press("github")
    pages.type_into("Name", "hub")
    pages.type_into("Client id", "sekisho")
    pages.type_into("Client secret", "a secret of the app")
    pages.press("Try")
    pages.shows("everyone with a GitHub account could sign in")
    pages.press("Add provider", "form")
    pages.shows("everyone with a GitHub account could sign in")
    pages.click("details summary")
    pages.type_into("Allowed orgs", "acme")
    pages.type_into("Base url", "https://127.0.0.1:1")
    pages.press("Try")
    pages.shows("Not usable")
    pages.check("provider-new")
    pages.press("Add provider", "form")
    pages.titled("hub")
    pages.shows("Down")
    pages.press("Disable")
    pages.shows("hub", "dialog")
    pages.check_dialog("Disable provider hub", "provider-disable")
    pages.press("Disable", "dialog")
    pages.shows("Disabled")
    pages.check("provider")
    assert pages.field("Client secret").get_attribute("value") == ""
    pages.click("details summary")
    pages.type_into("Timeout", "20s")
    pages.press("Save")
    pages.says("The settings are saved")
    pages.press("Delete")
    pages.type_into("Type hub to confirm", "hub")
    pages.check_dialog("Delete provider hub", "provider-delete")
    pages.press("Delete provider", "dialog")
    pages.says("hub is deleted")
    pages.press("local")
    pages.type_into("Username", "alice")
    pages.type_into("Password", PASSWORD)
    pages.press("Try")
    pages.shows("May sign in")
    assert pages.logged() == []
