"""Namespaces of projects over the API without a cluster; with one: test_namespace_sync.py."""

from typing import Any

import pytest

from store.access_records import Project, ProjectNamespace
from tests.management.api.conftest import Api
from tests.store.records import NOW


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Not A Label"},
        {"name": "a" * 64},
        {"name": "-x"},
        {"name": "x", "labels": {"sekisho.io/project": "p-vault"}},
        {"name": "x", "labels": {"app.kubernetes.io/managed-by": "me"}},
        {"name": "x", "labels": {"pod-security.kubernetes.io/enforce": "privileged"}},
        {"name": "x", "labels": {"team": "no spaces"}},
        {"name": "x", "quota": {"pods": "x"}},
        {"name": "x", "project": "p-vault"},
        {},
    ],
)
async def test_invalid_namespace_is_rejected(api: Api, body: dict[str, Any]) -> None:
    response = await api("p-member", "POST", "/v1/projects/p-shop/namespaces", body)
    assert response.status == 422, response.body


async def test_namespace_of_an_unreachable_cluster_is_not_created(api: Api) -> None:
    path = "/v1/projects/p-shop/namespaces"
    response = await api("p-member", "POST", path, {"name": "web"})
    assert (response.status, "127.0.0.1" in response.body["detail"]) == (502, False)
    assert (await api("p-member", "GET", path)).body["items"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x", "labels": {"istio-injection": "disabled"}}, "labels"),
        ({"name": "x", "annotations": {"pod-security.kubernetes.io/enforce": "a"}}, "annotations"),
        ({"name": "x", "annotations": {"openshift.io/sa.scc.uid-range": "0/1"}}, "annotations"),
        ({"name": "x", "labels": {"policy.example.com/skip": "true"}}, "labels"),
        ({"name": "kube-x"}, "kube-x"),
        ({"name": "openshift-x"}, "openshift-x"),
        ({"name": "cattle-x"}, "cattle-x"),
        ({"name": "default", "existing": True}, "default"),
        ({"name": "kube-system", "existing": True}, "kube-system"),
    ],
)
async def test_guarded_keys_and_system_names_need_all_projects(
    api: Api, body: dict[str, Any], field: str
) -> None:
    """Users who may change the project get 502, because the cluster is unreachable."""
    path = "/v1/projects/p-shop/namespaces"
    for who in ("p-member", "p-owner", "c-owner", "admin"):
        response = await api(who, "POST", path, body)
        if who in {"c-owner", "admin"}:
            assert response.status == 502, (who, response.body)
        else:
            assert (response.status, field in response.body["detail"]) == (
                422 if field in {"labels", "annotations"} else 403,
                True,
            ), (who, response.body)


async def test_removing_a_system_namespace_needs_all_projects(api: Api) -> None:
    await api.store.projects.put_namespace(
        ProjectNamespace("c-prod", "kube-x", "1", "p-shop", "p-shop")
    )
    path = "/v1/projects/p-shop/namespaces/kube-x"
    for query in ("", "?delete=true"):
        for who, status in (("p-owner", 403), ("c-owner", 502)):
            assert (await api(who, "DELETE", f"{path}{query}")).status == status, who


async def test_move_not_applied_yet_is_shown_as_pending(api: Api) -> None:
    await api.store.projects.put_namespace(ProjectNamespace("c-prod", "web", "1", "p-shop"))
    listed = await api("p-reader", "GET", "/v1/projects/p-shop/namespaces")
    assert "retries" in listed.body["items"][0]["pending"]


async def test_namespaces_of_visible_projects_are_listed_across_clusters(
    api: Api,
) -> None:
    await api.store.projects.create(Project("p-far", "c-other", "far", NOW))
    for cluster, name, project in (
        ("c-prod", "web", "p-shop"),
        ("c-prod", "api", "p-shop"),
        ("c-other", "web", "p-far"),
    ):
        await api.store.projects.put_namespace(
            ProjectNamespace(cluster, name, f"{cluster}-{name}", project, project)
        )

    async def listed(who: str, query: str = "") -> list[tuple[str, str, str]]:
        response = await api(who, "GET", f"/v1/namespaces{query}")
        assert response.status == 200, response.body
        return [
            (one["cluster_name"], one["project_name"], one["name"])
            for one in response.body["items"]
        ]

    shop = [("prod", "shop", "api"), ("prod", "shop", "web")]
    for who in ("p-reader", "p-member", "p-owner", "c-owner"):
        assert await listed(who) == shop, who
    for who in ("plain", "standard", "c-reader", "c-member"):
        assert await listed(who) == [], who
    assert sorted(await listed("admin")) == sorted([*shop, ("other", "far", "web")])
    assert await listed("admin", "?cluster_name=other") == [("other", "far", "web")]
    assert await listed("admin", "?project=p-shop&name=web") == [("prod", "shop", "web")]
    first = await api("admin", "GET", "/v1/namespaces?limit=2")
    rest = await api("admin", "GET", f"/v1/namespaces?limit=2&continue={first.body['continue']}")
    uids = [one["uid"] for one in first.body["items"] + rest.body["items"]]
    assert sorted(uids) == ["c-other-web", "c-prod-api", "c-prod-web"]
    assert (await api("admin", "GET", "/v1/namespaces?colour=red")).status == 422


async def test_new_namespace_takes_no_share_from_existing_ones(api: Api) -> None:
    change = {"quota": {"pods": "10"}, "namespace_quota": {"pods": "4"}}
    assert (await api("c-owner", "PATCH", "/v1/projects/p-shop", change)).status == 200
    path = "/v1/projects/p-shop/namespaces"
    for name in ("web", "api"):
        await api.store.projects.put_namespace(
            ProjectNamespace("c-prod", name, name, "p-shop", "p-shop")
        )
    asked = await api("p-owner", "POST", path, {"name": "a", "quota": {"pods": "3"}})
    assert (asked.status, "quota.pods" in asked.body["detail"]) == (422, True)
    await api.store.projects.put_namespace(ProjectNamespace("c-prod", "a", "a", "p-shop", "p-shop"))
    listed = (await api("p-owner", "GET", path)).body["items"]
    assert {one["name"]: one["hard"]["pods"] for one in listed} == {
        "web": "4",
        "api": "4",
        "a": "2",
    }
    full = await api("p-owner", "POST", path, {"name": "b"})
    assert (full.status, "nothing is left" in full.body["detail"]) == (422, True)
    lower = await api("c-owner", "PATCH", "/v1/projects/p-shop", {"quota": {"pods": "3"}})
    assert lower.status == 422
