"""The management cluster of the tests makes real clusters, and leaves nothing behind."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.capi.management_cluster import (
    CREATION_SECONDS,
    ManagementCluster,
    cluster_manifest,
)
from tests.support.kubernetes import kubectl
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(600)


def nodes(kubeconfig: Path) -> list[str]:
    done = kubectl(kubeconfig, "get", "nodes", "-o", "name")
    return done.stdout.split()


def responds(kubeconfig: Path) -> bool:
    return kubectl(kubeconfig, "get", "--raw", "/version").returncode == 0


def refusal(management: ManagementCluster, name: str) -> dict[str, Any]:
    found = (management.cluster(name) or {}).get("status", {}).get("conditions", [])
    nothing = {"message": ""}
    return next((one for one in found if one["type"] == "ControlPlaneAvailable"), nothing)


def test_cluster_created_and_scaled_and_deleted_leaves_nothing(
    management_cluster: ManagementCluster, tmp_path: Path
) -> None:
    management = management_cluster
    management.apply([cluster_manifest("one", workers=2)])
    try:
        management.await_initialized("one")
        kubeconfig = management.created_kubeconfig("one", tmp_path)
        wait_until(lambda: len(nodes(kubeconfig)) == 2, CREATION_SECONDS, "two nodes")
        management.apply([cluster_manifest("one", workers=1)])
        wait_until(lambda: len(nodes(kubeconfig)) == 1, CREATION_SECONDS, "one node")
    finally:
        management.delete_all()
    assert kubectl(kubeconfig, "get", "nodes").returncode != 0
    assert not management.leftovers()


def test_cluster_that_the_provider_refuses_says_so(management_cluster: ManagementCluster) -> None:
    management = management_cluster
    sentence = "quota of 8 CPUs exceeded"
    management.apply([cluster_manifest("refused", fail=sentence)])
    try:
        wait_until(lambda: refusal(management, "refused")["message"] == sentence, 60, sentence)
        assert refusal(management, "refused")["reason"] == "QuotaExceeded"
    finally:
        management.delete_all()


def test_created_cluster_whose_api_server_is_down_returns_and_can_be_deleted(
    management_cluster: ManagementCluster, tmp_path: Path
) -> None:
    management = management_cluster
    management.apply([cluster_manifest("down", workers=1)])
    try:
        management.await_initialized("down")
        kubeconfig = management.created_kubeconfig("down", tmp_path)
        wait_until(lambda: len(nodes(kubeconfig)) == 1, CREATION_SECONDS, "a node")
        management.keep_down("down", True)
        wait_until(lambda: not responds(kubeconfig), 60, "a refused connection")
        management.keep_down("down", False)
        wait_until(lambda: len(nodes(kubeconfig)) == 1, CREATION_SECONDS, "the same node")
        management.keep_down("down", True)
        wait_until(lambda: not responds(kubeconfig), 60, "a refused connection")
    finally:
        management.delete_all()
    assert not management.leftovers()


def test_provider_that_is_killed_takes_its_created_clusters_with_it(
    management_cluster: ManagementCluster, tmp_path: Path
) -> None:
    management = management_cluster
    management.apply([cluster_manifest("lost", workers=0)])
    try:
        management.await_initialized("lost")
        kubeconfig = management.created_kubeconfig("lost", tmp_path)
        wait_until(lambda: responds(kubeconfig), 60, "the created cluster")
        management.kill_provider()
        wait_until(lambda: not responds(kubeconfig), 60, "the end of the created cluster")
        management.start_provider()
    finally:
        management.delete_all()
    assert not management.leftovers()
