"""Letting users into a real cluster, and out again."""

from dataclasses import replace
from pathlib import Path

import pytest

from management.authorization.built_in import BUILT_IN
from management.cluster_errors import BadRequest, NoSuchCluster, NoSuchUser
from management.clusters import ClusterService
from management.downstream.objects import SELECTOR, collection_path
from management.members import MemberService
from management.settling import settle
from management.subjects import Holder
from store.interfaces import Cluster, Principal, Store, StoreError
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


def bound(kubernetes: OwnCluster, prefix: str = "sekisho:c-") -> dict[str, list[str]]:
    """Who is bound to which role by what is held in the cluster."""
    items = kubernetes.ask("GET", f"{BINDINGS}?labelSelector={SELECTOR}")["items"]
    return {
        one["roleRef"]["name"]: [subject["name"] for subject in one["subjects"]]
        for one in items
        if one["metadata"]["name"].startswith(prefix)
    }


async def held(store: Store, user_id: str = ALICE) -> list[str]:
    """The ids of the roles that a user holds."""
    return [one.role_id for one in await store.bindings.of_subjects(user_id, [])]


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
    role: str,
    may: tuple[str, ...],
    may_not: tuple[str, ...] | None,
) -> None:
    granted = await MemberService(store).grant("prod", "alice", role)
    assert granted.bound
    assert kubernetes.can_i(ALICE, *may)
    assert may_not is None or not kubernetes.can_i(ALICE, *may_not)
    assert await held(store) == [f"cluster-{role}"]


async def test_another_role_takes_the_place_of_the_one_before(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    service = MemberService(store)
    await service.grant("prod", "alice", "owner")
    await service.grant(cluster.id, ALICE, "read-only")
    assert bound(kubernetes) == {"view": [ALICE]}
    assert await held(store) == ["cluster-read-only"]


async def test_the_same_grant_twice_is_one(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    service = MemberService(store)
    await service.grant("prod", "alice", "member")
    before = kubernetes.ours()
    await service.grant("prod", "alice", "member")
    assert kubernetes.ours() == before


async def test_a_revoked_user_is_out_and_unbound(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    service = MemberService(store)
    await service.grant("prod", "alice", "member")
    await service.grant("prod", "bob", "member")
    assert (await service.revoke("prod", "alice")).existed
    assert bound(kubernetes) == {"edit": [user("bob").id]}
    assert [one.name for one in await service.members(cluster)] == ["bob"]
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
    await MemberService(store).grant("prod", "alice", "member")
    assert bound(kubernetes) == {"edit": names}


async def test_a_cluster_that_does_not_answer_is_told_when_it_does(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    service = MemberService(store)
    await store.clusters.replace(replace(cluster, servers=(NOBODY,)))
    granted = await service.grant("prod", "alice", "member")
    assert NOBODY in (granted.pending or "")
    assert await held(store) == ["cluster-member"]
    await store.clusters.replace(cluster)
    assert await service.settle(cluster) is None
    assert bound(kubernetes) == {"edit": [ALICE]}


async def test_what_can_not_be_stored_is_not_bound(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, tmp_path: Path
) -> None:
    refuse_writes(tmp_path / "store.db", "bindings")
    with pytest.raises(StoreError):
        await MemberService(store).grant("prod", "alice", "member")
    assert bound(kubernetes) == {}


async def test_a_user_is_shut_out_even_where_the_cluster_does_not_answer(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    service = MemberService(store)
    await service.grant("prod", "alice", "member")
    await store.clusters.replace(replace(cluster, servers=(NOBODY,)))
    revoked = await service.revoke("prod", "alice")
    assert revoked.existed
    assert revoked.pending
    assert await held(store) == []
    await store.clusters.replace(cluster)
    assert not (await service.revoke("prod", "alice")).existed
    assert bound(kubernetes) == {}


async def test_a_binding_of_that_name_that_is_not_ours_is_left_alone(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    name = f"sekisho:{cluster.id}:edit"
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    kubernetes.ask("POST", BINDINGS, {"metadata": {"name": name}, "roleRef": reference})
    try:
        granted = await MemberService(store).grant("prod", "alice", "member")
        assert "not made by Sekisho" in (granted.pending or "")
        assert not kubernetes.can_i(ALICE, "create", "deployments")
    finally:
        kubernetes.ask("DELETE", f"{BINDINGS}/{name}")


async def test_a_group_is_let_in_with_all_who_are_in_it(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    role = BUILT_IN["cluster-member"]
    await MemberService(store).add(cluster, Holder("github_team://7", "acme/ops"), role)
    assert bound(kubernetes) == {"edit": ["github_team://7"]}
    question = ("create", "deployments", "--as-group=github_team://7")
    assert kubernetes.can_i("u-somebody", *question)


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
    store: Store, cluster: Cluster, cluster_name: str, user_name: str, role: str, error: type
) -> None:
    with pytest.raises(error):
        await MemberService(store).grant(cluster_name, user_name, role)


async def test_a_name_that_two_users_have_is_not_guessed(store: Store, cluster: Cluster) -> None:
    other = replace(user("alice"), id="u-zzzzzzzzzz", principals=())
    await store.users.create(other)
    with pytest.raises(NoSuchUser, match="u-zzzzzzzzzz"):
        await MemberService(store).grant("prod", "alice", "member")


async def test_bindings_become_what_is_held(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    """Mended: a binding that somebody deleted, and those of a deleted and of a disabled user."""
    service = MemberService(store)
    for name in ("alice", "bob"):
        await service.grant("prod", name, "member")
    await store.users.create(user("dave"))
    await service.grant("prod", "dave", "owner")
    kubernetes.ask("DELETE", f"{BINDINGS}/sekisho:{cluster.id}:edit")
    await store.users.delete(user("bob").id)
    await store.users.update(user("dave").id, enabled=False)
    outcome = await settle(store, cluster, None)
    assert outcome.failed == []
    assert bound(kubernetes) == {"edit": [ALICE]}
    assert (await settle(store, cluster, None)).done == []


async def test_without_a_controller_token_a_grant_is_stored_and_not_bound(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    await store.clusters.replace(replace(cluster, controller_token=None))
    service = MemberService(store)
    assert not (await service.grant("prod", "alice", "member")).bound
    assert bound(kubernetes) == {}
    assert (await service.revoke("prod", "alice")).existed
