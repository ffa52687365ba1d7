"""Clusters whose workers are MachinePools without Machines, as those of GKE, EKS, and AKS are."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.ordering import world as world
from tests.proxy.cli.verbs.conftest import CommandLine, World
from tests.proxy.cli.verbs.conftest import alice as alice
from tests.support.capi.management_cluster import (
    CREATION_SECONDS,
    DELETION_SECONDS,
    ManagementCluster,
)
from tests.support.capi.standin_kinds import MANAGED_CLASS, VERSIONS
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(900)

ORDER = ("--class", MANAGED_CLASS, "--version", VERSIONS[0], "--workers", "2")
POOLS = f"/apis/cluster.x-k8s.io/v1beta2/namespaces/{ManagementCluster.namespace}/machinepools"


@pytest.fixture
def managed(management_cluster: ManagementCluster) -> Iterator[ManagementCluster]:
    """The management cluster with the class whose workers are MachinePools."""
    management_cluster.create_class(MANAGED_CLASS)
    yield management_cluster
    management_cluster.delete_all()
    management_cluster.kubectl("delete", f"clusterclass/{MANAGED_CLASS}")


def pool_of(management: ManagementCluster) -> dict[str, Any]:
    """Return the only MachinePool of the engine."""
    [found] = management.request("GET", POOLS)["items"]
    return dict(found)


def test_pools_without_machines_are_followed_scaled_and_upgraded(
    world: World, alice: CommandLine, managed: ManagementCluster
) -> None:
    made = alice.run("cluster", "provision", "nodes", *ORDER, "--wait")
    assert "ready" in made.stderr.splitlines()[-1]

    def state() -> dict[str, Any]:
        return dict(alice.json("cluster", "show", "nodes")["provision"])

    def machines() -> list[tuple[str, str, bool]]:
        listed = alice.json("cluster", "machines", "nodes")
        return [(one["pool"], one["version"], one["ready"]) for one in listed]

    def have(count: int, version: str) -> bool:
        settled = state()["state"] == "ready" and state()["ready"] == {
            "machines": count,
            "of": count,
        }
        return settled and machines() == [("workers", version, True)] * count

    wait_until(lambda: have(2, VERSIONS[0]), CREATION_SECONDS, lambda: f"{state()} {machines()}")
    assert "machines" not in managed.kubectl("get", "machines", "-o", "name")
    scaled = alice.run("cluster", "scale", "nodes", "workers", "3", "--wait")
    assert "Pool workers: 2 of 3 machines exist." in scaled.stderr or "updating" in scaled.stderr
    assert have(3, VERSIONS[0]), (state(), machines())
    alice.run("cluster", "scale", "nodes", "workers", "1", "--wait")
    assert have(1, VERSIONS[0]), (state(), machines())

    alice.run("cluster", "upgrade", "nodes", VERSIONS[1], "--wait")
    assert have(1, VERSIONS[1]), (state(), machines())
    assert pool_of(managed)["spec"]["template"]["spec"]["version"] == VERSIONS[1]

    # A vendor's version: the engine regards the pool as changing for ever.
    suffix = ("cluster", "configure", "nodes", "--set", "kubeletSuffix=-gke.1187000", "--wait")
    alice.run(*suffix)
    wait_until(
        lambda: "gke.1187000" in state()["message"] and state()["state"] == "ready",
        CREATION_SECONDS,
        lambda: str(state()),
    )
    alice.run("cluster", "remove", "nodes", "--infrastructure", "delete", "--yes")
    wait_until(lambda: alice.json("clusters") == [], DELETION_SECONDS, lambda: str(state()))
    wait_until(lambda: not managed.leftovers(), DELETION_SECONDS, lambda: str(managed.leftovers()))
