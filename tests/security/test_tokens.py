"""What a token allows, and when it ends."""

from pathlib import Path

import pytest
import yaml

from tests.security.world import World, wait_until
from tests.support.sekisho import Sekisho, free_port, make_sekisho

API = "/k8s/clusters/a/api"


def status(world: World, token: str, path: str = API, method: str = "GET") -> int:
    return world.sekisho.request(method, path, token=token).status


def test_token_of_disabled_user_is_rejected_within_one_second(world: World) -> None:
    user_id = world.sekisho.create_user("fay", "--admin")
    token = world.sekisho.token("fay")
    assert status(world, token) == 200
    world.sekisho.prepare("admin", "user", "disable", user_id)
    wait_until(lambda: status(world, token) == 401, 1.0)
    world.a.reset()
    assert status(world, token) == 401
    world.assert_nothing_received()


def test_token_of_deleted_user_is_rejected(world: World) -> None:
    world.sekisho.create_user("gil", "--admin")
    token = world.sekisho.token("gil")
    assert status(world, token) == 200
    world.sekisho.prepare("admin", "user", "delete", "gil")
    wait_until(lambda: status(world, token) == 401, 1.0)


def test_expired_token_is_rejected(world: World) -> None:
    token = world.create_token("alice", ttl="5s")
    assert status(world, token) == 200
    wait_until(lambda: status(world, token) == 401, 6.0)
    world.a.reset()
    assert status(world, token) == 401
    assert status(world, token, "/v1/me") == 401
    world.assert_nothing_received()


def test_revoked_token_is_rejected_immediately(world: World) -> None:
    token = world.create_token("alice")
    assert status(world, token) == 200
    name = token.partition(":")[0]
    assert status(world, world.tokens["alice"], f"/v1/tokens/{name}", "DELETE") == 204
    assert status(world, token) == 401


def test_sign_out_revokes_cookie(world: World) -> None:
    cookie, csrf = world.sign_in("alice")
    assert world.send(world.head(cookie, user=None)).status == 200
    lines = (cookie, b"X-CSRF-Token: " + csrf, b"Content-Length: 0")
    head = world.head(*lines, user=None, method=b"POST", target=b"/v1/logout")
    assert world.send(head).status == 204
    assert world.send(world.head(cookie, user=None)).status == 401


def test_token_for_one_cluster_is_rejected_for_others_and_api(world: World) -> None:
    token = world.create_token("alice", clusters=["a"])
    for name in ("b", world.clusters["b"]):
        assert status(world, token, f"/k8s/clusters/{name}/api") == 403
    for path in ("/v1/tokens", "/v1/clusters", "/v1/clusters/a", "/v1/clusters/b"):
        assert status(world, token, path) == 403, path
    for method, path in (("POST", "/v1/tokens"), ("POST", "/v1/me/password")):
        assert status(world, token, path, method) == 403, path
    assert status(world, token, "/v1/clusters/a/kubeconfig", "POST") == 403
    world.assert_nothing_received()
    world.a.reset()
    world.tokens["scoped"] = token
    assert world.send(world.head(user="scoped")).status == 200
    assert world.only_request().raw == world.expected_head()


def test_token_scope_grants_nothing_beyond_its_owner(world: World) -> None:
    response = world.sekisho.request(
        "POST", "/v1/tokens", token=world.tokens["bob"], body={"clusters": ["b"]}
    )
    assert response.status == 422
    assert status(world, world.tokens["bob"], "/k8s/clusters/b/api") == 404
    world.assert_nothing_received()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/namespaces/n/pods"),
        ("PUT", "/api/v1/namespaces/n/pods/p"),
        ("PATCH", "/api/v1/namespaces/n/pods/p"),
        ("DELETE", "/api/v1/namespaces/n/pods/p"),
        ("GET", "/api/v1/namespaces/n/pods/p/exec?command=sh"),
        ("GET", "/api/v1/namespaces/n/pods/p/%65xec?command=sh"),
        ("GET", "/api/v1/namespaces/n/pods/p/proxy/"),
        ("GET", "/api/v1/nodes/n/%70roxy/run"),
        ("GET", "/%61pi/v1/namespaces/n/services/s:8080/proxy"),
        ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
        ("POST", "/api/v1/namespaces/n/serviceaccounts/s/token"),
    ],
)
def test_read_only_token_cannot_write(world: World, method: str, path: str) -> None:
    token = world.create_token("alice", read_only=True)
    assert status(world, token, "/k8s/clusters/a" + path, method) == 403
    world.assert_nothing_received()


