"""The agent of a cluster on its settings page, with a real agent and API server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from selenium.webdriver import Chrome

from management.kubernetes.manifests import NAMESPACE
from tests.agent.run.agent_process import running_agent
from tests.support.kubernetes import Kubernetes, kubectl
from tests.support.pages import Pages
from tests.support.sekisho import SekishoWithUsers
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(600)  # the browser may have to be installed first

SETTINGS = "/clusters/test/settings"


@pytest.fixture
def pages(
    proxy: SekishoWithUsers, browser: Chrome, kubernetes: Kubernetes, tmp_path: Path
) -> Iterator[Pages]:
    """Open pages of a cluster that is reached directly again afterwards."""
    yield Pages(browser, proxy.url, tmp_path)
    if reach(proxy) == "agent":
        body = {"reach": "direct", "kubeconfig": kubernetes.admin_kubeconfig.read_text()}
        proxy.request("PATCH", "/v1/clusters/test", token=proxy.token("root"), body=body)


def reach(proxy: SekishoWithUsers) -> str:
    found = proxy.request("GET", "/v1/clusters/test", token=proxy.token("root")).json()
    return str(found["reach"])


def objects_of_agent(kubernetes: Kubernetes) -> str:
    kinds = "deployments,secrets,serviceaccounts"
    found = kubectl(kubernetes.admin_kubeconfig, "-n", NAMESPACE, "get", kinds, "-o", "name")
    assert found.returncode == 0, found.stderr
    return "\n".join(one for one in found.stdout.split() if one.endswith("/sekisho-agent"))


def token_of_agent(kubernetes: Kubernetes) -> str:
    where = ("-n", NAMESPACE, "get", "secret", "sekisho-agent", "-o", "jsonpath={.data.token}")
    return kubectl(kubernetes.admin_kubeconfig, *where).stdout


async def test_owner_switches_a_cluster_to_its_agent_rotates_its_token_and_switches_back(
    pages: Pages, proxy: SekishoWithUsers, kubernetes: Kubernetes, tmp_path: Path
) -> None:
    pages.sign_in("alice", path=SETTINGS)
    pages.press("Create a manifest of the agent")
    pages.check_dialog("Manifest of the agent of test", "agent-options")
    pages.type_into("Nodes of the agent", "kubernetes.io/os=linux")
    pages.type_into("Pods of the agent", "3")
    pages.press("Create manifest", "dialog")
    pages.check_dialog("Your manifest of the agent of test", "agent-manifest")
    manifest = str(pages.find(".secret textarea").get_attribute("value"))
    documents = {one["kind"]: one for one in yaml.safe_load_all(manifest)}
    pods = documents["Deployment"]["spec"]
    assert pods["replicas"] == 3
    assert pods["template"]["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
    pages.press("Close", "dialog")

    pages.press("Switch to the agent")
    pages.check_dialog("Switch test to its agent", "agent-reach")
    pages.press("Switch to the agent", "dialog")
    pages.shows("o agent of the cluster is connected", "dialog [role=alert]")
    assert reach(proxy) == "direct"

    applied = kubectl(kubernetes.admin_kubeconfig, "apply", "-f", "-", input=manifest)
    assert applied.returncode == 0, applied.stderr
    port = int(kubernetes.servers[0].rpartition(":")[2])
    ca_pem = (proxy.folder / "data" / "tls" / "ca.crt").read_text()
    async with running_agent(tmp_path, proxy.url, api_server=port, ca_pem=ca_pem) as agent:
        agent.token_file.write_text(documents["Secret"]["stringData"]["token"])
        await eventually(agent.ready, what=lambda: f"the agent: {agent.log}")
        pages.press("Switch to the agent", "dialog")
        pages.says("test is reached through its agent")

        before = token_of_agent(kubernetes)
        pages.press("Rotate the agent's token")
        pages.check_dialog("Rotate the token of the agent of test", "agent-rotate")
        pages.press("Rotate token", "dialog")
        pages.says("The agent has a new token")
        assert token_of_agent(kubernetes) not in {before, ""}

        pages.press("Switch to a direct connection")
        pages.check_dialog("Switch test to a direct connection", "agent-direct")
        pages.type_into("Kubeconfig of an administrator of the cluster", "not a kubeconfig")
        pages.press("Switch to a direct connection", "dialog")
        pages.shows("ubeconfig", "dialog [role=alert]")
        assert reach(proxy) == "agent"
        field = pages.field("Kubeconfig of an administrator of the cluster")
        config = kubernetes.admin_kubeconfig.read_text()
        pages.browser.execute_script("arguments[0].value = arguments[1]", field, config)
        pages.press("Switch to a direct connection", "dialog")
        pages.says("test is reached directly")
    assert reach(proxy) == "direct"
    assert objects_of_agent(kubernetes) == ""
    assert pages.logged() == []
