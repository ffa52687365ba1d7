"""Grant and revoke roles in a real cluster."""

from dataclasses import replace
from pathlib import Path

import pytest

from management.authorization.builtin_roles import BUILT_IN
from management.clusters.members import MemberService
from management.clusters.service import ClusterService
from management.desired_state.sync import reconcile_now
from management.errors import ClusterNotFound, InvalidRequest, UserNotFound
from management.identity.subjects import RoleSubject
from management.kubernetes.manifests import SELECTOR, collection_path
from store.errors import StoreError
from store.interfaces import Store
from store.records import Cluster, Principal
from tests.management.clusters.test_failed_imports import refuse_writes
from tests.management.clusters.unreachable import UNREACHABLE
from tests.management.conftest import OwnCluster, user

ALICE = user("alice").id
BINDINGS = collection_path("ClusterRoleBinding")


@pytest.fixture
async def cluster(clean: OwnCluster, store: Store) -> Cluster:
    """The cluster, imported as ``prod``."""
    result = await ClusterService(store).import_cluster("prod", clean.endpoint, clean.administrator)
    assert result.cluster is not None
    return result.cluster


def bound(kubernetes: OwnCluster, prefix: str = "sekisho:c-") -> dict[str, list[str]]:
    """Return the subjects and roles of the managed bindings in the cluster."""
    items = kubernetes.ask("GET", f"{BINDINGS}?labelSelector={SELECTOR}")["items"]
    return {
        one["roleRef"]["name"]: [subject["name"] for subject in one["subjects"]]
        for one in items
        if one["metadata"]["name"].startswith(prefix)
    }


async def held(store: Store, user_id: str = ALICE) -> list[str]:
    """Return the ids of the roles that a user has."""
    return [one.role_id for one in await store.bindings.of_subjects(user_id, [])]


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("owner", ("delete", "nodes"), None),
        ("member", ("create", "deployments"), ("delete", "nodes")),
        ("read-only", ("list", "pods"), ("create", "pods")),
    ],
)
async def test_grant_is_effective_when_the_call_returns(
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


async def test_new_role_replaces_the_previous_role(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    service = MemberService(store)
    await service.grant("prod", "alice", "owner")
    await service.grant(cluster.id, ALICE, "read-only")
    assert bound(kubernetes) == {"view": [ALICE]}
    assert await held(store) == ["cluster-read-only"]


async def test_repeated_grant_creates_one_binding(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    service = MemberService(store)
    await service.grant("prod", "alice", "member")
    before = kubernetes.managed_objects()
    await service.grant("prod", "alice", "member")
    assert kubernetes.managed_objects() == before


async def test_revoked_user_has_no_access_and_no_binding(
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
async def test_users_are_bound_by_their_name_in_the_cluster(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, kind: str, names: list[str]
) -> None:
    await store.users.delete(ALICE)
    principals = (*user("alice").principals, Principal("github_user://42", "github", "alice-gh"))
    await store.users.create(replace(user("alice"), principals=principals))
    await store.clusters.replace(replace(cluster, username_mapping=kind))  # type: ignore[arg-type]
    await MemberService(store).grant("prod", "alice", "member")
    assert bound(kubernetes) == {"edit": names}


async def test_grant_in_an_unreachable_cluster_is_applied_later(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    service = MemberService(store)
    await store.clusters.replace(replace(cluster, servers=(UNREACHABLE,)))
    granted = await service.grant("prod", "alice", "member")
    assert UNREACHABLE in (granted.pending or "")
    assert await held(store) == ["cluster-member"]
    await store.clusters.replace(cluster)
    assert await service.reconcile(cluster) is None
    assert bound(kubernetes) == {"edit": [ALICE]}


async def test_grant_that_cannot_be_stored_is_not_bound(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, tmp_path: Path
) -> None:
    await refuse_writes(tmp_path / "store.db", "bindings")
    with pytest.raises(StoreError):
        await MemberService(store).grant("prod", "alice", "member")
    assert bound(kubernetes) == {}


async def test_revocation_in_an_unreachable_cluster_is_effective(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    service = MemberService(store)
    await service.grant("prod", "alice", "member")
    await store.clusters.replace(replace(cluster, servers=(UNREACHABLE,)))
    revoked = await service.revoke("prod", "alice")
    assert revoked.existed
    assert revoked.pending
    assert await held(store) == []
    await store.clusters.replace(cluster)
    assert not (await service.revoke("prod", "alice")).existed
    assert bound(kubernetes) == {}


async def test_unmanaged_binding_with_the_same_name_is_left_alone(
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


async def test_group_grant_covers_all_members(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    role = BUILT_IN["cluster-member"]
    await MemberService(store).add(cluster, RoleSubject("github_team://7", "acme/ops"), role)
    assert bound(kubernetes) == {"edit": ["github_team://7"]}
    question = ("create", "deployments", "--as-group=github_team://7")
    assert kubernetes.can_i("u-zzzzzzzzzz", *question)


@pytest.mark.parametrize(
    ("cluster_name", "user_name", "role", "error"),
    [
        ("gone", "alice", "member", ClusterNotFound),
        ("prod", "gone", "member", UserNotFound),
        ("prod", "carol", "member", InvalidRequest),
        ("prod", "alice", "admin", InvalidRequest),
    ],
)
async def test_grant_of_an_unknown_role_or_user_is_rejected(
    store: Store, cluster: Cluster, cluster_name: str, user_name: str, role: str, error: type
) -> None:
    with pytest.raises(error):
        await MemberService(store).grant(cluster_name, user_name, role)


async def test_ambiguous_user_name_is_rejected(store: Store, cluster: Cluster) -> None:
    other = replace(user("alice"), id="u-zzzzzzzzzz", principals=())
    await store.users.create(other)
    with pytest.raises(UserNotFound, match="u-zzzzzzzzzz"):
        await MemberService(store).grant("prod", "alice", "member")


async def test_reconciliation_makes_bindings_match_the_store(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    """Repaired: a deleted binding, and the bindings of a deleted and of a disabled user."""
    service = MemberService(store)
    for name in ("alice", "bob"):
        await service.grant("prod", name, "member")
    await store.users.create(user("dave"))
    await service.grant("prod", "dave", "owner")
    kubernetes.ask("DELETE", f"{BINDINGS}/sekisho:{cluster.id}:edit")
    await store.users.delete(user("bob").id)
    await store.users.update(user("dave").id, enabled=False)
    outcome = await reconcile_now(store, cluster, None)
    assert outcome.failed == []
    assert bound(kubernetes) == {"edit": [ALICE]}
    assert (await reconcile_now(store, cluster, None)).done == []


async def test_grant_without_a_controller_token_is_stored_and_not_bound(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    await store.clusters.replace(replace(cluster, controller_token=None))
    service = MemberService(store)
    assert not (await service.grant("prod", "alice", "member")).bound
    assert bound(kubernetes) == {}
    assert (await service.revoke("prod", "alice")).existed