def test_read_only_token_cannot_upgrade(world: World) -> None:
    world.tokens["reader"] = world.create_token("alice", read_only=True)
    for protocol in (b"websocket", b"SPDY/3.1"):
        lines = (b"Connection: Upgrade", b"Upgrade: " + protocol)
        assert world.send(world.head(*lines, user="reader")).status == 403
    world.assert_nothing_received()


def test_read_only_token_cannot_create_tokens(world: World) -> None:
    token = world.create_token("alice", read_only=True)
    assert status(world, token, "/v1/tokens", "POST") == 403
    assert status(world, token, "/v1/clusters/a/kubeconfig", "POST") == 403


def test_tokens_created_with_token_end_with_it(world: World) -> None:
    first = world.create_token("alice", ttl="8h")
    made = world.sekisho.request("POST", "/v1/tokens", token=first, body={}).json()["token"]
    file = world.sekisho.request("POST", "/v1/clusters/a/kubeconfig", token=made)
    config = yaml.safe_load(file.body)["users"][0]["user"]["token"]
    for child in (made, config):
        assert status(world, child) == 200
    name = first.partition(":")[0]
    assert status(world, world.tokens["alice"], f"/v1/tokens/{name}", "DELETE") == 204
    for child in (made, config):
        wait_until(lambda child=child: status(world, child) == 401, 1.0)  # type: ignore[misc]


def test_revoked_token_and_disabled_user_are_rejected_by_other_replica_within_one_second(
    world: World, tmp_path: Path, postgres_database: str
) -> None:
    first, second = _replicas(tmp_path, postgres_database)
    first.run(
        *(
            "admin",
            "cluster",
            "add",
            "a",
            "--server",
            world.a.url,
            "--ca-file",
            str(world.a.ca_file),
        ),
        *("--token-file", str(world.a.token_file)),
    )
    user_id = first.create_user("root", "--admin")
    tokens = [first.token("root") for _ in range(2)]
    try:
        first.start()
        second.start()
        for token in tokens:
            assert second.request("GET", API, token=token).status == 200
        made = first.request("POST", "/v1/tokens", token=tokens[0], body={}).json()["token"]
        assert second.request("GET", API, token=made).status == 200
        name = tokens[0].partition(":")[0]
        assert first.request("DELETE", f"/v1/tokens/{name}", token=tokens[1]).status == 204
        _refused_within_a_second(second, tokens[0])
        _refused_within_a_second(second, made)
        assert second.request("GET", API, token=tokens[1]).status == 200
        first.prepare("admin", "user", "disable", user_id)
        _refused_within_a_second(second, tokens[1])
        world.a.reset()
        assert second.request("GET", API, token=tokens[0]).status == 401
        assert world.a.recorded == []
    finally:
        first.stop()
        second.stop()


def _refused_within_a_second(replica: Sekisho, token: str) -> None:
    wait_until(lambda: replica.request("GET", API, token=token).status == 401, 1.0)


def _replicas(folder: Path, store: str) -> list[Sekisho]:
    (folder / "keys").write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    replicas = []
    for number in range(2):
        (folder / str(number)).mkdir()
        extra = f"store: {{url: '{store}', encryption_keys_file: ../keys}}\n"
        made = make_sekisho(folder / str(number), (free_port(), free_port()), extra)
        made.environment["SEKISHO_CONTROLLERS__ENABLED"] = "false"
        replicas.append(made)
    return replicas


def test_proxy_read_token_reads_services_pods_and_node_metrics_only(world: World) -> None:
    token = world.create_token("alice", proxy_read=True)
    service = "/k8s/clusters/a/api/v1/namespaces/n/services/s/proxy/x"
    assert status(world, token, service) == 200
    assert status(world, token, service) == 200  # on the fast path
    assert status(world, token, service, "HEAD") == 200
    assert status(world, token, "/k8s/clusters/a/api/v1/nodes/n/proxy/metrics/cadvisor") == 200
    world.a.reset()
    assert status(world, token, service, "POST") == 403
    for forbidden in (
        "nodes/n/proxy/run/x",
        "nodes/n/proxy/metrics/x",
        "namespaces/n/pods/p/exec?command=sh",
    ):
        assert status(world, token, "/k8s/clusters/a/api/v1/" + forbidden) == 403
    world.tokens["pages"] = token
    for protocol in (b"websocket", b"SPDY/3.1"):
        lines = (b"Connection: Upgrade", b"Upgrade: " + protocol)
        assert world.send(world.head(*lines, user="pages", target=service.encode())).status == 403
    assert status(world, token, "/v1/tokens", "POST") == 403
    shown = world.sekisho.request("GET", "/v1/tokens?proxy_read=true", token=token).json()["items"]
    assert [(one["read_only"], one["proxy_read"]) for one in shown] == [(True, True)]
    del world.tokens["pages"]
    world.assert_nothing_received()
