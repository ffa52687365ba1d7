"""MachinePools with and without Machines, as Cluster API v1.14 sends them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from management.provisioning.machine_pools import (
    MAX_NODES,
    observed_machine_pool,
    with_pool_machines,
)
from management.provisioning.observation import machine_counts
from management.provisioning.observed import ObservedPool, observed_cluster, observed_machine
from management.provisioning.states import KUBELET_VERSIONS, Facts, Judgement, judge
from tests.management.provisioning.test_observed import JSON, objects
from tests.management.provisioning.things import (
    NOW,
    WHEN,
    a_cluster,
    a_machine,
    an_order,
)

LONG_AGO = NOW - timedelta(hours=2)


def a_pool(
    nodes: int = 3, ready: int | None = None, wanted: int = 3, **changes: Any
) -> dict[str, Any]:
    """Return a MachinePool of which the provider reports all machines."""
    former = {
        "readyReplicas": nodes if ready is None else ready,
        "conditions": [
            {
                "type": "ReplicasReady",
                "status": "True" if ready is None else "False",
                "lastTransitionTime": changes.pop("since", WHEN),
            }
        ],
    }
    metadata = {
        "name": "three-blue-x7k",
        "labels": {"topology.cluster.x-k8s.io/pool-name": "blue"},
        **changes.pop("metadata", {}),
    }
    template = {"spec": {"version": changes.pop("version", "v1.36.3")}}
    return {
        "metadata": metadata,
        "spec": {"clusterName": "three", "replicas": wanted, "template": template},
        "status": {
            "replicas": wanted,
            "readyReplicas": wanted,
            "nodeRefs": [{"kind": "Node", "name": f"node-{n}"} for n in range(nodes)],
            "versions": [{"version": "v1.36.3", "replicas": nodes}],
            "deprecated": {"v1beta1": former},
            **changes,
        },
    }


def judged(pool: dict[str, Any], *, version: str = "v1.36.3", size: int = 3) -> Judgement:
    """Return the state of an imported cluster with that pool and nothing else."""
    topology = {
        "classRef": {"name": "standin"},
        "version": version,
        "workers": {"machinePools": [{"name": "blue", "class": "nodes", "replicas": size}]},
    }
    order = an_order(imported_at=LONG_AGO, state="ready", engine_uid="uid")
    return judge(order, facts_of(pool, a_cluster(spec={"topology": topology})), NOW)


def facts_of(pool: dict[str, Any], cluster: dict[str, Any] | None = None) -> Facts:
    pools = [observed_machine_pool(pool)]
    return Facts(observed_cluster(cluster or a_cluster()), pools, with_pool_machines([], pools))


def test_nodes_of_a_pool_without_machines_are_machines() -> None:
    facts = facts_of(a_pool())
    names = [(one.name, one.pool, one.ready, one.version) for one in facts.machines]
    assert names == [(f"node-{n}", "blue", True, "v1.36.3") for n in range(3)]
    assert machine_counts(facts) == (3, 3)
    assert judged(a_pool()).state == "ready"


def test_pool_with_machines_has_no_others() -> None:
    pool = observed_machine_pool(a_pool())
    labels = {"topology.cluster.x-k8s.io/pool-name": "blue"}
    machine = observed_machine(a_machine("one", pool=None, metadata={"labels": labels}))
    assert with_pool_machines([machine], [pool]) == [machine]


def test_machines_of_a_cluster_without_topology_have_the_names_of_their_pools() -> None:
    labels = {"cluster.x-k8s.io/pool-name": "three-blue"}
    machine = observed_machine(a_machine("one", pool=None, metadata={"labels": labels}))
    pool = observed_machine_pool(a_pool(metadata={"name": "three-blue", "labels": {}}))
    assert machine.pool == pool.name == "three-blue"


@pytest.mark.parametrize(
    ("pool", "sentence"),
    [
        (a_pool(nodes=2), "Pool blue: 2 of 3 machines exist."),
        (a_pool(nodes=0), "Pool blue: 0 of 3 machines exist."),
        (a_pool(wanted=2), "Pool blue: 2 of 3 machines exist."),
        (
            a_pool(version="v1.35.0", versions=[{"version": "v1.35.0", "replicas": 3}]),
            "0 of 3 machines have version v1.36.3.",
        ),
        (
            a_pool(
                versions=[
                    {"version": "v1.35.0", "replicas": 1},
                    {"version": "v1.36.3", "replicas": 2},
                ]
            ),
            "2 of 3 machines have version v1.36.3.",
        ),
        (
            a_pool(ready=2, since="2026-05-04T11:59:50Z"),
            "Pool blue: 2 of 3 machines are ready.",
        ),
        (
            a_pool(metadata={"deletionTimestamp": WHEN}),
            "3 of 3 machines are being deleted.",
        ),
    ],
)
def test_pool_that_changes_is_updating(pool: dict[str, Any], sentence: str) -> None:
    found = judged(pool)
    assert (found.state, found.message) == ("updating", sentence)


def test_pool_that_lost_a_node_is_degraded() -> None:
    """The engine itself counts replicas of the provider as ready."""
    found = judged(a_pool(ready=2))
    assert (found.state, found.message) == ("degraded", "Pool blue: 2 of 3 machines are ready.")
    assert machine_counts(facts_of(a_pool(ready=2))) == (2, 3)


def test_pool_whose_nodes_have_the_version_of_a_vendor_is_ready_with_a_warning() -> None:
    versions = [{"version": "v1.36.3-gke.1187000", "replicas": 3}]
    found = judged(a_pool(versions=versions))
    assert found.state == "ready"
    assert "kubelet v1.36.3-gke.1187000" in found.message
    assert found.conditions[-1].type == KUBELET_VERSIONS


def test_older_engine_without_versions_of_nodes_has_those_of_the_pool() -> None:
    assert judged(a_pool(versions=None)).state == "ready"
    assert judged(a_pool(versions=None, version="v1.35.0")).state == "updating"
    former: dict[str, Any] = {"deprecated": None}
    assert machine_counts(facts_of(a_pool(nodes=2, **former))) == (2, 2)


def test_pool_of_a_hostile_management_cluster_is_bounded() -> None:
    refs = [{"name": "n" * 10_000}] * (MAX_NODES * 5)
    versions = [{"version": "v" * 10_000, "replicas": 10**9}] * 100
    found = observed_machine_pool(a_pool(nodeRefs=refs, versions=versions))
    assert len(found.nodes) <= MAX_NODES
    assert len(found.node_versions) <= MAX_NODES
    assert len(with_pool_machines([], [found])) <= MAX_NODES


@given(objects(), objects(), JSON)
def test_any_pool_is_read(spec: Any, status: Any, former: Any) -> None:
    manifest = {
        "metadata": {"name": "three"},
        "spec": spec,
        "status": status if former is None else {"deprecated": {"v1beta1": former}},
    }
    found = observed_machine_pool(manifest)
    assert isinstance(found, ObservedPool)
    assert len(with_pool_machines([], [replace(found, cluster="three")])) == len(found.nodes)
