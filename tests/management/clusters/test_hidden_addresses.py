"""A cluster's address is shown only to callers who may change the cluster."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from management.api.v1.route_table import TABLE
from management.identity.tokens import TokenSpec
from store.access_records import Project, ProjectNamespace
from store.interfaces import Store
from store.records import ClusterStatus
from tests.management.conftest import user
from tests.store import records
from tests.support.management_app import Client, make_token_issuer, serve_management

PLACE = "api-of-prod.internal.invalid"
CLUSTER = "c-aaaaaaaaaa"
MEMBERS = {"bob": "cluster-member", "carol": "cluster-read-only", "dora": "cluster-owner"}


@pytest.fixture
async def client(store: Store) -> AsyncIterator[Client]:
    """The management application, with an unreachable cluster whose status has the address."""
    cluster = records.a_cluster(
        "prod", id=CLUSTER, servers=(f"https://{PLACE}:6443",), ca_pem=None, uid="uid"
    )
    await store.clusters.create(cluster)
    said = f"https://{PLACE}:6443: the host name can't be resolved; check the URL"
    condition = {"type": "Reachable", "status": "False", "reason": "NoResponse", "message": said}
    status = {"version": None, "conditions": [condition]}
    await store.fleet.put_status(ClusterStatus(CLUSTER, status, datetime.now(UTC)))
    await store.users.update(user("carol").id, enabled=True)
    await store.users.create(replace(user("dora")))
    for name, role in MEMBERS.items():
        await records.let_in(store, CLUSTER, user(name).id, role)
    project = Project("p-aaaaaaaaaa", CLUSTER, "shop", datetime.now(UTC))
    await store.projects.create(project)
    await store.projects.put_namespace(
        ProjectNamespace(CLUSTER, "shop", "uid-shop", project.id, agreed=project.id)
    )
    binding = records.a_binding(user("bob").id, "project-owner", CLUSTER, project.id)
    await store.bindings.create(binding)
    async with serve_management(store, make_token_issuer(store)) as client:
        yield client


BODIES = {
    "/v1/clusters/{cluster}/members": {"id": user("alice").id, "role": "member"},
    "/v1/projects/{project}/members": {"id": user("alice").id, "role": "member"},
    "/v1/projects/{project}/namespaces": {"name": "other"},
    "/v1/projects": {"name": "p", "cluster": CLUSTER},
    "/v1/clusters/{cluster}": {"username_mapping": "username"},
    "/v1/projects/{project}": {"quota": {"pods": "5"}},
    "/v1/projects/{project}/namespaces/{namespace}": {"quota": {"pods": "1"}},
}


async def signed_in(store: Store, name: str) -> dict[str, str]:
    found = await store.users.get(user(name).id)
    assert found is not None
    issued = await make_token_issuer(store).issue(
        found, TokenSpec(kind="session", ttl=timedelta(hours=1))
    )
    return {"Authorization": f"Bearer {issued.bearer}"}


@pytest.mark.parametrize("name", ["bob", "carol"])
async def test_no_response_shows_a_member_the_clusters_address(
    store: Store, client: Client, name: str
) -> None:
    found = await store.users.get(user(name).id)
    assert found is not None
    bearer = (
        await make_token_issuer(store).issue(
            found, TokenSpec(kind="session", ttl=timedelta(hours=1))
        )
    ).bearer
    headers = {"Authorization": f"Bearer {bearer}"}
    [project] = await store.projects.list_all()
    statuses = set()
    for one in sorted(TABLE, key=lambda one: one.method == "DELETE"):
        path = one.path.replace("{cluster}", "prod").replace("{project}", project.id)
        path = path.replace("{namespace}", "shop").replace("{member}", user("alice").id)
        if "{" in path or "/login" in path or "logout" in path or path.startswith("/v1/me"):
            continue
        body = BODIES.get(one.path, {"role": "member"}) if one.method != "GET" else None
        async with client.request(one.method, path, json=body, headers=headers) as answer:
            text = await answer.text()
            assert PLACE not in text, (one.method, path, text)
            assert answer.status < 500 or answer.status == 502, (one.method, path, text)
            statuses.add(answer.status)
    assert {200, 403} & statuses


async def test_owner_sees_the_clusters_address(store: Store, client: Client) -> None:
    found = await store.users.get(user("dora").id)
    assert found is not None
    bearer = (
        await make_token_issuer(store).issue(
            found, TokenSpec(kind="session", ttl=timedelta(hours=1))
        )
    ).bearer
    headers = {"Authorization": f"Bearer {bearer}"}
    async with client.get("/v1/clusters/prod", headers=headers) as answer:
        assert PLACE in await answer.text()
