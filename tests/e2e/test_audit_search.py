"""Searching the audit log of running servers, in front of a real kube-apiserver."""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import Sekisho, SekishoWithUsers, free_port, make_sekisho
from tests.support.waiting import wait_until

PODS = "/k8s/clusters/test/api/v1/namespaces/default/pods"
SECRET = "/k8s/clusters/test/api/v1/namespaces/default/secrets/absent?trick=hidden"
COUNT = 12


def search(server: Sekisho, token: str, **query: str) -> list[dict[str, Any]]:
    """Return the events of the first page."""
    response = server.request("GET", f"/v1/audit?{urlencode(query)}", token=token)
    assert response.status == 200, response.body
    found: list[dict[str, Any]] = response.json()["items"]
    return found


def test_members_find_their_own_events_and_owners_those_of_the_cluster(
    proxy: SekishoWithUsers,
) -> None:
    tokens = {name: proxy.token(name) for name in ("alice", "bob", "carol", "dave")}
    refused = proxy.request("DELETE", f"{PODS}/searched", token=tokens["carol"])
    assert refused.status == 403
    assert proxy.request("GET", PODS, token=tokens["bob"]).status == 200
    assert proxy.request("GET", SECRET, token=tokens["bob"]).status == 404
    request_id = refused.headers["X-Request-Id"]
    query = {"cluster": "test", "since": "1h"}
    wait_until(lambda: bool(search(proxy, tokens["carol"], request_id=request_id)))

    (event,) = search(proxy, tokens["alice"], **query, outcome="refused", name="searched")
    assert event["request_id"] == request_id
    assert (event["username"], event["answered_by"], event["code"]) == ("carol", "cluster", 403)
    assert (event["verb"], event["resource"], event["namespace"]) == ("delete", "pods", "default")

    def of_bob() -> list[dict[str, Any]]:
        return search(proxy, tokens["alice"], **query, user="bob", resource="secrets")

    wait_until(lambda: bool(of_bob()))
    assert of_bob()[0]["path"].endswith("/secrets/absent?trick=[redacted]")
    # Reads of other objects are in the log only.
    assert search(proxy, tokens["alice"], **query, user="bob", verb="list") == []
    assert search(proxy, tokens["bob"], **query, user="carol") == []
    assert search(proxy, tokens["dave"], **query) == []


def test_every_replica_finds_the_events_of_all_workers_of_all_replicas(
    tmp_path: Path, kubernetes: Kubernetes, postgres_database: str
) -> None:
    replicas = []
    (tmp_path / "keys").write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        extra = f"store: {{url: '{postgres_database}', encryption_keys_file: ../keys}}\n"
        replica = make_sekisho(folder, (free_port(), free_port()), extra)
        replica.environment["SEKISHO_SERVER__WORKERS"] = str(number + 1)
        replicas.append(replica)
    first = replicas[0]
    first.change(
        "admin", "cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig)
    )
    for replica in replicas:
        replica.start()
    try:
        first.create_user("root", "--admin")
        token = first.token("root")
        sent = set()
        for number in range(COUNT):
            for replica in replicas:
                answer = replica.request("DELETE", f"{PODS}/absent-{number}", token=token)
                assert answer.status == 404
                sent.add(answer.headers["X-Request-Id"])
        # The ids of a process begin alike: two workers of the second replica, and the first.
        assert len({one.partition("-")[0] for one in sent}) >= 2
        for replica in replicas:
            wait_until(lambda at=replica: found_by(at, token) >= sent)  # type: ignore[misc]
    finally:
        for replica in replicas:
            replica.stop()


def found_by(replica: Sekisho, token: str) -> set[str]:
    """Return the ids of requests that a search at a replica finds."""
    return {one["request_id"] for one in search(replica, token, verb="delete", limit="1000")}


def test_last_events_are_stored_when_the_server_stops(tmp_path: Path) -> None:
    server = make_sekisho(tmp_path, (free_port(), free_port()))
    server.start()
    server.create_user("root", "--admin")
    token = server.token("root")
    answer = server.request("DELETE", "/v1/roles/absent", token=token)
    assert answer.status == 404
    assert server.stop() == 0
    server.start()
    try:
        found = search(server, token, request_id=answer.headers["X-Request-Id"])
        assert [one["path"] for one in found] == ["/v1/roles/absent"]
    finally:
        server.stop()
