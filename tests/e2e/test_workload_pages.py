"""The pages of workloads in a real browser, with a real API server behind Sekisho."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from proxy.demo.fake_kubelet import Pod
from tests.e2e.page_tables import cell
from tests.e2e.test_administration_pages import READ
from tests.support.kubernetes import Kubernetes
from tests.support.pages import Pages
from tests.support.sekisho import SekishoWithUsers
from tests.support.shared_proxy import running_copy
from tests.support.waiting import wait_until
from tests.support.workload_objects import create_web, deployments, set_image

pytestmark = pytest.mark.timeout(600)  # the browser may have to be installed first

LIST = "/clusters/test/workloads"


@pytest.fixture(scope="module")
def proxy(
    prepared_proxy: SekishoWithUsers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SekishoWithUsers]:
    """Keep the pages' streams for two seconds of a stop."""
    folder = tmp_path_factory.mktemp("proxy") / "sekisho"
    yield from running_copy(prepared_proxy, folder, SEKISHO_SERVER__SHUTDOWN_GRACE_SECONDS="2")


def web(kubernetes: Kubernetes, namespace: str) -> dict[str, Any]:
    return kubernetes.call(kubernetes.request("GET", deployments(namespace, "web")))


def await_revision(kubernetes: Kubernetes, namespace: str, number: int) -> None:
    def made() -> bool:
        annotations = web(kubernetes, namespace)["metadata"].get("annotations") or {}
        return bool(annotations.get("deployment.kubernetes.io/revision") == str(number))

    wait_until(made, 60, f"revision {number}")


def test_workloads_are_listed_filtered_and_followed(
    pages: Pages, kubernetes: Kubernetes, namespace: str
) -> None:
    create_web(kubernetes, namespace)
    kubernetes.running_pod("alone", namespace)
    pages.sign_in("carol", path=f"{LIST}?namespace={namespace}")
    pages.see(lambda b: cell(pages, "web", "Pods").startswith("0 of 2 ready"))
    assert pages.browser.execute_script(READ, "/v1/clusters/test/workloads?") == 0
    assert cell(pages, "web", "State").startswith("Progressing")
    assert cell(pages, "alone", "Kind") == "Pod"
    pages.check("workloads")
    create_web(kubernetes, namespace, "more")
    pages.see(lambda b: cell(pages, "more", "Kind") == "Deployment")
    pages.click("select[name=kind] option[value=pod]")
    pages.see(lambda b: not cell(pages, "more", "Kind") and cell(pages, "alone", "Kind"))
    assert "kind=pod" in pages.browser.current_url
    pages.click("select[name=kind] option[value=job]")
    pages.shows("Nothing matches.")
    pages.click("select[name=kind] option[value='']")
    pages.see(lambda b: cell(pages, "more", "Kind") == "Deployment")
    assert pages.logged() == []


def test_member_of_a_project_sees_its_workloads_and_what_is_missing(
    pages: Pages, proxy: SekishoWithUsers, kubernetes: Kubernetes, namespace: str
) -> None:
    alice = proxy.token("alice")
    body: dict[str, Any] = {"name": "galley", "cluster": "test"}
    project = proxy.request("POST", "/v1/projects", token=alice, body=body).json()["id"]
    path = f"/v1/projects/{project}"
    body = {"name": namespace, "existing": True}
    assert proxy.request("POST", f"{path}/namespaces", token=alice, body=body).status == 201
    body = {"user": proxy.users["dave"], "role": "project-read-only"}
    assert proxy.request("POST", f"{path}/members", token=alice, body=body).status == 201
    create_web(kubernetes, namespace)
    pages.sign_in("dave", path=f"/projects/{project}")
    pages.press("Workloads", ".tabs")
    pages.see(lambda b: cell(pages, "web", "Namespace") == namespace)
    pages.check("project-workloads")
    pages.open(f"{LIST}?namespace=default", "test")
    pages.shows("Not shown")
    pages.shows("cannot list resource")
    pages.check("workloads-not-shown")
    pages.open(f"{LIST}/{namespace}/deployment/web", "web")
    pages.shows("Pods")
    named = [one.text for one in pages.browser.find_elements(By.CSS_SELECTOR, ".heading button")]
    assert named == [], "a reader is offered no change"
    proxy.request("DELETE", f"{path}/namespaces/{namespace}", token=alice)
    proxy.request("DELETE", path, token=alice)


