"""Two replicas with one store: the second one takes over a cluster when the first one fails."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.demo.local_cluster import RequestError
from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.waiting import wait_until

BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"


@pytest.fixture
def replicas(
    tmp_path: Path, kubernetes: Kubernetes, postgres_database: str
) -> Iterator[list[Sekisho]]:
    """Start two replicas; alice is a member of the cluster ``test``."""
    made = []
    (tmp_path / "keys").write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        extra = f"store: {{url: '{postgres_database}', encryption_keys_file: ../keys}}\n"
        made.append(make_sekisho(folder, (free_port(), free_port()), extra))
    made[0].change(
        "admin", "cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig)
    )
    made[0].create_user("alice")
    made[0].change("admin", "cluster", "grant", "test", "--user", "alice", "--role", "member")
    with running(made[0]), running(made[1]):
        yield made


def leads(replica: Sekisho) -> bool:
    return replica.metric('sekisho_controller_synced{cluster="test"}') == 1


def test_second_replica_reconciles_the_cluster_after_the_first_is_killed(
    replicas: list[Sekisho], kubernetes: Kubernetes
) -> None:
    wait_until(lambda: any(map(leads, replicas)), 30)
    assert sum(map(leads, replicas)) == 1
    first, second = sorted(replicas, key=leads, reverse=True)
    assert first.process is not None
    first.process.kill()
    wait_until(lambda: leads(second), 20, "the end of the lease")
    path = f"{BINDINGS}/sekisho:{cluster_id(second)}:edit"
    before = kubernetes.call(kubernetes.request("GET", path))["metadata"]["uid"]
    kubernetes.call(kubernetes.request("DELETE", path))
    wait_until(lambda: uid_of(kubernetes, path) not in {None, before})


def uid_of(kubernetes: Kubernetes, path: str) -> str | None:
    try:
        found: str = kubernetes.call(kubernetes.request("GET", path))["metadata"]["uid"]
    except RequestError:
        return None
    return found


def cluster_id(replica: Sekisho) -> str:
    listed = json.loads(replica.run("admin", "cluster", "list", "-o", "json").stdout)
    found: str = listed[0]["id"]
    return found
