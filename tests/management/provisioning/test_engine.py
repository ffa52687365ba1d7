"""From an order to the Cluster that is written, and its paths."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.provisioning.engine import (
    UnreadableOrder,
    engine_path,
    kubeconfig_path,
    manifest_of,
)
from store.order_records import Pool, WantedCluster
from tests.management.provisioning.things import ORDER_ID, UID, an_order


def test_manifest_of_an_order_has_only_sekishos_fields() -> None:
    assert manifest_of(an_order(), "sekisho-clusters") == {
        "apiVersion": "cluster.x-k8s.io/v1beta2",
        "kind": "Cluster",
        "metadata": {
            "name": "three",
            "namespace": "sekisho-clusters",
            "labels": {
                "app.kubernetes.io/managed-by": "sekisho",
                "app.kubernetes.io/part-of": "sekisho",
                "sekisho.io/cluster": ORDER_ID,
            },
            "annotations": {"sekisho.io/order-revision": "1"},
        },
        "spec": {
            "topology": {
                "classRef": {"name": "standin"},
                "version": "v1.36.3",
                "controlPlane": {"replicas": 1},
                "workers": {
                    "machineDeployments": [{"class": "default", "name": "workers", "replicas": 2}]
                },
                "variables": [{"name": "region", "value": "eu"}],
            }
        },
    }


def test_manifest_of_an_order_with_a_known_cluster_has_its_uid() -> None:
    manifest = manifest_of(an_order(engine_uid=UID), "sekisho-clusters")
    assert manifest["metadata"]["uid"] == UID


def test_manifest_of_an_order_whose_variables_are_unreadable_is_refused() -> None:
    order = an_order(unreadable="no configured key opens the value")
    with pytest.raises(UnreadableOrder, match="put the encryption key back"):
        manifest_of(order, "sekisho-clusters")


def test_manifest_of_a_managed_control_plane_leaves_its_size_to_the_class() -> None:
    pool = Pool("workers", "default", 3, "machinepool")
    wanted = WantedCluster("gke", "v1.36.3", None, (pool,))
    topology = manifest_of(an_order(wanted=wanted), "sekisho-clusters")["spec"]["topology"]
    assert topology == {
        "classRef": {"name": "gke"},
        "version": "v1.36.3",
        "workers": {"machinePools": [{"class": "default", "name": "workers", "replicas": 3}]},
    }


POOLS = st.lists(
    st.builds(
        Pool,
        name=st.from_regex(r"[a-z]{1,8}", fullmatch=True),
        worker_class=st.text(max_size=8),
        replicas=st.integers(0, 100),
        kind=st.sampled_from(["deployment", "machinepool"]),
    ),
    max_size=6,
)


@given(POOLS, st.dictionaries(st.text(min_size=1, max_size=8), st.integers(), max_size=5))
def test_manifest_of_any_order_contains_each_pool_and_variable_once(
    pools: list[Pool], variables: dict[str, int]
) -> None:
    order = an_order()
    order = replace(order, wanted=replace(order.wanted, pools=tuple(pools), variables=variables))
    manifest = manifest_of(order, "sekisho-clusters")
    topology = manifest["spec"]["topology"]
    workers = topology.get("workers", {})
    written = [*workers.get("machineDeployments", []), *workers.get("machinePools", [])]
    assert sorted((one["name"], one["replicas"]) for one in written) == sorted(
        (one.name, one.replicas) for one in pools
    )
    assert {one["name"]: one["value"] for one in topology.get("variables", [])} == variables
    assert not {"finalizers", "ownerReferences"} & manifest["metadata"].keys()


@given(st.text(min_size=1, max_size=30))
def test_paths_with_any_name_stay_below_their_collection(name: str) -> None:
    assert engine_path("clusters", "ns", name).count("/") == 7
    assert kubeconfig_path("ns", name).count("/") == 6
