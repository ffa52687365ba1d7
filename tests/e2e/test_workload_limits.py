"""Workloads for a caller with one request and one watch at a time: nothing waits for itself."""

from collections.abc import Iterator

import pytest

from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.workload_objects import create_web
from tests.support.workload_streams import opened

WORKLOADS = "/v1/clusters/test/workloads"
LIMITS = """
limits:
  user: {in_flight: 1, watches: 1}
  connections: {per_network: 3, per_known_network: 3}
"""


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory, kubernetes: Kubernetes) -> Iterator[Sekisho]:
    sekisho = make_sekisho(tmp_path_factory.mktemp("low"), (free_port(), free_port()), LIMITS)
    sekisho.change(
        "admin", "cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig)
    )
    with running(sekisho):
        sekisho.create_user("root", "--admin")
        sekisho.change("admin", "cluster", "grant", "test", "--user", "root", "--role", "owner")
        yield sekisho


def test_caller_with_one_request_at_a_time_reads_every_kind(
    limited: Sekisho, kubernetes: Kubernetes, namespace: str
) -> None:
    create_web(kubernetes, namespace)
    token = limited.token("root")
    path = f"{WORKLOADS}?namespace={namespace}"
    found = limited.request("GET", path, token=token)
    assert found.status == 200, found.body
    assert [one["name"] for one in found.json()["items"]] == ["web"]
    detail = limited.request("GET", f"{WORKLOADS}/{namespace}/deployment/web", token=token)
    assert (detail.status, detail.json()["incomplete"]) == (200, [])


def test_caller_with_one_watch_at_a_time_follows_one_kind(
    limited: Sekisho, kubernetes: Kubernetes, namespace: str
) -> None:
    token = limited.token("root")
    path = f"{WORKLOADS}?namespace={namespace}&kind=deployment&watch=1"
    with opened(limited, path, token) as stream:
        assert stream.event() == ("synced", {"items": 0, "incomplete": []})
        create_web(kubernetes, namespace)
        assert stream.next("added")["name"] == "web"
