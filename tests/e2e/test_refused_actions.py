"""Pages show an action on an object exactly when the API allows it to the reader."""

from dataclasses import dataclass
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from management.api.access_requirements import OverToken, OverUser
from management.api.v1.route_table import TABLE
from tests.support.pages import DESKTOP, Pages
from tests.support.sekisho import SekishoWithUsers

pytestmark = pytest.mark.timeout(600)  # the browser may have to be installed first

PERMISSIONS = ["bindings.manage", "bindings.read", "roles.manage", "users.manage", "users.read"]


@dataclass(frozen=True, slots=True)
class Action:
    """A control of a page, and the request that it sends. ``of`` is the API's endpoint."""

    page: str
    control: str
    of: str
    path: str
    body: object = None


@dataclass
class Objects:
    """Objects of a Sekisho: some are beyond the reader's grants, the others are not."""

    proxy: SekishoWithUsers

    def __post_init__(self) -> None:
        self.root = self.proxy.token("root")

    def made(self, path: str, body: object, method: str = "POST") -> Any:
        """Send a request of the administrator, and return what it made."""
        answer = self.proxy.request(method, path, token=self.root, body=body)
        assert answer.status in {200, 201}, answer.body
        return answer.json()

    def role(self, name: str, scope: str, *permissions: str) -> str:
        """Create a role and return its id."""
        body = {"name": name, "scope": scope, "permissions": permissions}
        return str(self.made("/v1/roles", body)["id"])

    def binding(self, role: str, user: str) -> str:
        """Give a global role, and return the binding's id."""
        return str(self.made("/v1/bindings", {"role": role, "user": user})["id"])


def on_user(user: str, token: str) -> list[Action]:
    """Return the actions on a user and a token; the deletion is the last one."""
    account, tokens = f"/people/{user}/account", f"/people/{user}/tokens"
    path, one = f"/v1/users/{user}", "/v1/users/{id}"
    password = {"new_password": "another good long password"}
    return [
        Action(tokens, f"Revoke {token}", "DELETE /v1/tokens/{name}", f"/v1/tokens/{token}"),
        Action(tokens, "Revoke all", f"DELETE {one}/tokens", f"{path}/tokens"),
        Action(account, "Refresh now", f"POST {one}/refresh", f"{path}/refresh"),
        Action(account, "Save", f"PATCH {one}", path, {"labels": {"a": "b"}}),
        Action(account, "Reset password", f"POST {one}/password", f"{path}/password", password),
        Action(account, "Disable", f"PATCH {one}", path, {"enabled": False}),
        Action(account, "Delete", f"DELETE {one}", path),
    ]


def on_role(role: str) -> list[Action]:
    """Return the actions on a role."""
    page, path, one = f"/roles/{role}", f"/v1/roles/{role}", "/v1/roles/{role}"
    return [
        Action(page, "Save", f"PATCH {one}", path, {"description": "changed"}),
        Action(page, "Delete", f"DELETE {one}", path),
    ]


def on_member(name: str, user: str, role: str) -> list[Action]:
    """Return the actions on a member of the cluster ``test``."""
    page, path = "/clusters/test/members", f"/v1/clusters/test/members/{user}"
    one = "/v1/clusters/{cluster}/members/{member}"
    return [
        Action(page, f"Change the role of {name}", f"PUT {one}", path, {"role": role}),
        Action(page, f"Remove {name}", f"DELETE {one}", path),
    ]


def on_namespace(project: str, name: str) -> list[Action]:
    """Return the actions on a namespace of a project."""
    path, one = f"/v1/projects/{project}/namespaces/{name}", "/v1/projects/{project}/namespaces"
    of = f"DELETE {one}/{{namespace}}"
    return [
        Action(f"/projects/{project}", f"Move {name}", of, path),
        Action(f"/projects/{project}", f"Delete {name}", of, f"{path}?delete=true"),
    ]


def on_binding(binding: str, label: str) -> list[Action]:
    """Return the actions on a binding of a global role."""
    of = "DELETE /v1/bindings/{binding}"
    return [Action("/people/roles", f"Take away {label}", of, f"/v1/bindings/{binding}")]


NAMES = """
return [...document.querySelectorAll("#content:not([aria-busy]) button")]
  .map((one) => one.getAttribute("aria-label") || one.textContent);
"""
"""A script that returns the names of the buttons, when the page is loaded."""


