"""Tests of roles, bindings, projects, leases and idempotency records, over both databases."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from store.access_records import PolicyRule, Project, ProjectNamespace, Role
from store.database import SqlStore
from store.errors import Conflict, InUse, LastAdministrator, RecordNotFound, StaleRevision
from store.records import Change, ClusterReport, ClusterStatus, Node, StoredResponse
from tests.store.direct_access import execute
from tests.store.records import NOW, a_binding, a_cluster, a_token, a_user, let_in

READ_PODS = PolicyRule(verbs=("get", "list"), api_groups=("",), resources=("pods",))
ROLE = Role(
    id="r-pods",
    scope="project",
    name="pods",
    description="Sees pods",
    permissions=("project.read",),
    rules=(READ_PODS, PolicyRule(verbs=("get",), non_resource_urls=("/metrics",))),
    cluster_roles=("view",),
    created_at=NOW,
)
PROJECT = Project(
    id="p-shop",
    cluster_id="c-prod",
    name="shop",
    created_at=NOW,
    quota={"pods": "50"},
    container_limits={"default": {"cpu": "1"}},
    isolated=True,
)
INSIDE = ProjectNamespace("c-prod", "shop-web", "uid-1", "p-shop", "p-shop", {"pods": "5"})


async def test_stored_role_is_returned_unchanged(store: SqlStore) -> None:
    await store.roles.create(ROLE)
    assert await store.roles.list_all() == [ROLE]
    with pytest.raises(Conflict):
        await store.roles.create(replace(ROLE, id="r-other"))
    await store.roles.create(replace(ROLE, id="r-other", scope="cluster"))


async def test_role_change_with_stale_revision_is_refused(store: SqlStore) -> None:
    await store.roles.create(ROLE)
    changed = await store.roles.replace(replace(ROLE, name="see"), revision=1)
    assert changed.revision == 2
    with pytest.raises(StaleRevision):
        await store.roles.replace(replace(ROLE, name="look"), revision=1)
    with pytest.raises(RecordNotFound):
        await store.roles.replace(replace(ROLE, id="r-none"), revision=1)


async def test_bound_or_inherited_role_is_not_deleted(store: SqlStore) -> None:
    await _in_project(store)
    await store.roles.create(ROLE)
    inheriting = replace(ROLE, id="r-heir", name="heir", inherits=("r-pods",))
    await store.roles.create(inheriting)
    await store.bindings.create(a_binding(role="r-heir", project="p-shop"))
    for role_id, why in (("r-pods", "heir"), ("r-heir", "a binding uses")):
        with pytest.raises(InUse, match=why):
            await store.roles.delete(role_id)
    await store.bindings.delete_of("p-shop", "u-alice")
    await store.roles.delete("r-heir")
    await store.roles.delete("r-pods")
    with pytest.raises(RecordNotFound):
        await store.roles.delete("r-pods")


async def test_binding_is_created_once_or_replaces_others(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.clusters.create(a_cluster())
    first = await store.bindings.create(a_binding())
    again = await store.bindings.create(a_binding(id="b-again"))
    assert again == first
    await store.bindings.create(a_binding(role="cluster-owner"))
    assert len(await store.bindings.in_cluster("c-prod")) == 2
    await let_in(store, "c-prod", "u-alice", "cluster-read-only")
    assert [one.role_id for one in await store.bindings.everywhere()] == ["cluster-read-only"]


async def test_binding_of_unknown_place_or_user_is_refused(store: SqlStore) -> None:
    await _in_project(store)
    for missing in (
        a_binding("u-unknown"),
        a_binding(cluster="c-none"),
        a_binding(project="p-none"),
        a_binding(cluster="c-other", project="p-shop"),
    ):
        with pytest.raises(RecordNotFound):
            await store.bindings.create(missing)
    assert await store.bindings.everywhere() == []


async def test_holdings_include_bindings_of_groups(store: SqlStore) -> None:
    await _in_project(store)
    team = await store.bindings.create(a_binding("github_team://1"))
    await store.bindings.create(a_binding("github_team://2", "cluster-owner"))
    own = await store.bindings.create(a_binding(role="project-member", project="p-shop"))
    held = await store.bindings.of_subjects("u-alice", ["github_team://1", "github_team://3"])
    assert {one.id for one in held} == {team.id, own.id}
    assert await store.bindings.is_known_group("github_team://2")
    assert not await store.bindings.is_known_group("github_team://3")


async def test_last_administrator_is_kept(store: SqlStore) -> None:
    await store.users.create(a_user("root", administrator=True))
    [binding] = await store.bindings.overall()
    for change in (
        store.users.update("u-root", enabled=False),
        store.users.update("u-root", administrator=False),
        store.users.delete("u-root"),
        store.bindings.delete(binding.id),
        store.bindings.delete_of("", "u-root"),
    ):
        with pytest.raises(LastAdministrator):
            await change
    assert await store.users.any_administrator()
    await store.users.create(a_user("other", administrator=True))
    assert await store.bindings.delete(binding.id)
    assert not (await store.users.get("u-root")).administrator  # type: ignore[union-attr]


async def test_two_administrators_who_remove_each_other_do_not_both_succeed(
    store: SqlStore,
) -> None:
    for name in ("one", "two"):
        await store.users.create(a_user(name, administrator=True))
    results = await asyncio.gather(
        store.users.update("u-one", enabled=False),
        store.users.delete("u-two"),
        return_exceptions=True,
    )
    assert sum(isinstance(one, LastAdministrator) for one in results) == 1
    assert await store.users.any_administrator()


async def test_stored_project_is_returned_unchanged(store: SqlStore) -> None:
    await _in_project(store)
    assert await store.projects.get("p-shop") == PROJECT
    assert await store.projects.list_all("c-prod") == [PROJECT]
    assert [one.id for one in await store.projects.list_all("c-other")] == ["p-other"]
    with pytest.raises(Conflict):
        await store.projects.create(replace(PROJECT, id="p-2"))
    with pytest.raises(RecordNotFound):
        await store.projects.create(replace(PROJECT, id="p-2", cluster_id="c-none"))
    changed = await store.projects.replace(replace(PROJECT, quota={}), revision=1)
    assert (changed.revision, changed.quota) == (2, {})
    with pytest.raises(StaleRevision):
        await store.projects.replace(PROJECT, revision=1)


async def test_project_and_owner_are_created_in_one_transaction(store: SqlStore) -> None:
    await _in_project(store)
    other = replace(PROJECT, id="p-2", name="two")
    with pytest.raises(RecordNotFound):
        await store.projects.create(other, a_binding("u-unknown", "project-owner", project="p-2"))
    assert await store.projects.get("p-2") is None
    await store.projects.create(other, a_binding("u-alice", "project-owner", project="p-2"))
    assert [one.project_id for one in await store.bindings.in_cluster("c-prod")] == ["p-2"]


async def test_namespace_belongs_to_one_project(store: SqlStore) -> None:
    await _in_project(store)
    await store.projects.create(replace(PROJECT, id="p-2", name="two"))
    await store.projects.put_namespace(INSIDE)
    moved = replace(INSIDE, project_id="p-2")
    await store.projects.put_namespace(moved)
    assert await store.projects.namespaces(cluster_id="c-prod") == [moved]
    assert await store.projects.namespaces(project_ids=["p-shop"]) == []
    for project in ("p-none", "p-other"):
        with pytest.raises(RecordNotFound):
            await store.projects.put_namespace(replace(INSIDE, project_id=project))
    await store.projects.drop_namespace("c-prod", "shop-web", uid="uid-2")
    assert await store.projects.namespaces(cluster_id="c-prod") == [moved]
    await store.projects.drop_namespace("c-prod", "shop-web", uid="uid-1")
    assert await store.projects.namespaces(cluster_id="c-prod") == []


async def test_project_with_namespaces_is_kept_and_deletion_removes_its_bindings(
    store: SqlStore,
) -> None:
    await _in_project(store)
    await store.bindings.create(a_binding(role="project-owner", project="p-shop"))
    await store.projects.put_namespace(INSIDE)
    with pytest.raises(InUse, match="shop-web"):
        await store.projects.delete("p-shop")
    await store.projects.drop_namespace("c-prod", "shop-web")
    await store.projects.delete("p-shop")
    assert await store.bindings.everywhere() == []
    with pytest.raises(RecordNotFound):
        await store.projects.delete("p-shop")


async def test_token_for_projects_is_resolved_with_their_namespaces(store: SqlStore) -> None:
    await _in_project(store)
    await store.projects.put_namespace(INSIDE)
    await store.tokens.create(a_token(projects=("p-shop",), clusters=("c-prod",)))
    found = await store.tokens.resolve("token-a")
    assert found is not None
    assert found[0].projects == ("p-shop",)
    assert list(found[3].namespaces) == [INSIDE]


async def test_users_with_changed_roles_are_announced(store: SqlStore) -> None:
    await _in_project(store)
    async with store.changes.subscribe() as changes:
        await store.bindings.create(a_binding("github_team://1"))
        await store.bindings.create(a_binding(role="project-member", project="p-shop"))
        received = [await anext(changes) for _ in range(4)]
    assert received == [
        Change("group", "github_team://1"),
        Change("access", "c-prod"),
        Change("user", "u-alice"),
        Change("access", "c-prod"),
    ]


async def test_lease_has_one_holder_until_it_expires(store: SqlStore, url: str) -> None:
    term = timedelta(seconds=30)
    assert await store.leases.hold(["c-1", "c-2"], "replica-1", term) == {"c-1", "c-2"}
    assert await store.leases.hold(["c-1", "c-2", "c-3"], "replica-2", term) == {"c-3"}
    assert await store.leases.hold(["c-1"], "replica-1", term) == {"c-1"}
    await store.leases.release("replica-1", ["c-1"])
    assert await store.leases.hold(["c-1", "c-2"], "replica-2", term) == {"c-1"}
    await execute(url, "UPDATE leases SET expires_at = '2020-01-01 00:00:00+00' WHERE name = 'c-2'")
    assert await store.leases.hold(["c-2"], "replica-2", term) == {"c-2"}
    assert await store.leases.hold(["c-2"], "replica-1", term) == frozenset()


async def test_concurrent_lease_requests_grant_one(store: SqlStore) -> None:
    names = [f"c-{n}" for n in range(5)]
    term = timedelta(seconds=30)
    granted = await asyncio.gather(*(store.leases.hold(names, f"r-{n}", term) for n in range(6)))
    assert sorted(name for some in granted for name in some) == names


async def test_response_is_stored_encrypted_and_replayed(store: SqlStore) -> None:
    later = datetime.now(UTC) + timedelta(minutes=5)
    assert await store.idempotency_records.begin(b"k" * 32, b"r" * 32, later) is None
    assert await store.idempotency_records.begin(b"k" * 32, b"r" * 32, later) == StoredResponse(
        b"r" * 32, None, None
    )
    await store.idempotency_records.finish(b"k" * 32, 201, '{"token": "hush"}', later)
    stored = await store.idempotency_records.begin(b"k" * 32, b"x" * 32, later)
    assert stored == StoredResponse(b"r" * 32, 201, '{"token": "hush"}')
    assert "hush" not in repr(stored)
    await store.idempotency_records.abandon(b"k" * 32)
    assert await store.idempotency_records.begin(b"k" * 32, b"r" * 32, later) is not None
    assert await store.idempotency_records.clear(later + timedelta(seconds=1)) == 1


async def test_idempotency_key_without_response_is_released(store: SqlStore) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    assert await store.idempotency_records.begin(b"k" * 32, b"r" * 32, past) is None
    assert await store.idempotency_records.begin(b"k" * 32, b"r" * 32, past) is None
    await store.idempotency_records.abandon(b"k" * 32)
    assert await store.idempotency_records.begin(b"k" * 32, b"r" * 32, past) is None


async def test_nodes_statuses_and_reports_are_stored(store: SqlStore) -> None:
    await store.clusters.create(a_cluster())
    status = ClusterStatus("c-prod", {"version": "v1.36.3"}, NOW)
    await store.fleet.put_status(replace(status, data={}))
    await store.fleet.put_status(status)
    assert await store.fleet.statuses() == {"c-prod": status}
    node = Node("c-prod", "uid-1", "n1", {"ready": True}, NOW)
    left = Node("c-prod", "uid-2", "n1", {}, NOW, left_at=NOW + timedelta(hours=1))
    await store.fleet.put_nodes([node, left])
    assert await store.fleet.nodes() == [node, left]
    assert await store.fleet.nodes(["c-other"]) == []
    assert await store.fleet.forget_nodes(NOW + timedelta(days=1)) == 1
    report = ClusterReport("c-prod", "usage", {"nodes": []}, NOW)
    await store.fleet.put_report(replace(report, data={}))
    await store.fleet.put_report(report)
    await store.fleet.put_report(replace(report, kind="events"))
    assert await store.fleet.report("c-prod", "usage") == report
    assert await store.fleet.report("c-prod", "deprecations") is None
    await store.fleet.put_report(replace(report, cluster_id="c-none"))
    await store.fleet.put_status(replace(status, cluster_id="c-none"))
    await store.fleet.put_nodes([replace(node, cluster_id="c-none")])
    assert await store.fleet.nodes() == [node]
    await store.clusters.delete("c-prod")
    assert await store.fleet.nodes() == []
    assert await store.fleet.report("c-prod", "usage") is None


async def _in_project(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.clusters.create(a_cluster())
    await store.clusters.create(a_cluster("other"))
    await store.projects.create(PROJECT)
    await store.projects.create(replace(PROJECT, id="p-other", cluster_id="c-other"))
