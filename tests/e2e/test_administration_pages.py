"""The pages for administrators and owners of projects, in a real browser with a real cluster."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.support.kubernetes import Kubernetes
from tests.support.pages import DESKTOP, Pages
from tests.support.sekisho import PASSWORD, SekishoWithUsers

pytestmark = pytest.mark.timeout(400)  # the browser may have to be installed first


@pytest.fixture
def pages(proxy: SekishoWithUsers, browser: Chrome, tmp_path: Path) -> Pages:
    return Pages(browser, proxy.url, tmp_path)


def cell(pages: Pages, row: str, column: str) -> str:
    """Return the text of a column in the row that begins with a name."""
    for one in pages.browser.find_elements(By.CSS_SELECTOR, "#content tbody tr"):
        if one.find_element(By.TAG_NAME, "th").text.split("\n")[0] == row:
            return one.find_element(By.CSS_SELECTOR, f'td[data-label="{column}"]').text
    return ""


def test_overview_shows_an_administrator_everything_and_a_user_their_own(pages: Pages) -> None:
    pages.sign_in("root")
    pages.titled("Overview")
    pages.shows("administrator", ".tiles")
    pages.shows("Problems")
    pages.check("overview")
    pages.press("Sign out")
    pages.says("signed out")
    pages.sign_in("dave")
    pages.titled("Overview")
    pages.shows("of yours", ".tiles")
    assert "administrator" not in pages.find(".tiles").text
    shown = pages.find("#sections").text.split("\n")
    assert "People and groups" not in shown
    assert "Providers" not in shown
    assert pages.logged() == []


def join(proxy: SekishoWithUsers, user: str, group: str, name: str) -> None:
    """Write a membership, as a sign-in at a provider does."""
    file = proxy.folder / "data" / "sekisho.db"
    with closing(sqlite3.connect(file, timeout=10)) as database, database:
        database.execute(
            "insert into memberships (user_id, provider, id, name) values (?, ?, ?, ?)",
            (user, "github", group, name),
        )


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
    pages.find("dialog [role=option]").click()
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
    assert tabs == ["Namespaces", "Usage", "Members"]
    buttons = pages.browser.find_elements(By.CSS_SELECTOR, "#content button")
    assert [one.text for one in buttons if one.is_displayed()] == ["Create token"]
    pages.press("Create token")
    pages.shows("Lifetime", "dialog")
    pages.check_dialog("Token for library", "project-token")


def test_dialogs_of_ones_own_account_are_accessible(pages: Pages) -> None:
    pages.sign_in("carol", path="/me/tokens")
    pages.press("Create token")
    pages.type_into("Description", "pipeline")
    pages.check_dialog("Create token", "token-create")
    pages.press("Create token", "dialog")
    pages.field("Token")
    pages.check_dialog("Your new token", "token-created")
    pages.press("Close", "dialog")
    pages.press("Sessions", ".tabs")
    pages.press("End all others")
    pages.shows("This session continues", "dialog")
    pages.check_dialog("Revoke all other sessions and tokens", "sessions-end")
    pages.press("Cancel", "dialog")
    assert pages.logged() == []


def test_linked_account_is_unlinked_after_its_loss_is_named(
    proxy: SekishoWithUsers, pages: Pages
) -> None:
    user = proxy.create_user("linda")
    with closing(sqlite3.connect(proxy.folder / "data" / "sekisho.db", timeout=10)) as database:
        database.execute(
            "insert into principals (id, user_id, provider, name) values (?, ?, ?, ?)",
            ("github_user://71", user, "github", "linda-of-acme"),
        )
        database.commit()
    pages.sign_in("linda", path="/me/account")
    pages.press("Unlink linda-of-acme at github")
    pages.check_dialog("Unlink linda-of-acme", "account-unlink")
    pages.press("Unlink linda-of-acme", "dialog")
    pages.says("linda-of-acme at github is unlinked.")
    pages.see(lambda b: "linda-of-acme" not in b.find_element(By.ID, "content").text)
    assert pages.logged() == []


def test_administrator_creates_a_user_gives_and_takes_a_role_and_disables(
    proxy: SekishoWithUsers, pages: Pages
) -> None:
    pages.sign_in("root", path="/people")
    pages.titled("People and groups")
    pages.shows("alice")
    pages.check("people")
    pages.press("Create user")
    pages.type_into("Username", "erin")
    pages.type_into("First password", "a first password for erin")
    pages.check_dialog("Create a local user", "person-create")
    pages.press("Create user", "dialog")
    pages.titled("erin")
    pages.shows("No roles.")
    pages.press("Give a global role", ".panel-head")
    pages.find("dialog input[value=standard-user]").click()
    pages.check_dialog("Give erin a global role", "person-global-role")
    pages.press("Give role", "dialog")
    pages.shows("role standard-user")
    pages.check("person")
    pages.press("Take away standard-user from erin")
    pages.shows("everywhere", "dialog")
    pages.check_dialog("Take standard-user away from erin", "person-take-away")
    pages.press("Take away", "dialog")
    pages.shows("No roles.")
    body = {"username": "erin", "password": "a first password for erin"}
    assert proxy.request("POST", "/v1/login/local", body=body).status == 200
    pages.press("Sessions and tokens", ".tabs")
    pages.shows("Session")
    pages.check("person-tokens")
    pages.press("Revoke all")
    pages.shows("stops working", "dialog")
    pages.check_dialog("Revoke all tokens and sessions of erin", "person-revoke-all")
    pages.press("Revoke all", "dialog")
    pages.shows("No sessions and no tokens.")
    pages.press("Account", ".tabs")
    pages.press("Disable")
    pages.shows("end immediately", "dialog")
    pages.check_dialog("Disable user erin", "person-disable")
    pages.press("Disable", "dialog")
    pages.shows("Disabled")
    assert proxy.request("POST", "/v1/login/local", body=body).status == 401
    pages.press("Enable")
    pages.shows("Enabled")
    pages.check("person-account")
    pages.press("Reset password")
    pages.field("New password")
    pages.check_dialog("New password for erin", "person-reset-password")
    pages.press("Cancel", "dialog")
    pages.press("Delete")
    pages.type_into("Type erin to confirm", "erin")
    pages.check_dialog("Delete user erin", "person-delete")
    pages.press("Delete user", "dialog")
    pages.says("erin is deleted")
    assert pages.logged() == []


def test_auditor_sees_everything_without_buttons_that_change_it(
    proxy: SekishoWithUsers, pages: Pages
) -> None:
    root = proxy.token("root")
    user = proxy.create_user("audrey")
    held = {"role": "auditor", "user": user}
    assert proxy.request("POST", "/v1/bindings", token=root, body=held).status == 201
    pages.sign_in("audrey")
    pages.titled("Overview")
    pages.shows("administrator", ".tiles")
    for path, shown in (
        ("/people", "alice"),
        ("/people/roles", "administrator"),
        (f"/people/{proxy.users['alice']}", "role owner"),
        (f"/people/{proxy.users['alice']}/tokens", "Ends"),
        (f"/people/{proxy.users['alice']}/account", "local"),
        ("/roles", "standard-user"),
        ("/roles/cluster-owner", "cluster.edit"),
        ("/providers", "local"),
        ("/providers/local", "Up"),
        ("/clusters/test", "Healthy"),
        ("/clusters/test/members", "alice"),
    ):
        pages.browser.get(proxy.url + path)
        pages.shows(shown)
        buttons = pages.browser.find_elements(
            By.CSS_SELECTOR, "#content :is(button, .button):not(thead *, .table-bar *)"
        )
        assert [one.text for one in buttons if one.is_displayed()] in ([], ["Show"]), path
    pages.open("/activity", "Activity")
    pages.shows("/v1/login/local")
    pages.accessible()
    assert pages.logged() == []


def test_groups_and_global_roles_are_listed(pages: Pages) -> None:
    pages.sign_in("root", path="/groups")
    pages.titled("People and groups")
    pages.shows("Groups belong to their providers")
    pages.check("groups")
    pages.press("Global roles", ".tabs")
    pages.shows("administrator")
    pages.check("global-roles")
    pages.press("Give a global role")
    pages.type_into("Person or group", "dav")
    pages.find("dialog [role=option]").click()
    pages.find("dialog input[value=standard-user]").click()
    pages.check_dialog("Give a global role", "global-role-give")
    pages.press("Give role", "dialog")
    pages.see(lambda b: cell(pages, "dave", "Role") == "standard-user")
    pages.press("Take away standard-user from dave")
    pages.shows("everywhere", "dialog")
    pages.check_dialog("Take standard-user away from dave", "global-role-take-away")
    pages.press("Take away", "dialog")
    pages.see(lambda b: cell(pages, "dave", "Role") == "")
    assert pages.logged() == []


@pytest.fixture
def team(proxy: SekishoWithUsers) -> Iterator[str]:
    """Return a group with a global role, and one in the cluster."""
    root, group = proxy.token("root"), "github_team://70"
    paths = []
    for path, role in (
        ("/v1/bindings", "standard-user"),
        ("/v1/clusters/test/members", "cluster-read-only"),
    ):
        held = {"group": group, "name": "acme/bakers", "role": role}
        made = proxy.request("POST", path, token=root, body=held)
        assert made.status == 201, made.body
        paths.append(f"{path}/{made.json()['id'] if 'bindings' in path else quote(group, safe='')}")
    yield group
    for path in paths:
        assert proxy.request("DELETE", path, token=root).status == 204


def test_group_shows_its_roles_and_known_members(
    proxy: SekishoWithUsers, team: str, pages: Pages
) -> None:
    pages.sign_in("root", path="/groups")
    pages.press("acme/bakers", "table")
    pages.titled("acme/bakers")
    pages.see(lambda b: cell(pages, "Sekisho", "Role").startswith("standard-user"))
    pages.see(lambda b: cell(pages, "test", "Role").startswith("read-only"))
    pages.check("group")
    pages.press("Known members (0)", ".tabs")
    pages.shows("No known members.")
    join(proxy, proxy.create_user("gail"), team, "acme/bakers")
    pages.browser.refresh()
    pages.see(lambda b: cell(pages, "gail", "Username") == "gail")
    pages.shows("Known members (1)")
    pages.check("group-members")
    pages.press("Sign out")
    pages.says("signed out")
    pages.sign_in("gail", path=f"/groups/{quote(team, safe='')}")
    pages.titled("acme/bakers")
    pages.see(lambda b: cell(pages, "test", "Role").startswith("read-only"))
    assert "Known members" not in pages.find("#content").text
    assert pages.logged() == []


def test_role_is_checked_before_it_is_made_and_changed(pages: Pages) -> None:
    pages.sign_in("root", path="/roles")
    pages.titled("Roles")
    pages.shows("restricted-administrator")
    pages.check("roles")
    pages.press("Create role")
    pages.titled("Create a role")
    pages.type_into("Name", "log-reader")
    pages.find("input[value='project.read']").click()
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
    pages.type_into("Name", "everything")
    pages.find("input[value='providers.manage']").click()
    pages.press("Check only")
    pages.shows("you lack: permission providers.manage", ".form-error")


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
    pages.find("details summary").click()
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
    pages.find("details summary").click()
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


READ = """return performance.getEntriesByType("resource").map((one) => one.name)
    .filter((one) => one.includes(arguments[0]) && !one.includes("watch=1")).length"""


def test_changes_elsewhere_appear_by_streams_without_reading_again(
    proxy: SekishoWithUsers, pages: Pages
) -> None:
    pages.sign_in("root", path="/people?search=livia")
    pages.shows("Nothing matches.")
    user = proxy.create_user("livia")
    pages.see(lambda b: cell(pages, "livia", "Username") == "livia")
    assert pages.browser.execute_script(READ, "/v1/users?") == 1
    pages.open(f"/people/{user}/tokens", "livia")
    pages.shows("No sessions and no tokens.")
    body = {"username": "livia", "password": PASSWORD}
    token = proxy.request("POST", "/v1/login/local", body=body).json()["token"]
    pages.shows("Session", "tbody")
    assert pages.browser.execute_script(READ, "/v1/tokens?") == 0
    pages.open(f"/people/{user}", "livia")
    pages.shows("No roles.")
    held = {"role": "standard-user", "user": user}
    root = proxy.token("root")
    assert proxy.request("POST", "/v1/bindings", token=root, body=held).status == 201
    pages.shows("role standard-user")
    assert pages.browser.execute_script(READ, "/access") == 1
    pages.open("/activity?path=/v1/me/tokens", "Activity")
    pages.shows("No events match.")
    assert proxy.request("DELETE", "/v1/me/tokens", token=token).status == 200
    pages.shows("livia", "tbody")
    assert pages.logged() == []


def test_activity_is_searched_and_shows_details(pages: Pages) -> None:
    pages.sign_in("root", path="/activity")
    pages.titled("Activity")
    pages.shows("/v1/login/local")
    pages.check("activity")
    pages.type_into("Verbs", "post")
    pages.type_into("Path", "/v1/login*")
    pages.choose("Outcome", "Success")
    pages.press("Search")
    pages.see(lambda b: "verb=post" in b.current_url)
    pages.shows("/v1/login/local")
    pages.find("tbody button").click()
    pages.shows("request id", "dialog")
    pages.check_dialog("Event", "activity-event")
    pages.press("Close", "dialog")
    pages.type_into("Verbs", "nothing")
    pages.press("Search")
    pages.shows("No events match.")
    assert pages.logged() == []


def test_who_can_is_answered_with_chains_and_a_picture(pages: Pages) -> None:
    pages.sign_in("root", path="/access?verb=get&resource=secrets")
    pages.titled("Who can …?")
    pages.shows("alice → role owner")
    picture = pages.find(".picture img")
    pages.see(lambda b: str(picture.get_property("naturalWidth")) not in {"0", "None"})
    pages.check("access")
    pages.press("Draw")
    pages.shows("the whole cluster")
    pages.check("access-reach")
    pages.look(DESKTOP, dark=True)
    pages.picture("access-picture-dark", ".picture")
    assert pages.logged() == []
