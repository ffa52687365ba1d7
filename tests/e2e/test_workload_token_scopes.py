"""Workloads with limited tokens: as far as the gate lets them, and nothing more."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.demo.fake_kubelet import Pod
from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import HttpResponse, SekishoWithUsers
from tests.support.workload_objects import create_web

WORKLOADS = "/v1/clusters/test/workloads"


def limited(proxy: SekishoWithUsers, **scope: Any) -> str:
    """Return a token of alice, who owns the cluster, with a scope."""
    made = proxy.request("POST", "/v1/tokens", token=proxy.token("alice"), body=scope)
    assert made.status == 201, made.body
    return str(made.json()["token"])


def listed(proxy: SekishoWithUsers, token: str, query: str = "") -> HttpResponse:
    return proxy.request("GET", f"{WORKLOADS}?{query}", token=token)


def names(response: HttpResponse) -> list[tuple[str, str]]:
    assert response.status == 200, response.body
    return [(one["namespace"], one["name"]) for one in response.json()["items"]]


def scale(proxy: SekishoWithUsers, token: str, namespace: str) -> HttpResponse:
    path = f"{WORKLOADS}/{namespace}/deployment/web/scale"
    return proxy.request("POST", path, token=token, body={"replicas": 3})


@pytest.fixture
def project(proxy: SekishoWithUsers, namespace: str) -> str:
    """Return a project of the namespace."""
    alice = proxy.token("alice")
    body = {"name": f"project-{namespace}", "cluster": "test"}
    made = proxy.request("POST", "/v1/projects", token=alice, body=body).json()
    path = f"/v1/projects/{made['id']}/namespaces"
    moved = proxy.request("POST", path, token=alice, body={"name": namespace, "existing": True})
    assert moved.status == 201, moved.body
    return str(made["id"])


def test_token_for_a_cluster_works_there_and_nowhere_else(
    proxy: SekishoWithUsers, kubernetes: Kubernetes, namespace: str
) -> None:
    create_web(kubernetes, namespace)
    token = limited(proxy, clusters=["test"])
    assert names(listed(proxy, token, f"namespace={namespace}")) == [(namespace, "web")]
    assert scale(proxy, token, namespace).status == 200
    for path in ("/v1/clusters", "/v1/clusters/test", "/v1/projects", "/v1/clusters/test/nodes"):
        refused = proxy.request("GET", path, token=token)
        assert (refused.status, "its clusters only" in refused.json()["detail"]) == (403, True)


def test_token_for_a_project_works_in_its_namespaces_and_nowhere_else(
    proxy: SekishoWithUsers, kubernetes: Kubernetes, namespace: str, project: str
) -> None:
    other = f"{namespace}-other"
    kubernetes.create_namespace(other)
    for one in (namespace, other):
        create_web(kubernetes, one)
    token = limited(proxy, projects=[project])
    everything = listed(proxy, token)
    assert names(everything) == [(namespace, "web")]
    assert everything.json()["items"][0]["project"] == project
    assert everything.json()["incomplete"] == []
    elsewhere = listed(proxy, token, f"namespace={other}").json()
    assert elsewhere["items"] == []
    assert {one["reason"] for one in elsewhere["incomplete"]} == {"Forbidden"}
    assert "of its projects only" in elsewhere["incomplete"][0]["message"]
    shown = proxy.request("GET", f"{WORKLOADS}/{other}/deployment/web", token=token)
    assert (shown.status, "of its projects only" in shown.json()["detail"]) == (403, True)
    assert scale(proxy, token, other).status == 403
    assert scale(proxy, token, namespace).status == 200
    kubernetes.delete_namespace(other)


def test_read_only_token_for_a_project_reads_logs_and_changes_nothing(
    proxy: SekishoWithUsers,
    kubernetes: Kubernetes,
    running_pod: Callable[..., Pod],
    namespace: str,
    project: str,
) -> None:
    create_web(kubernetes, namespace)
    running_pod("talker", namespace).say("a line")
    for scope in ({"projects": [project]}, {"clusters": ["test"]}, {}):
        token = limited(proxy, read_only=True, **scope)
        assert (namespace, "web") in names(listed(proxy, token, f"namespace={namespace}"))
        log = proxy.request("GET", f"{WORKLOADS}/{namespace}/pod/talker/logs", token=token)
        assert (log.status, log.body) == (200, b"a line\n")
        for path in ("/scale", "/restart"):
            url = f"{WORKLOADS}/{namespace}/deployment/web{path}"
            refused = proxy.request("POST", url, token=token, body={"replicas": 0})
            assert (refused.status, "read-only" in refused.json()["detail"]) == (403, True)
        deleted = proxy.request("DELETE", f"{WORKLOADS}/{namespace}/pod/talker", token=token)
        assert deleted.status == 403
