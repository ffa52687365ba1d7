"""Letting users into a real cluster, and out again."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from management.cluster_errors import BadRequest, DownstreamFailed, NoSuchCluster, NoSuchUser
from management.cluster_grants import FRESH, GrantService
from management.cluster_records import utc_now
from management.clusters import ClusterService
from management.downstream.objects import USER_LABEL, collection_path
from store.interfaces import Cluster, Grant, Principal, Role, Store, StoreError
from tests.management.clusters.conftest import OwnCluster, user
from tests.management.clusters.test_import import NOBODY, refuse_writes

ALICE = user("alice").id
BINDINGS = collection_path("ClusterRoleBinding")


@pytest.fixture
async def cluster(clean: OwnCluster, store: Store) -> Cluster:
    """The cluster, imported as ``prod``."""
    result = await ClusterService(store).import_cluster("prod", clean.endpoint, clean.administrator)
    assert result.cluster is not None
    return result.cluster


def bound(kubernetes: OwnCluster, user_id: str = ALICE) -> dict[str, list[str]]:
    """The roles a user is bound to, and under which names."""
    items = kubernetes.ask("GET", f"{BINDINGS}?labelSelector={USER_LABEL}={user_id}")["items"]
    return {
        one["roleRef"]["name"]: [subject["name"] for subject in one["subjects"]] for one in items
    }


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("owner", ("delete", "nodes"), None),
        ("member", ("create", "deployments"), ("delete", "nodes")),
        ("read-only", ("list", "pods"), ("create", "pods")),
    ],
)
async def test_a_grant_works_at_once(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    role: Role,
    may: tuple[str, ...],
    may_not: tuple[str, ...] | None,
) -> None:
    granted = await GrantService(store).grant("prod", "alice", role)
    assert granted.bound
    assert kubernetes.can_i(ALICE, *may)
    assert may_not is None or not kubernetes.can_i(ALICE, *may_not)
    assert list(await store.clusters.grants_of_user(ALICE)) == [Grant(cluster.id, ALICE, role)]


async def test_another_role_takes_the_place_of_the_one_before(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    service = GrantService(store)
    await service.grant("prod", "alice", "owner")
    await service.grant(cluster.id, ALICE, "read-only")
    assert bound(kubernetes) == {"view": [ALICE]}
    assert list(await store.clusters.grants_of_user(ALICE)) == [
        Grant(cluster.id, ALICE, "read-only")
    ]


async def test_the_same_grant_twice_is_one(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    service = GrantService(store)
    await service.grant("prod", "alice", "member")
    before = kubernetes.ours()
    await service.grant("prod", "alice", "member")
    assert kubernetes.ours() == before


async def test_a_revoked_user_is_out_and_unbound(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    service = GrantService(store)
    await service.grant("prod", "alice", "member")
    await service.grant("prod", "bob", "member")
    assert (await service.revoke("prod", "alice")).existed
    assert bound(kubernetes) == {}
    assert bound(kubernetes, user("bob").id) == {"edit": [user("bob").id]}
    assert [one.username for one, _ in await service.members(cluster)] == ["bob"]
    assert not (await service.revoke("prod", "alice")).existed


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("id", [ALICE]),
        ("principal", ["github_user://42", f"local://{ALICE}"]),
        ("username", ["github:alice-gh", "local:alice"]),
    ],
)
async def test_users_are_bound_by_the_name_that_the_cluster_knows(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, kind: str, names: list[str]
) -> None:
    await store.users.delete(ALICE)
    principals = (*user("alice").principals, Principal("github_user://42", "github", "alice-gh"))
    await store.users.create(replace(user("alice"), principals=principals))
    await store.clusters.replace(replace(cluster, user_name=kind))  # type: ignore[arg-type]
    await GrantService(store).grant("prod", "alice", "member")
    assert bound(kubernetes) == {"edit": names}


async def test_a_grant_that_can_not_be_bound_is_not_stored(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    await store.clusters.replace(replace(cluster, servers=(NOBODY,)))
    with pytest.raises(DownstreamFailed, match=NOBODY):
        await GrantService(store).grant("prod", "alice", "member")
    assert list(await store.clusters.grants_of_user(ALICE)) == []


async def test_a_binding_whose_grant_can_not_be_stored_is_taken_back(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, tmp_path: Path
) -> None:
    refuse_writes(tmp_path / "store.db", "grants")
    with pytest.raises(StoreError):
        await GrantService(store).grant("prod", "alice", "member")
    assert bound(kubernetes) == {}


async def test_a_user_is_shut_out_even_where_the_cluster_does_not_answer(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    service = GrantService(store)
    await service.grant("prod", "alice", "member")
    await store.clusters.replace(replace(cluster, servers=(NOBODY,)))
    with pytest.raises(DownstreamFailed, match="can no longer enter"):
        await service.revoke("prod", "alice")
    assert list(await store.clusters.grants_of_user(ALICE)) == []
    await store.clusters.replace(cluster)
    assert (await service.revoke("prod", "alice")).existed
    assert bound(kubernetes) == {}


async def test_a_binding_of_that_name_that_is_not_ours_is_left_alone(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    name = f"sekisho-grant-{ALICE}-member"
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    kubernetes.ask("POST", BINDINGS, {"metadata": {"name": name}, "roleRef": reference})
    try:
        with pytest.raises(DownstreamFailed, match="not made by Sekisho"):
            await GrantService(store).grant("prod", "alice", "member")
    finally:
        kubernetes.ask("DELETE", f"{BINDINGS}/{name}")
    assert list(await store.clusters.grants_of_user(ALICE)) == []


@pytest.mark.parametrize(
    ("cluster_name", "user_name", "role", "error"),
    [
        ("gone", "alice", "member", NoSuchCluster),
        ("prod", "gone", "member", NoSuchUser),
        ("prod", "carol", "member", BadRequest),
        ("prod", "alice", "admin", BadRequest),
    ],
)
async def test_a_grant_of_nothing_or_to_nobody_is_refused(
    store: Store, cluster: Cluster, cluster_name: str, user_name: str, role: Role, error: type
) -> None:
    with pytest.raises(error):
        await GrantService(store).grant(cluster_name, user_name, role)


async def test_a_name_that_two_users_have_is_not_guessed(store: Store, cluster: Cluster) -> None:
    other = replace(user("alice"), id="u-zzzzzzzzzz", principals=())
    await store.users.create(other)
    with pytest.raises(NoSuchUser, match="u-zzzzzzzzzz"):
        await GrantService(store).grant("prod", "alice", "member")


async def test_bindings_become_what_the_grants_say(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    """Mended: a binding that somebody deleted, and those of a deleted and of a disabled user."""
    service = GrantService(store, now=lambda: utc_now() + FRESH + timedelta(seconds=5))
    for name in ("alice", "bob"):
        await service.grant("prod", name, "member")
    await store.users.create(replace(user("dave")))
    await service.grant("prod", "dave", "owner")
    assert await service.reconcile(cluster) == []
    kubernetes.ask("DELETE", f"{BINDINGS}/sekisho-grant-{ALICE}-member")
    await store.users.delete(user("bob").id)
    await store.users.update(user("dave").id, enabled=False)
    assert await service.reconcile(cluster) == [
        f"bound sekisho-grant-{ALICE}-member",
        f"unbound sekisho-grant-{user('bob').id}-member",
        f"unbound sekisho-grant-{user('dave').id}-owner",
    ]
    assert (bound(kubernetes), bound(kubernetes, user("bob").id)) == ({"edit": [ALICE]}, {})


async def test_a_binding_that_was_just_made_is_not_taken_for_stale(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    service = GrantService(store)
    await service.grant("prod", "alice", "member")
    await store.clusters.ungrant(cluster.id, ALICE)
    assert await service.reconcile(cluster) == []
    assert bound(kubernetes) == {"edit": [ALICE]}


async def test_without_a_controller_token_a_grant_is_stored_and_not_bound(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    await store.clusters.replace(replace(cluster, controller_token=None))
    service = GrantService(store)
    assert not (await service.grant("prod", "alice", "member")).bound
    assert bound(kubernetes) == {}
    assert (await service.revoke("prod", "alice")).existed
