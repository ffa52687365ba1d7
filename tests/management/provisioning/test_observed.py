"""What is read of the engine's objects, whatever a cluster sends."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from management.kubernetes.validation import MalformedObject, checked_object
from management.provisioning.observed import (
    MAX_CONDITIONS,
    MAX_MESSAGE,
    observed_cluster,
    observed_machine,
    observed_pool,
)
from tests.management.provisioning.things import ORDER_ID, UID, a_cluster, a_machine, a_pool

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = [
    "spec",
    "status",
    "topology",
    "classRef",
    "version",
    "conditions",
    "phase",
    "paused",
    "replicas",
    "readyReplicas",
    "controlPlane",
    "versions",
    "controlPlaneEndpoint",
    "host",
    "port",
    "initialization",
    "controlPlaneInitialized",
    "observedGeneration",
    "generation",
    "nodeInfo",
    "kubeletVersion",
    "nodeRef",
    "name",
    "clusterName",
    "type",
    "message",
]


def objects(depth: int = 2) -> st.SearchStrategy[Any]:
    """Return objects whose fields have the engine's names, and any values."""
    inner = JSON if depth == 0 else JSON | objects(depth - 1) | st.lists(objects(0), max_size=3)
    return st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5)


def test_cluster_of_an_order_is_read() -> None:
    found = observed_cluster(
        a_cluster(
            conditions={"ControlPlaneAvailable": ("False", "QuotaExceeded", "quota exceeded")},
            spec={"controlPlaneEndpoint": {"host": "10.0.0.1", "port": 6443}},
            status={"initialization": {"controlPlaneInitialized": True}},
        )
    )
    assert (found.uid, found.order_id) == (UID, ORDER_ID)
    assert found.endpoint == "10.0.0.1:6443"
    assert found.initialized
    assert not found.paused
    assert not found.lags
    (condition,) = found.conditions
    assert (condition.reason, condition.message) == ("QuotaExceeded", "quota exceeded")


def test_cluster_with_a_newer_generation_lags() -> None:
    assert observed_cluster(a_cluster(metadata={"generation": 2})).lags


def test_machine_of_the_control_plane_has_no_pool() -> None:
    assert observed_machine(a_machine("m", pool=None)).pool is None
    assert observed_machine(a_machine("m")).pool == "workers"


def test_machine_whose_node_has_a_vendors_version_has_another_kubelet() -> None:
    vendor = {"nodeInfo": {"kubeletVersion": "v1.36.3-eks-113cf36"}}
    older = {"nodeInfo": {"kubeletVersion": "v1.35.1"}}
    assert observed_machine(a_machine("m", status=vendor)).has_other_kubelet
    assert not observed_machine(a_machine("m", status=older)).has_other_kubelet
    assert not observed_machine(a_machine("m")).has_other_kubelet


def test_pool_is_read_under_its_name_in_the_topology() -> None:
    found = observed_pool(a_pool(wanted=4, ready=2))
    assert (found.name, found.cluster, found.wanted, found.ready) == ("workers", "three", 4, 2)


def test_cluster_with_many_long_conditions_is_bounded() -> None:
    condition = {"type": "T" * 9_000, "status": "False", "message": "m" * 1_000_000}
    found = observed_cluster(a_cluster(status={"conditions": [condition] * 10_000}))
    assert len(found.conditions) == MAX_CONDITIONS
    assert all(len(one.message) == MAX_MESSAGE for one in found.conditions)
    assert len(repr(found)) < MAX_CONDITIONS * (MAX_MESSAGE + 500)


@given(objects(), objects(), JSON)
def test_any_object_is_read_or_malformed(spec: Any, status: Any, generation: Any) -> None:
    try:
        manifest = checked_object(
            {
                "metadata": {"name": "three", "uid": "u", "generation": generation},
                "spec": spec,
                "status": status,
            }
        )
    except MalformedObject:
        return
    cluster, pool, machine = (
        observed_cluster(manifest),
        observed_pool(manifest),
        observed_machine(manifest),
    )
    assert cluster.name == machine.name == "three"
    assert 0 <= pool.ready <= 10**9
    assert isinstance(cluster.initialized, bool)
    assert all(isinstance(one.message, str) for one in cluster.conditions)
