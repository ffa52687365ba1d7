"""One manifest is applied to several real clusters, with an answer for each."""

import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from proxy.demo.local_cluster import LocalCluster, RequestError
from tests.management.workload_changes.manifests import CONFIG_MAP, a_manifest
from tests.support.kubernetes import Kubernetes
from tests.support.loop_thread import LoopThread
from tests.support.sekisho import HttpResponse, SekishoWithUsers
from tests.support.waiting import wait_until

SHOP = "apply"
"""The namespace in both clusters."""

URL = "/v1/workloads"


@dataclass(frozen=True)
class Fleet:
    """A server with the clusters ``test`` and ``two``."""

    proxy: SekishoWithUsers
    test: Kubernetes
    two: LocalCluster
    loop: LoopThread
    tokens: dict[str, str]

    def apply(
        self, name: str, *, who: str = "alice", key: str | None = None, **options: Any
    ) -> HttpResponse:
        """Apply a ConfigMap with that name."""
        body = {"manifest": a_manifest(CONFIG_MAP, name=name, namespace=SHOP), **options}
        headers = {"Idempotency-Key": key} if key is not None else {}
        return self.proxy.request("POST", URL, token=self.tokens[who], body=body, headers=headers)

    def outcomes(self, response: HttpResponse) -> dict[str, str]:
        """Return the outcome of each cluster, in order."""
        assert response.status == 200, response.body
        return {one["name"]: one["outcome"] for one in response.json()["items"]}

    def holds(self, cluster: LocalCluster, name: str) -> bool:
        """Return whether a cluster has the ConfigMap."""
        path = f"/api/v1/namespaces/{SHOP}/configmaps/{name}"
        call = self.test.call if cluster is self.test else self.loop.call
        try:
            call(cluster.request("GET", path))
        except RequestError as exc:
            if exc.status != 404:
                raise
            return False
        return True


