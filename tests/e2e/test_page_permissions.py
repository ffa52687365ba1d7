"""Direct links to pages, tabs, and forms: each is shown, or says which permission is missing."""

import re

import pytest
from selenium.webdriver.common.by import By

from management.web.static_files import FOLDER
from tests.support.pages import DESKTOP, Pages
from tests.support.sekisho import SekishoWithUsers

pytestmark = pytest.mark.timeout(600)  # the browser may have to be installed first

ROUTE = re.compile(r'^  \["([^"]+)", \(\) =>', re.MULTILINE)
TAB = re.compile(r'\["[A-Z][A-Za-z ]+", "([a-z]*)"')

NO_ROLE = {
    "/": "",
    "/me/:tab?": "",
    "/clusters": "",
    "/clusters/new": "clusters.create",
    "/clusters/order": "clusters.provision",
    "/clusters/:cluster/:tab?": "not found",
    "/clusters/:cluster/workloads/:namespace/:kind/:name/:tab?": "not found",
    "/projects": "",
    "/projects/new": "projects.create in a cluster",
    "/projects/:project/:tab?": "not found",
    "/people": "users.read",
    "/people/roles": "bindings.read",
    "/groups": "",
    "/groups/:group/:tab?": "not found",
    "/people/:user/:tab?": "users.read",
    "/roles": "",
    "/roles/new": "roles.manage",
    "/roles/:role": "",
    "/providers": "providers.read",
    "/providers/new": "providers.manage",
    "/providers/:name": "providers.read",
    "/access": "",
    "/activity": "",
}
"""What a reader without a role lacks for each route; empty: nothing, so the page is shown."""

VALUES = {"cluster": "test", "user": "u-0000000000", "role": "cluster-owner", "name": "local"}


def opened(pages: Pages, path: str) -> str:
    """Open a page by its address, and return its heading."""
    pages.browser.get(pages.url + path)
    pages.see(lambda b: b.find_elements(By.CSS_SELECTOR, "#content:not([aria-busy]) h1"))
    return pages.find("#content h1").text


def changing_forms(pages: Pages) -> list[str]:
    """Return the buttons of shown forms, except those that only search."""
    sends = pages.browser.find_elements(By.CSS_SELECTOR, "#content form [type=submit]")
    return [one.text for one in sends if one.text not in {"Search", "Ask", "Show", "Draw"}]


def test_route_shows_a_page_or_names_the_missing_permission(pages: Pages) -> None:
    assert set(NO_ROLE) == set(ROUTE.findall((FOLDER / "frame/routes.js").read_text()))
    pages.look(DESKTOP)
    pages.sign_in("dave")
    for route, lacking in NO_ROLE.items():
        path = re.sub(r"/:tab\?$", "", route)
        path = re.sub(r":(\w+)", lambda found: VALUES.get(found[1], f"no-{found[1]}"), path)
        title = opened(pages, path)
        assert changing_forms(pages) == [], path
        if lacking == "not found":
            assert title == "Not found", path
        elif lacking:
            assert title == "Not allowed", path
            pages.shows(f"This needs the permission {lacking}")
        else:
            assert title not in {"Not allowed", "Not found", "This page cannot be shown"}, path
            tabs = pages.browser.find_elements(By.CSS_SELECTOR, "#content .tabs a")
            assert "People" not in [one.text for one in tabs], path
    assert pages.logged() == []


def tabs_of(module: str) -> list[str]:
    """Return the tabs of a page as they are in addresses."""
    script = (FOLDER / "pages" / module).read_text()
    assert "tabOf(" in script, f"{module} shows another tab than the address names"
    return TAB.findall(script)


def test_page_with_tabs_finds_the_tab_of_the_address_in_one_way() -> None:
    routes = (FOLDER / "frame/routes.js").read_text()
    modules = re.findall(r':tab\?", \(\) => import\("\.\./pages/(\w+\.js)"\)', routes)
    assert len(modules) == 6
    for module in modules:
        assert "" in tabs_of(module), module


def check_tabs(pages: Pages, base: str, module: str, lacking: dict[str, str]) -> None:
    """Open each tab: it is the current one, or the page says what is missing."""
    for tab in tabs_of(module):
        path = f"{base}/{tab}" if tab else base
        title = opened(pages, path)
        if expected := lacking.get(tab, ""):
            assert title == ("Not found" if expected == "not found" else "Not allowed"), path
            if title == "Not allowed":
                pages.shows(f"This needs {expected}")
            assert changing_forms(pages) == [], path
        else:
            assert pages.find(".tabs [aria-current]").get_attribute("href") == pages.url + path
    assert opened(pages, f"{base}/nonsense") == "Not found"


def granted(proxy: SekishoWithUsers, name: str, permission: str) -> None:
    """Create a user who holds one global permission."""
    root = proxy.token("root")
    body = {"scope": "global", "name": f"role-of-{name}", "permissions": [permission]}
    role = proxy.request("POST", "/v1/roles", token=root, body=body).json()
    held = {"role": role["id"], "user": proxy.create_user(name)}
    assert proxy.request("POST", "/v1/bindings", token=root, body=held).status == 201


def test_tab_of_a_cluster_or_project_names_the_missing_permission(
    proxy: SekishoWithUsers, pages: Pages
) -> None:
    root = proxy.token("root")
    body = {"cluster": "test", "name": "gated"}
    made = proxy.request("POST", "/v1/projects", token=root, body=body).json()
    granted(proxy, "clara", "clusters.read")
    pages.look(DESKTOP)
    pages.sign_in("clara")
    edit = "the permission cluster.edit in the cluster"
    lacking = {
        "machines": "not found",
        "variables": "not found",
        "workloads": "a role that enters the cluster",
        "provisioning": "the permission clusters.manage",
        "settings": edit,
    }
    check_tabs(pages, "/clusters/test", "cluster.js", lacking)
    lacking = {
        "workloads": "a role that enters the cluster",
        "settings": "the permission project.edit in the project",
    }
    check_tabs(pages, f"/projects/{made['id']}", "project.js", lacking)
    assert opened(pages, "/projects/new?cluster=test") == "Not allowed"
    pages.shows("This needs the permission projects.create in the cluster")


def test_tab_of_a_person_or_of_ones_own_account_names_the_missing_permission(
    proxy: SekishoWithUsers, pages: Pages
) -> None:
    granted(proxy, "ulla", "users.read")
    pages.look(DESKTOP)
    pages.sign_in("ulla")
    check_tabs(pages, "/me", "me.js", {})
    lacking = {"tokens": "the permission tokens.read"}
    check_tabs(pages, f"/people/{proxy.users['alice']}", "person.js", lacking)
