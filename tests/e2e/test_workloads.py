"""Workloads over the API, in front of a real kube-apiserver: who sees what."""

from typing import Any

import pytest

from tests.support.kubernetes import Kubernetes
from tests.support.log_lines import audit_events
from tests.support.sekisho import PASSWORD, SekishoWithUsers
from tests.support.waiting import wait_until
from tests.support.workload_objects import create_web, delete_web, set_image

WORKLOADS = "/v1/clusters/test/workloads"


def read(proxy: SekishoWithUsers, token: str, query: str) -> dict[str, Any]:
    response = proxy.request("GET", f"{WORKLOADS}?{query}", token=token)
    assert response.status == 200, response.body
    found: dict[str, Any] = response.json()
    return found


def audited(proxy: SekishoWithUsers, request_id: str) -> list[dict[str, Any]]:
    return [one for one in audit_events(proxy) if one["auditID"].startswith(request_id)]


@pytest.mark.parametrize("user", ["alice", "bob", "carol"])
def test_members_see_the_workloads_of_the_cluster(
    proxy: SekishoWithUsers, kubernetes: Kubernetes, namespace: str, user: str
) -> None:
    create_web(kubernetes, namespace)
    kubernetes.running_pod("alone", namespace)
    found = read(proxy, proxy.token(user), f"namespace={namespace}")
    assert [(one["kind"], one["name"]) for one in found["items"]] == [
        ("pod", "alone"),
        ("deployment", "web"),
    ], "pods of a Deployment are no workloads of their own"
    web = found["items"][1]
    assert (web["desired"], web["ready"], web["images"]) == (2, 0, ["example.invalid/web:1"])
    assert web["state"] == "progressing"
    assert found["incomplete"] == []


def test_user_without_access_does_not_learn_of_the_cluster(proxy: SekishoWithUsers) -> None:
    for path in ("", "/default/deployment/web", "/default/deployment/web/logs"):
        response = proxy.request("GET", WORKLOADS + path, token=proxy.token("dave"))
        assert response.status == 404
        assert 'no cluster "test" that you may enter' in response.json()["detail"]


def test_member_of_a_project_sees_its_namespaces_and_no_others(
    proxy: SekishoWithUsers, kubernetes: Kubernetes, namespace: str
) -> None:
    create_web(kubernetes, "default")
    alice = proxy.token("alice")
    project = proxy.request(
        "POST", "/v1/projects", token=alice, body={"name": "bakery", "cluster": "test"}
    ).json()["id"]
    moved = proxy.request(
        "POST",
        f"/v1/projects/{project}/namespaces",
        token=alice,
        body={"name": namespace, "existing": True},
    )
    assert moved.status == 201, moved.body
    body = {"user": proxy.users["dave"], "role": "project-member"}
    added = proxy.request("POST", f"/v1/projects/{project}/members", token=alice, body=body)
    assert added.status == 201, added.body
    create_web(kubernetes, namespace)
    dave = proxy.token("dave")
    try:
        found = read(proxy, dave, "")
        assert [(one["namespace"], one["name"]) for one in found["items"]] == [(namespace, "web")]
        assert (found["items"][0]["project"], found["items"][0]["project_name"]) == (
            project,
            "bakery",
        )
        assert found["incomplete"] == []
        of_project = read(proxy, dave, f"project={project}")["items"]
        assert [one["uid"] for one in of_project] == [one["uid"] for one in found["items"]]
        elsewhere = read(proxy, dave, "namespace=default")
        assert elsewhere["items"] == []
        assert {one["reason"] for one in elsewhere["incomplete"]} == {"Forbidden"}
        assert read(proxy, dave, "project=p-none")["items"] == []
    finally:
        proxy.request("DELETE", f"/v1/projects/{project}", token=alice)
        delete_web(kubernetes, "default")


