"""The pages of users and groups, in a real browser with a real cluster."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote

import pytest
from selenium.webdriver.common.by import By

from tests.e2e.page_tables import cell
from tests.support.pages import Pages
from tests.support.sekisho import SekishoWithUsers

pytestmark = pytest.mark.timeout(400)  # the browser may have to be installed first


def join(proxy: SekishoWithUsers, user: str, group: str, name: str) -> None:
    """Write a membership, as a sign-in at a provider does."""
    file = proxy.folder / "data" / "sekisho.db"
    with closing(sqlite3.connect(file, timeout=120)) as database, database:
        database.execute(
            "insert into memberships (user_id, provider, id, name) values (?, ?, ?, ?)",
            (user, "github", group, name),
        )


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
    with closing(sqlite3.connect(proxy.folder / "data" / "sekisho.db", timeout=120)) as database:
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
    pages.click("dialog input[value=standard-user]")
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


def test_page_with_long_names_breaks_no_other_word(proxy: SekishoWithUsers, pages: Pages) -> None:
    name = "maximilian-alexander.von-und-zu.contractor@subsidiary.example.com"
    user = proxy.create_user(name, "--admin")
    pages.sign_in("root", path="/people")
    pages.shows(name)
    pages.check("people-long-name")
    pages.open(f"/people/{user}/account", name)
    pages.press("Reset password")
    pages.field("New password")
    pages.check_dialog(
        "New password for maximilian-alexander.von-und-zu.contractor@subsidiary.example.com",
        "person-long-name",
    )
    pages.press("Cancel", "dialog")
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
    pages.click("dialog [role=option]")
    pages.click("dialog input[value=standard-user]")
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
