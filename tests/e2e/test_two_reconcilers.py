"""Two replicas over one store: one looks after a cluster, and the other when the first is gone."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.demo.downstream import RequestError
from tests.parts.kubernetes import Kubernetes
from tests.parts.sekisho import Sekisho, free_port, make_sekisho
from tests.parts.waiting import until

BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"


@pytest.fixture
def replicas(
    tmp_path: Path, kubernetes: Kubernetes, postgres_database: str
) -> Iterator[list[Sekisho]]:
    """Two of them; alice is a member of the cluster ``test``."""
    made = []
    (tmp_path / "keys").write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        extra = f"store: {{url: '{postgres_database}', encryption_keys_file: ../keys}}\n"
        made.append(make_sekisho(folder, (free_port(), free_port()), extra))
    made[0].run("cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig))
    made[0].create_user("alice")
    made[0].run("cluster", "grant", "test", "--user", "alice", "--role", "member")
    for one in made:
        one.start()
    yield made
    for one in made:
        one.stop()


def leads(replica: Sekisho) -> bool:
    return replica.metric('sekisho_controller_settled{cluster="test"}') == 1


def test_one_looks_after_the_cluster_and_the_other_takes_over_within_15_seconds(
    replicas: list[Sekisho], kubernetes: Kubernetes
) -> None:
    until(lambda: any(map(leads, replicas)), 30)
    assert sum(map(leads, replicas)) == 1
    first, second = sorted(replicas, key=leads, reverse=True)
    assert first.process is not None
    first.process.kill()
    killed = time.monotonic()
    until(lambda: leads(second), 20)
    assert time.monotonic() - killed < 15
    path = f"{BINDINGS}/sekisho:{cluster_id(second)}:edit"
    before = kubernetes.call(kubernetes.request("GET", path))["metadata"]["uid"]
    kubernetes.call(kubernetes.request("DELETE", path))
    until(lambda: uid_of(kubernetes, path) not in {None, before})


def uid_of(kubernetes: Kubernetes, path: str) -> str | None:
    try:
        found: str = kubernetes.call(kubernetes.request("GET", path))["metadata"]["uid"]
    except RequestError:
        return None
    return found


def cluster_id(replica: Sekisho) -> str:
    listed = json.loads(replica.run("cluster", "list", "-o", "json").stdout)
    found: str = listed[0]["id"]
    return found