def test_owner_changes_a_workload_and_deletes_it(
    pages: Pages, kubernetes: Kubernetes, namespace: str
) -> None:
    create_web(kubernetes, namespace)
    await_revision(kubernetes, namespace, 1)
    set_image(kubernetes, namespace, "example.invalid/web:2")
    await_revision(kubernetes, namespace, 2)
    pages.sign_in("bob", path=f"{LIST}/{namespace}/deployment/web")
    pages.titled("web")
    pages.see(lambda b: cell(pages, "2", "State") == "Current")
    for text in ("Conditions", "example.invalid/web:2", "Revisions", "Events"):
        pages.shows(text)
    pages.check("workload")
    pages.press("Scale")
    pages.type_into("Pods", "3")
    pages.check_dialog("Scale web", "workload-scale")
    pages.press("Scale", "dialog")
    pages.says("web is scaled to 3")
    pages.shows("0 of 3 ready")
    assert web(kubernetes, namespace)["spec"]["replicas"] == 3
    pages.press("Set image")
    assert pages.find("dialog input[name=image]").get_property("value") == "example.invalid/web:2"
    pages.type_into("Image", "example.invalid/web:3")
    pages.check_dialog("Set image of web", "workload-set-image")
    pages.press("Set image", "dialog")
    pages.says("web has the image example.invalid/web:3")
    await_revision(kubernetes, namespace, 3)
    pages.see(lambda b: cell(pages, "3", "State") == "Current")
    pages.press("Pause")
    pages.says("web is paused")
    pages.press("Restart")
    pages.check_dialog("Restart web", "workload-restart")
    pages.press("Restart", "dialog")
    pages.shows("paused", "dialog [role=alert]")
    pages.accessible()
    pages.press("Cancel", "dialog")
    pages.press("Resume")
    pages.says("web is resumed")
    pages.press("Roll back to revision 1")
    pages.shows("example.invalid/web:1", "dialog")
    pages.check_dialog("Roll back web to revision 1", "workload-roll-back")
    pages.press("Roll back", "dialog")
    pages.says("web returns to revision 1")
    containers = web(kubernetes, namespace)["spec"]["template"]["spec"]["containers"]
    assert containers[0]["image"] == "example.invalid/web:1"
    pages.press("Delete")
    pages.check_dialog("Delete workload web", "workload-delete")
    pages.type_into("Type web to confirm", "web")
    pages.press("Delete", "dialog")
    pages.says("web is being deleted")
    pages.titled("test")
    assert pages.logged() == []


UNPOLLED = """const { setTimeout: real } = window;
    window.setTimeout = (run, ms, ...more) => ms === 10000 ? 0 : real(run, ms, ...more);"""
"""A browser in which a page never reads again because ten seconds have passed."""


def is_current(pages: Pages, revision: str, _: object) -> bool:
    """Return whether the page of a workload shows a revision as the current one."""
    return cell(pages, revision, "State") == "Current"


def test_page_of_a_workload_follows_its_changes_without_reading_regularly(
    pages: Pages, kubernetes: Kubernetes, namespace: str
) -> None:
    create_web(kubernetes, namespace)
    await_revision(kubernetes, namespace, 1)
    added = "Page.addScriptToEvaluateOnNewDocument"
    script = pages.browser.execute_cdp_cmd(added, {"source": UNPOLLED})
    try:
        pages.sign_in("carol", path=f"{LIST}/{namespace}/deployment/web")
        pages.titled("web")
        for number in "234":
            set_image(kubernetes, namespace, f"example.invalid/web:{number}")
            pages.see(partial(is_current, pages, number))
            pages.shows(f"example.invalid/web:{number}")
    finally:
        pages.browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    assert pages.logged() == []


def shown_lines(pages: Pages) -> list[str]:
    script = "return [...document.querySelectorAll('.log > div')].map((one) => one.lastChild.data)"
    return list(pages.browser.execute_script(script))


