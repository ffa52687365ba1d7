"""Real kubectl through the proxy to a real kube-apiserver."""

import json
import re
from pathlib import Path

import pytest

from tests.e2e.kubectl_commands import ok
from tests.support.kubernetes import Kubernetes, kubectl
from tests.support.sekisho import SekishoWithUsers

MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}}}
data: {{key: "{value}"}}
"""


def test_whoami_returns_the_user_instead_of_the_service_account(
    proxy: SekishoWithUsers, alice: Path
) -> None:
    review = json.loads(ok(alice, "auth", "whoami", "-o", "json"))
    info = review["status"]["userInfo"]
    user = proxy.users["alice"]
    assert info["username"] == user
    assert info["uid"] == user
    assert set(info["groups"]) == {"system:authenticated", "sekisho:authenticated"}
    assert info["extra"]["username"] == ["alice"]
    assert info["extra"]["principalid"] == [f"local://{user}"]
    assert re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]{8}", info["extra"]["requestid"][0])


def test_configmap_is_created_read_described_patched_and_deleted(
    alice: Path, namespace: str
) -> None:
    ok(alice, "-n", namespace, "create", "configmap", "one", "--from-literal=key=1")
    assert (
        ok(alice, "-n", namespace, "get", "configmap", "one", "-o", "jsonpath={.data.key}") == "1"
    )
    assert "one" in ok(alice, "-n", namespace, "get", "configmaps")
    assert "key:" in ok(alice, "-n", namespace, "describe", "configmap", "one")
    ok(alice, "-n", namespace, "patch", "configmap", "one", "-p", '{"data":{"key":"2"}}')
    assert (
        ok(alice, "-n", namespace, "get", "configmap", "one", "-o", "jsonpath={.data.key}") == "2"
    )
    ok(alice, "-n", namespace, "delete", "configmap", "one")
    assert kubectl(alice, "-n", namespace, "get", "configmap", "one").returncode == 1


@pytest.mark.parametrize("options", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_apply_twice_updates_the_object(
    alice: Path, namespace: str, options: tuple[str, ...]
) -> None:
    for value in ("1", "2"):
        manifest = MAP.format(name="applied", value=value)
        ok(alice, "-n", namespace, "apply", *options, "-f", "-", input=manifest)
    found = ok(alice, "-n", namespace, "get", "configmap", "applied", "-o", "jsonpath={.data.key}")
    assert found == "2"


def test_list_of_5000_objects_in_chunks_is_complete(
    alice: Path, namespace: str, kubernetes: Kubernetes
) -> None:
    async def fill() -> None:
        import asyncio

        async def one(number: int) -> None:
            path = f"/api/v1/namespaces/{namespace}/configmaps"
            await kubernetes.request("POST", path, {"metadata": {"name": f"many-{number:05d}"}})

        for start in range(0, 5000, 50):
            await asyncio.gather(*(one(number) for number in range(start, start + 50)))

    kubernetes.call(fill())
    names = ok(alice, "-n", namespace, "get", "configmaps", "-o", "name", timeout=120).splitlines()
    assert len([name for name in names if "many-" in name]) == 5000
    pages = ok(alice, "-n", namespace, "get", "configmaps", "--chunk-size=500", "-v=6", timeout=120)
    assert pages.count("many-") == 5000


def test_can_i_is_evaluated_for_the_user(proxy: SekishoWithUsers) -> None:
    results = {
        name: kubectl(proxy.configs[name], "auth", "can-i", "create", "configmaps").stdout.strip()
        for name in ("alice", "bob", "carol")
    }
    assert results == {"alice": "yes", "bob": "yes", "carol": "no"}
    assert ok(proxy.configs["root"], "auth", "can-i", "*", "*") == "yes\n"


def test_cluster_roles_allow_what_their_names_promise(
    proxy: SekishoWithUsers, namespace: str
) -> None:
    alice, bob, carol = (proxy.configs[name] for name in ("alice", "bob", "carol"))
    ok(alice, "get", "clusterroles")
    refused = kubectl(bob, "get", "clusterroles")
    assert "Forbidden" in refused.stderr
    assert proxy.users["bob"] in refused.stderr
    ok(bob, "-n", namespace, "create", "configmap", "bobs")
    assert "Forbidden" in kubectl(carol, "-n", namespace, "delete", "configmap", "bobs").stderr
    ok(carol, "-n", namespace, "get", "configmap", "bobs")


def test_explain_api_resources_and_version_succeed(alice: Path) -> None:
    assert "FIELD: spec" in ok(alice, "explain", "deployment.spec")
    assert "deployments" in ok(alice, "api-resources")
    assert "apps/v1" in ok(alice, "api-versions")
    assert "Server Version" in ok(alice, "version")


def test_as_from_a_user_with_impersonate_permission_succeeds(
    proxy: SekishoWithUsers, alice: Path
) -> None:
    review = json.loads(
        ok(alice, "auth", "whoami", "-o", "json", "--as=jane", "--as-group=dev", "--as-uid=7")
    )
    info = review["status"]["userInfo"]
    assert (info["username"], info["uid"]) == ("jane", "7")
    assert set(info["groups"]) == {"dev", "system:authenticated"}
    assert info["extra"]["originaluser"] == [proxy.users["alice"]]
    assert info["extra"]["originalusername"] == ["alice"]
    account = "system:serviceaccount:default:default"
    review = json.loads(ok(alice, "auth", "whoami", "-o", "json", f"--as={account}"))
    assert review["status"]["userInfo"]["username"] == account
    assert "system:serviceaccounts" in review["status"]["userInfo"]["groups"]


@pytest.mark.parametrize(
    "options",
    [["--as=jane"], ["--as=system:admin"], ["--as=x", "--as-group=system:masters"]],
)
def test_as_from_a_user_without_impersonate_permission_is_rejected(
    proxy: SekishoWithUsers, options: list[str]
) -> None:
    done = kubectl(proxy.configs["bob"], "get", "configmaps", *options)
    assert done.returncode == 1
    assert "cannot impersonate" in done.stderr


def test_cluster_hidden_from_the_user_returns_the_message_of_an_unknown_cluster(
    proxy: SekishoWithUsers,
) -> None:
    # Tests of the pages share this server, and let dave in for a time.
    proxy.create_user("stranger")
    token = proxy.token("stranger")
    response = proxy.request("GET", "/k8s/clusters/test/api/v1/pods", token=token)
    unknown = proxy.request("GET", "/k8s/clusters/nope/api/v1/pods", token=token)
    assert response.status == unknown.status == 404
    assert response.json()["kind"] == "Status"
    assert response.json()["message"] == unknown.json()["message"].replace("nope", "test")