def test_list_is_filtered_ordered_and_paged(
    proxy: SekishoWithUsers, kubernetes: Kubernetes, namespace: str
) -> None:
    for name in ("a1", "b2", "c3"):
        create_web(kubernetes, namespace, name)
    token = proxy.token("carol")
    first = read(proxy, token, f"namespace={namespace}&limit=2")
    assert [one["name"] for one in first["items"]] == ["a1", "b2"]
    following = read(proxy, token, f"namespace={namespace}&limit=2&continue={first['continue']}")
    assert [one["name"] for one in following["items"]] == ["c3"]
    for query, names in (
        ("search=B2", ["b2"]),
        ("label=app%3Dc3", ["c3"]),
        ("sort=-name", ["c3", "b2", "a1"]),
        ("kind=job", []),
        ("state=progressing", ["a1", "b2", "c3"]),
        ("state=failed", []),
    ):
        found = read(proxy, token, f"namespace={namespace}&{query}")["items"]
        assert [one["name"] for one in found] == names, query
    for query in ("kind=pods", "label=%3D", "namespace=..", "color=red", "limit=0"):
        assert proxy.request("GET", f"{WORKLOADS}?{query}", token=token).status == 422, query


def test_one_workload_has_its_pods_revisions_and_events(
    proxy: SekishoWithUsers, kubernetes: Kubernetes, namespace: str
) -> None:
    create_web(kubernetes, namespace)
    path, token = f"{WORKLOADS}/{namespace}/deployment/web", proxy.token("carol")

    def shown() -> dict[str, Any]:
        found: dict[str, Any] = proxy.request("GET", path, token=token).json()
        return found

    wait_until(lambda: len(shown()["pods"]) == 2, 60, "the pods")
    set_image(kubernetes, namespace, "example.invalid/web:2")
    wait_until(lambda: len(shown()["revisions"]) == 2, 60, "the second revision")
    wait_until(lambda: shown()["revision"] == "2", 60, "the current revision")
    found = shown()
    assert (found["name"], found["incomplete"]) == ("web", [])
    assert [(one["revision"], one["current"]) for one in found["revisions"]] == [
        (2, True),
        (1, False),
    ]
    assert {one["images"][0][-2:] for one in found["revisions"]} == {":1", ":2"}
    assert {one["state"] for one in found["pods"]} == {"progressing"}
    wait_until(lambda: "ScalingReplicaSet" in str(shown()["events"]), what="the event")
    assert [one["name"] for one in found["containers"]] == ["main"]
    missing = proxy.request("GET", path + "x", token=token)
    assert (missing.status, '"webx" not found' in missing.json()["detail"]) == (404, True)


def test_requests_are_audited_as_the_caller_with_the_clients_address(
    proxy: SekishoWithUsers, namespace: str
) -> None:
    request_id = f"audited-{namespace}"
    response = proxy.request(
        "GET",
        f"{WORKLOADS}?namespace={namespace}&kind=deployment",
        token=proxy.token("bob"),
        headers={"X-Request-Id": request_id, "User-Agent": "a-browser/1"},
    )
    assert response.status == 200
    wait_until(lambda: len(audited(proxy, request_id)) == 2, 60, "the events")
    by_id = {one["auditID"]: one for one in audited(proxy, request_id)}
    continued = by_id[f"{request_id}-1"]
    assert continued["requestURI"] == (
        f"/apis/apps/v1/namespaces/{namespace}/deployments?limit=200"
    )
    assert continued["user"]["username"] == by_id[request_id]["user"]["username"]
    assert continued["sourceIPs"] == ["127.0.0.1"]
    assert continued["userAgent"] == "a-browser/1"


def test_session_reads_workloads(
    proxy: SekishoWithUsers, kubernetes: Kubernetes, namespace: str
) -> None:
    create_web(kubernetes, namespace)
    query = f"{WORKLOADS}?namespace={namespace}"
    signed_in = proxy.request(
        "POST", "/v1/login/local", body={"username": "alice", "password": PASSWORD, "session": True}
    )
    cookie = signed_in.headers["Set-Cookie"].partition(";")[0]
    with_session = proxy.request("GET", query, headers={"Cookie": cookie})
    assert [one["name"] for one in with_session.json()["items"]] == ["web"]