@pytest.fixture(scope="module")
def fleet(
    proxy: SekishoWithUsers, kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Alice owns both clusters, bob and carol know only ``test``."""
    with LoopThread() as loop:
        two = LocalCluster(tmp_path_factory.mktemp("two"), controllers=False)
        loop.call(two.__aenter__())
        try:
            loop.call(two.request("POST", "/api/v1/namespaces", {"metadata": {"name": SHOP}}))
            kubernetes.create_namespace(SHOP)
            proxy.run(
                *("admin", "cluster", "import", "two"),
                *("--kubeconfig", str(two.admin_kubeconfig)),
            )
            proxy.change("admin", "cluster", "grant", "two", "--user", "alice", "--role", "owner")
            tokens = {name: proxy.token(name) for name in ("alice", "bob", "carol", "root")}
            made = Fleet(proxy, kubernetes, two, loop, tokens)
            for name, tier in (("test", "prod"), ("two", "stage")):
                labels = {"labels": {"tier": tier, "team": "shop"}}
                url = f"/v1/clusters/{name}"
                done = proxy.request("PATCH", url, token=tokens["root"], body=labels)
                assert done.status == 200, done.body
            await_access(proxy, tokens["alice"])
            yield made
        finally:
            loop.call(two.__aexit__(None, None, None))


def await_access(proxy: SekishoWithUsers, token: str) -> None:
    """Wait until alice may use the namespace in the cluster ``two``."""
    path = f"/k8s/clusters/two/api/v1/namespaces/{SHOP}/configmaps"
    wait_until(lambda: proxy.request("GET", path, token=token).status == 200, 60, "access")


def test_each_cluster_has_its_own_answer_in_order(fleet: Fleet) -> None:
    clusters = ["two", "none", "test"]
    tried = fleet.apply("one", clusters=clusters, dry_run=True, stop_on_failure=False)
    expected = {"two": "changed", "none": "unknown_cluster", "test": "changed"}
    assert list(fleet.outcomes(tried).items()) == list(expected.items())
    assert not fleet.holds(fleet.two, "one")
    done = fleet.apply("one", clusters=clusters, stop_on_failure=False)
    assert fleet.outcomes(done) == expected
    assert (done.json()["failed"], done.json()["stopped"]) == (1, None)
    assert fleet.holds(fleet.two, "one")
    assert fleet.holds(fleet.test, "one")
    again = fleet.apply("one", clusters=["two", "test"])
    assert fleet.outcomes(again) == {"two": "unchanged", "test": "unchanged"}


def test_dry_run_shows_the_difference_of_each_cluster(fleet: Fleet) -> None:
    fleet.apply("differs", clusters=["test"])
    body = {
        "manifest": a_manifest(CONFIG_MAP, name="differs", namespace=SHOP).replace("80", "81"),
        "clusters": ["test", "two"],
        "dry_run": True,
    }
    response = fleet.proxy.request("POST", URL, token=fleet.tokens["alice"], body=body)
    first, second = response.json()["items"]
    assert first["items"][0]["changes"] == [
        {"field": ".data.port", "before": '"80"', "after": '"81"'}
    ]
    assert second["items"][0]["action"] == "create"


def test_selector_selects_only_clusters_that_the_caller_may_enter(fleet: Fleet) -> None:
    both = fleet.apply("selected", selector="team=shop", dry_run=True)
    assert list(fleet.outcomes(both)) == ["test", "two"]
    assert list(fleet.outcomes(fleet.apply("s", selector="tier!=prod", dry_run=True))) == ["two"]
    bobs = fleet.apply("selected", who="bob", selector="team=shop", dry_run=True)
    assert fleet.outcomes(bobs) == {"test": "changed"}
    for selector in ("tier=none", "a b"):
        assert fleet.apply("selected", selector=selector).status == 422


def test_limited_token_reaches_its_cluster_only_and_learns_of_no_other(fleet: Fleet) -> None:
    asked = {"clusters": ["two"]}
    made = fleet.proxy.request("POST", "/v1/tokens", token=fleet.tokens["alice"], body=asked)
    fleet.tokens["limited"] = made.json()["token"]
    selected = fleet.apply("limited", who="limited", selector="team=shop", dry_run=True)
    assert fleet.outcomes(selected) == {"two": "changed"}
    named = fleet.apply("limited", who="limited", clusters=["test", "two"], stop_on_failure=False)
    assert fleet.outcomes(named) == {"test": "forbidden", "two": "changed"}
    assert named.json()["items"][0]["cluster"] is None
    assert not fleet.holds(fleet.test, "limited")


def test_failure_stops_the_clusters_after_it(fleet: Fleet) -> None:
    response = fleet.apply("stopped", who="carol", clusters=["test", "two"], concurrency=1)
    assert fleet.outcomes(response) == {"test": "forbidden", "two": "not_begun"}
    body = response.json()
    assert (body["failed"], body["stopped"]) == (2, "an earlier cluster failed")
    forbidden, not_begun = body["items"]
    assert (forbidden["status"], not_begun["status"]) == (403, None)
    assert "cannot patch resource" in forbidden["detail"]
    assert not fleet.holds(fleet.two, "stopped")


def test_cluster_that_is_away_has_an_answer_and_the_others_are_changed(fleet: Fleet) -> None:
    fleet.loop.call(fleet.two.stop_api_server())
    try:
        response = fleet.apply("away", clusters=["two", "test"], stop_on_failure=False)
    finally:
        fleet.loop.call(fleet.two.start_api_server())
    assert fleet.outcomes(response) == {"two": "unavailable", "test": "changed"}
    away = response.json()["items"][0]
    assert away["status"] in {502, 503, 504}
    assert "nothing was changed" in away["detail"]
    await_access(fleet.proxy, fleet.tokens["alice"])
    assert not fleet.holds(fleet.two, "away")


def test_request_with_a_key_runs_once(fleet: Fleet) -> None:
    first = fleet.apply("once", clusters=["two", "test"], key="once-1")
    again = fleet.apply("once", clusters=["two", "test"], key="once-1")
    assert set(fleet.outcomes(first).values()) == {"changed"}
    assert (again.headers["Idempotency-Replayed"], again.body) == ("true", first.body)
    other = fleet.apply("once", clusters=["test"], key="once-1")
    assert (other.status, "another request" in other.json()["detail"]) == (422, True)


def test_client_that_leaves_begins_no_other_cluster_and_can_read_what_was_done(
    fleet: Fleet,
) -> None:
    body = {
        "manifest": a_manifest(CONFIG_MAP, name="left", namespace=SHOP),
        "clusters": ["test", "two", "none"],
        "concurrency": 1,
    }
    connections = 'sekisho_client_connections{known="true"}'
    wait_until(lambda: fleet.proxy.metric(connections) == 0, 60, "closed connections")
    fleet.two.pause()
    try:
        client = send(fleet.proxy, fleet.tokens["alice"], body, key="left-1")
        wait_until(lambda: fleet.holds(fleet.test, "left"), 60, "the first cluster")
        client.close()
        wait_until(lambda: fleet.proxy.metric(connections) == 0, 60, "the client's end")
    finally:
        fleet.two.resume()
    wait_until(lambda: fleet.holds(fleet.two, "left"), 60, "the second cluster")
    log = fleet.proxy.folder / "data" / "audit.log"
    wait_until(lambda: "ConfigMap apply/left" in log.read_text(), 60, "the audit event")
    headers = {"Idempotency-Key": "left-1"}
    done = fleet.proxy.request("POST", URL, token=fleet.tokens["alice"], body=body, headers=headers)
    assert done.headers["Idempotency-Replayed"] == "true"
    assert fleet.outcomes(done) == {"test": "changed", "two": "changed", "none": "not_begun"}
    assert done.json()["stopped"] == "the client left"


def test_requests_to_different_clusters_have_different_ids(fleet: Fleet) -> None:
    response = fleet.apply("ids", clusters=["test", "two"])
    own = response.headers["X-Request-Id"]
    log = fleet.proxy.folder / "data" / "audit.log"
    for request_id in (f"{own}-1-1", f"{own}-2-1"):
        wait_until(partial(is_in, log, request_id), 60, request_id)


def is_in(file: Path, text: str) -> bool:
    return text in file.read_text()


def send(proxy: SekishoWithUsers, token: str, body: object, *, key: str) -> ssl.SSLSocket:
    """Send a request and return its connection, without waiting for the response."""
    context = ssl.create_default_context(cafile=str(proxy.folder / "data" / "tls" / "ca.crt"))
    raw = socket.create_connection(("127.0.0.1", proxy.port), timeout=120)
    client = context.wrap_socket(raw, server_hostname="127.0.0.1")
    content = json.dumps(body).encode()
    head = (
        f"POST {URL} HTTP/1.1\r\nHost: sekisho\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: {key}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    client.sendall(head.encode() + content)
    return client


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"clusters": []},
        {"clusters": ["test"], "selector": "a=b"},
        {"clusters": ["test"], "concurrency": 11},
        {"clusters": ["x"] * 101},
        {"clusters": ["test"], "force": True},
    ],
)
def test_request_without_one_choice_of_clusters_is_rejected(
    fleet: Fleet, wrong: dict[str, Any]
) -> None:
    assert fleet.apply("wrong", **wrong).status == 422
