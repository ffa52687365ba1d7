"""All tables with long names, markup, and text from right to left, in several widths."""

from urllib.parse import quote

import pytest
from selenium.webdriver.common.by import By

from tests.support.pages import BROKEN, DESKTOP, Pages
from tests.support.sekisho import PASSWORD, SekishoWithUsers

pytestmark = pytest.mark.timeout(600)  # the browser may have to be installed first

WIDTHS = (1280, 1024, 800, 390)
LONG = "maximilian-alexander.von-und-zu.contractor@subsidiary.example.com"
MARKUP = "<b>team</b> & <img src=x onerror=alert(1)>"
RIGHT_TO_LEFT = "פרויקט ראשי (2)"
SCROLLED = """
return [...document.querySelectorAll("#content .table")]
  .filter((one) => one.scrollWidth > one.clientWidth + 1)
  .map((one) => `${one.querySelector("caption").textContent} needs ${one.scrollWidth} pixels`);
"""
"""A script that returns the tables that are wider than their place."""


def made(proxy: SekishoWithUsers, method: str, path: str, body: object) -> dict[str, str]:
    done = proxy.request(method, path, token=proxy.token("root"), body=body)
    assert done.status in (200, 201), done.body
    return dict(done.json())


@pytest.fixture(scope="module")
def paths(proxy: SekishoWithUsers) -> list[str]:
    """Make what has unusual names, and return the pages that show it."""
    user = proxy.create_user(LONG, "--admin")
    other = proxy.create_user("rachel")
    made(proxy, "PATCH", f"/v1/users/{other}", {"display_name": RIGHT_TO_LEFT})
    role = {"scope": "global", "name": MARKUP, "permissions": ["users.read"]}
    role["description"] = f"{RIGHT_TO_LEFT}: {'long' * 40}"
    role_id = made(proxy, "POST", "/v1/roles", role)["id"]
    made(proxy, "POST", "/v1/bindings", {"role": role_id, "user": other})
    team = f"github_team://{LONG}"
    made(proxy, "POST", "/v1/bindings", {"role": role_id, "group": team, "name": MARKUP})
    body = {"cluster": "test", "name": RIGHT_TO_LEFT, "description": LONG}
    project = made(proxy, "POST", "/v1/projects", body)["id"]
    spaces = f"/v1/projects/{project}/namespaces"
    made(proxy, "POST", spaces, {"name": "a-namespace-" + "x" * 40})
    for place in ("/v1/clusters/test", f"/v1/projects/{project}"):
        made(proxy, "PUT", f"{place}/members/{LONG}", {"role": "member"})
        made(proxy, "PUT", f"{place}/members/rachel", {"role": "member"})
    for name in (LONG, "rachel"):
        login = {"username": name, "password": PASSWORD}
        token = proxy.request("POST", "/v1/login/local", body=login).json()["token"]
        body = {"description": MARKUP + LONG, "ttl": "8h"}
        assert proxy.request("POST", "/v1/tokens", token=token, body=body).status == 201
    return [
        *("/clusters", "/clusters/test", "/clusters/test/nodes", "/clusters/test/events"),
        *("/clusters/test/members", "/clusters/test/projects", "/clusters/test/workloads"),
        *("/projects", f"/projects/{project}", f"/projects/{project}/members"),
        *("/people", "/people/roles", f"/people/{user}", f"/people/{user}/tokens"),
        *(f"/people/{other}/account", "/groups", f"/groups/{quote(team, safe='')}"),
        *("/roles", f"/roles/{role_id}", "/providers", "/activity", "/me/tokens", "/me/sessions"),
        "/access?verb=get&resource=secrets",
    ]


def test_table_with_unusual_names_breaks_no_word_and_fits_the_window(
    pages: Pages, paths: list[str]
) -> None:
    pages.look(DESKTOP)
    pages.sign_in(LONG)
    found = []
    for path in paths:
        pages.browser.get(pages.url + path)
        pages.see(lambda b: b.find_elements(By.CSS_SELECTOR, "#content:not([aria-busy]) h1"))
        pages.see(lambda b: "Loading …" not in b.find_element(By.ID, "content").text)
        for width in WIDTHS:
            pages.look((width, 800))
            run = pages.browser.execute_script
            wide = run("return document.documentElement.scrollWidth")
            trouble = [f"broken: {one}" for one in run(BROKEN)] + run(SCROLLED)
            if wide > width:
                trouble.append(f"{wide} wide")
            found += [f"{path} at {width}: {one}" for one in trouble]
            name = path.split("?")[0].strip("/").replace("/", "-")[:40]
            pages.picture(f"table-{name}-{width}")
        pages.look(DESKTOP)
        if path in {"/roles", "/projects", "/activity"}:
            pages.accessible()
    assert not found, "\n".join(found)
    assert not pages.browser.find_elements(By.CSS_SELECTOR, "#content img[onerror], #content b")
    assert pages.logged() == []