def test_log_is_followed_stopped_and_resumed_without_repetition(
    pages: Pages, running_pod: Callable[..., Pod], namespace: str
) -> None:
    """The kubelet of the tests writes no times, so the lines have them, as with a real one."""
    pod = running_pod("talker", namespace)

    def say(number: int, text: str) -> None:
        pod.say(f"2026-01-01T00:00:{number:02}.000000000Z {text}")

    say(1, "\x1b[31mfirst\x1b[0m <b>line</b>")
    pages.sign_in("carol", path=f"{LIST}/{namespace}/pod/talker")
    pages.press("Logs", ".tabs")
    pages.shows("Following.")
    pages.see(lambda b: shown_lines(pages) == ["first <b>line</b>"])
    say(2, "second")
    pages.see(lambda b: shown_lines(pages)[1:] == ["second"])
    assert "2026-01-01" not in pages.find(".log").text
    pages.browser.find_elements(By.CSS_SELECTOR, ".choice input")[1].click()
    pages.shows("2026-01-01", ".log")
    pages.check("workload-log")
    pages.press("Stop")
    pages.shows("Stopped.")
    say(3, "third")
    pages.press("Follow")
    pages.see(lambda b: shown_lines(pages)[1:] == ["second", "third"])
    with pod.log.open("a") as log:
        log.writelines(f"2026-01-01T00:01:00.{n:09}Z line {n}\n" for n in range(6000))
    pages.see(lambda b: shown_lines(pages)[-1] == "line 5999")
    assert len(shown_lines(pages)) == 5000
    pages.shows("1,003 older lines no longer shown")
    assert pages.logged() == []


def test_log_goes_on_after_an_outage_and_while_hidden_is_not_read(
    pages: Pages, proxy: SekishoWithUsers, running_pod: Callable[..., Pod], namespace: str
) -> None:
    pod = running_pod("lasting", namespace)
    pod.say("2026-01-01T00:00:01.000000000Z first")
    pages.sign_in("carol", path=f"{LIST}/{namespace}/pod/lasting/logs")
    pages.see(lambda b: shown_lines(pages) == ["first"])
    hide = "Object.defineProperty(document, 'hidden', { value: arguments[0], configurable: true });"
    hide += "document.dispatchEvent(new Event('visibilitychange'));"
    pages.browser.execute_script(hide, True)
    pages.shows("Waiting until the page is visible.")
    pod.say("2026-01-01T00:00:02.000000000Z second")
    pages.browser.execute_script(hide, False)
    pages.see(lambda b: shown_lines(pages) == ["first", "second"])
    assert proxy.stop() == 0
    pages.shows("It is read again.")
    pages.accessible()
    proxy.start()
    pod.say("2026-01-01T00:00:03.000000000Z third")
    pages.see(lambda b: shown_lines(pages) == ["first", "second", "third"])
    pages.browser.get(f"{pages.url}{LIST}/{namespace}/pod/lasting/logs?pod=none")
    pages.shows('has no pod "none"', "[role=alert]")
    pages.press("Follow")
    pages.shows('has no pod "none"', "[role=alert]")


def test_lines_of_a_log_are_found_in_any_pieces(pages: Pages) -> None:
    pages.sign_in("carol")
    script = """
      const [done] = [arguments[arguments.length - 1]];
      import("/static/pages/log_lines.js").then(({ LogLines }) => {
        const t = (n) => `2026-01-01T00:00:0${n}.000000000Z `, lines = new LogLines();
        const fed = ["a", "b\\nc\\r\\n\\nx", "y".repeat(20000), "z".repeat(20000), "\\nnext\\n",
          `${t(2)}two\\n${t(1)}one\\n${t(2)}two\\n${t(3)}thr`];
        const texts = fed.map((one) => lines.feed(one).map(({ text }) => text));
        const since = lines.since(10) >= 10;
        lines.cut();
        done([texts, lines.feed(`${t(3)}three\\nend`).map(({ text }) => text),
          lines.end().map(({ text }) => text), lines.end(), since, new LogLines().since(10)]);
      });
    """
    texts, again, end, nothing, since, unknown = pages.browser.execute_async_script(script)
    assert texts[:2] == [[], ["ab", "c", ""]]
    assert [len(one) for one in texts[2]] == [16384]
    assert texts[3:] == [[], ["next"], ["two"]]
    assert (again, end, nothing) == (["three"], ["end"], [])
    assert since is True
    assert not unknown
