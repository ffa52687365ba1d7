"""Who can, in a real cluster with roles of its own."""

import asyncio
from typing import Any

import pytest

from management.access.answer import Holder, View
from management.access.question import question_from
from management.access.rbac_reader import RbacReader
from management.access.who_can import WhoCan, cluster_facts, who_can
from management.clusters.members import MemberService
from management.clusters.service import ClusterService
from management.kubernetes.manifests import CONTROLLER, collection_path
from store.interfaces import Store
from store.records import Cluster, Membership
from tests.management.access.rbac_world import binding, role, rule
from tests.management.conftest import OwnCluster, user
from tests.store.records import a_binding

ALICE, BOB, CAROL = (user(name).id for name in ("alice", "bob", "carol"))
TEAM = Membership("github_team://7", "github", "platform")
EVERYTHING = View("u-owner", everything=True)


@pytest.fixture
async def cluster(clean: OwnCluster, store: Store) -> Cluster:
    """The cluster, imported as ``prod``, with alice as a member and a team with bob in it."""
    result = await ClusterService(store).import_cluster("prod", clean.endpoint, clean.administrator)
    assert result.cluster is not None
    await store.users.set_memberships(BOB, "github", [TEAM])
    await MemberService(store).grant("prod", "alice", "member")
    return result.cluster


@pytest.fixture
def foreign(clean: OwnCluster) -> None:
    """Roles of the cluster itself: a team, a service account, and a user it knows."""
    objects = [
        role("test-read", rule("get", "secrets"), namespace="default"),
        binding(
            "test-read",
            "Role/test-read",
            *("Group:github_team://7", "ServiceAccount:ci/deployer", "User:dave@corp"),
            namespace="default",
        ),
        role("test-act", rule("impersonate", "users")),
        binding("test-act", "ClusterRole/test-act", "User:erin@corp"),
    ]
    for one in objects:
        namespace = one["metadata"].get("namespace")
        path = collection_path(one["kind"], namespace)
        clean.ask("DELETE", f"{path}?fieldSelector=metadata.name%3D{one['metadata']['name']}")
        clean.ask("POST", path, one)


async def asked(store: Store, cluster: Cluster, view: View = EVERYTHING, **given: str) -> WhoCan:
    reader = RbacReader()
    facts = await cluster_facts(store, reader, cluster)
    await reader.close()
    return await who_can(store, facts, question_from(given), view)


def found(answer: WhoCan) -> dict[str, Holder]:
    return {one.step.name: one for one in answer.holders}


def steps(holder: Holder) -> list[str]:
    [chain] = holder.chains
    return [one.name for one in chain.steps]


SECRETS: dict[str, Any] = {"verb": "get", "resource": "secrets", "namespace": "default"}


@pytest.mark.usefixtures("foreign")
async def test_answer_has_sekishos_people_and_the_clusters_own_subjects(
    store: Store, cluster: Cluster
) -> None:
    answer = await asked(store, cluster, **SECRETS)
    assert answer.gaps == []
    holders = found(answer)
    assert steps(holders["alice"])[:5] == [
        *("alice", 'cluster "prod"', "member", f"sekisho:{cluster.id}:edit", "edit")
    ]
    assert holders["alice"].chains[0].source == "sekisho"
    assert steps(holders["platform" if "platform" in holders else TEAM.id])[1:] == [
        *("test-read", "test-read", "get secrets")
    ]
    assert holders["deployer"].step.kind == "service_account"
    assert holders["dave@corp"].step.kind == "user"
    assert "erin@corp" not in holders
    ways = {one.step.name: list(by) for one, by in answer.ways}
    assert ways["erin@corp"] == ["impersonate users"]
    assert "impersonate groups" in ways["sekisho-impersonator"]


@pytest.mark.usefixtures("foreign")
async def test_member_of_a_bound_group_is_blocked_until_sekisho_lets_them_in(
    store: Store, cluster: Cluster
) -> None:
    bob = found(await asked(store, cluster, **SECRETS))["bob"]
    assert bob.blocked == "has no access to the cluster in Sekisho"
    assert [one.kind for one in bob.chains[0].steps[:2]] == ["person", "group"]
    await store.bindings.create(a_binding(TEAM.id, "cluster-read-only", cluster.id))
    assert found(await asked(store, cluster, **SECRETS))["bob"].blocked == ""


async def test_account_without_the_right_to_list_roles_leaves_a_gap(
    clean: OwnCluster, store: Store, cluster: Cluster
) -> None:
    """Clusters that were imported by an earlier version have such an account."""
    path = f"{collection_path('ClusterRole')}/{CONTROLLER}"
    manifest = clean.ask("GET", path)
    manifest["rules"] = [
        one for one in manifest["rules"] if "roles" not in one.get("resources", [])
    ]
    clean.ask("PUT", path, manifest)
    answer = await asked(store, cluster, **SECRETS)
    [gap] = answer.gaps
    assert "may not list roles in namespaces: import the cluster again" in gap
    assert "alice" in found(answer)


async def test_readers_at_the_same_time_share_one_read(store: Store, cluster: Cluster) -> None:
    reader = RbacReader()
    one, two = await asyncio.gather(reader.read(cluster), reader.read(cluster))
    assert one is two is await reader.read(cluster)
    await reader.close()