def controls(pages: Pages, page: str, awaited: set[str]) -> set[str]:
    """Open a page by its address, and return the names of its buttons, when some are there."""
    pages.browser.get(pages.url + page)
    pages.see(lambda b: b.find_elements(By.CSS_SELECTOR, "#content:not([aria-busy]) h1"))
    pages.see(lambda b: awaited <= set(b.execute_script(NAMES)))
    return set(pages.browser.execute_script(NAMES))


def made_objects(proxy: SekishoWithUsers, reader: str) -> tuple[list[Action], list[Action]]:
    """Make objects; return the actions that the reader may not do, and those that they may."""
    made = Objects(proxy)
    poor, weak_member = proxy.create_user("poor"), proxy.create_user("peer")
    tokens = [proxy.token(name).split(":")[0] for name in ("alice", "poor")]
    helper = made.role("helper", "global", *PERMISSIONS)
    peers = made.role("peers", "cluster", "cluster.members")
    strong = made.role("strong", "global", "tokens.read")
    weak, spare = (made.role(name, "global", "users.read") for name in ("weak", "spare"))
    made.binding(helper, reader)
    for user in (reader, weak_member):
        made.made("/v1/clusters/test/members", {"user": user, "role": peers})
    project = made.made("/v1/projects", {"cluster": "test", "name": "mixed"})["id"]
    made.made(f"/v1/projects/{project}/members", {"user": reader, "role": "project-owner"})
    for name in ("kube-public", "plain", "plain-too"):
        existing = {"existing": True} if name == "kube-public" else {}
        made.made(f"/v1/projects/{project}/namespaces", {"name": name, **existing})
    bindings = [made.binding(strong, proxy.users["dave"]), made.binding(weak, weak_member)]
    refused = [
        *on_user(proxy.users["alice"], tokens[0]),
        *on_role(strong),
        *on_member("alice", proxy.users["alice"], peers),
        *on_namespace(project, "kube-public"),
        *on_binding(bindings[0], "strong from dave"),
    ]
    allowed = [
        *on_binding(bindings[1], "weak from peer"),
        *on_user(poor, tokens[1]),
        *on_role(spare),
        *on_member("peer", weak_member, peers),
        on_namespace(project, "plain")[0],
        on_namespace(project, "plain-too")[1],
    ]
    return refused, allowed


def test_action_is_shown_exactly_if_the_api_allows_it(
    proxy: SekishoWithUsers, pages: Pages
) -> None:
    reader = proxy.create_user("hank")
    refused, allowed = made_objects(proxy, reader)
    personal = {
        f"{one.method} {one.path}"
        for one in TABLE
        if isinstance(one.requirement, OverUser | OverToken)
    }
    assert personal <= {one.of for one in refused}
    assert {one.of for one in refused} == {one.of for one in allowed}
    both = [*refused, *allowed]
    pages.look(DESKTOP)
    pages.sign_in("hank")
    # A list shows all its rows at once, so those with controls prove that the others are there.
    awaited = {one.page: {two.control for two in allowed if two.page == one.page} for one in both}
    shown = {page: controls(pages, page, names) for page, names in awaited.items()}
    token = proxy.token("hank")
    for one in refused:
        assert one.control not in shown[one.page], one
        assert answered(proxy, one, token) == 403, one
    for one in allowed:
        assert one.control in shown[one.page], one
        assert answered(proxy, one, token) in {200, 204}, one
    assert pages.logged() == []


def answered(proxy: SekishoWithUsers, one: Action, token: str) -> int:
    """Send the request of an action, and return the status of the response."""
    method = one.of.partition(" ")[0]
    return proxy.request(method, one.path, token=token, body=one.body).status


def test_page_of_a_user_who_holds_more_says_why_it_cannot_be_changed(
    proxy: SekishoWithUsers, pages: Pages
) -> None:
    made = Objects(proxy)
    reader = proxy.create_user("hanna")
    made.binding(made.role("helpers", "global", *PERMISSIONS), reader)
    pages.sign_in("hanna", path=f"/people/{proxy.users['alice']}/account")
    pages.titled("alice")
    pages.shows("The user holds grants that you do not hold")
    pages.check("person-denied")
    pages.press("Roles", ".tabs")
    pages.press("Give a global role")
    pages.shows("helpers", "dialog")
    assert "administrator" not in pages.find("dialog fieldset").text
    assert pages.logged() == []
