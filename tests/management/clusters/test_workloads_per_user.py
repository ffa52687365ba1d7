"""Workloads of a cluster with an account for each user: they are read with the caller's account."""

from pathlib import Path

from tests.management.conftest import OwnCluster
from tests.support.sekisho import Sekisho, free_port, make_sekisho

WORKLOADS = "/v1/clusters/test/workloads?namespace=default"
ACCOUNTS = "/api/v1/namespaces/sekisho-system/serviceaccounts"


def test_workloads_are_read_with_the_account_of_the_caller(
    kubernetes: OwnCluster, tmp_path: Path
) -> None:
    kubernetes.wipe()
    isolated = make_sekisho(tmp_path, (free_port(), free_port()))
    arguments = ("--kubeconfig", str(kubernetes.admin_kubeconfig), "--impersonator", "per_user")
    isolated.change("admin", "cluster", "import", "test", *arguments)
    isolated.start()
    try:
        ids = {name: isolated.create_user(name) for name in ("alice", "bob")}
        for name in ids:
            isolated.change("admin", "cluster", "grant", "test", "--user", name, "--role", "member")
        found = isolated.request("GET", WORKLOADS, token=isolated.token("alice"))
        assert (found.status, found.json()["incomplete"]) == (200, [])
        assert ids["alice"] in used(isolated, kubernetes)
    finally:
        isolated.stop()


def used(isolated: Sekisho, kubernetes: OwnCluster) -> set[str]:
    """Return the ids of users with an account in the cluster."""
    listed = kubernetes.ask("GET", f"{ACCOUNTS}?labelSelector=sekisho.io/user")
    return {one["metadata"]["labels"]["sekisho.io/user"] for one in listed["items"]}
