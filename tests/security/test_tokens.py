"""What a token allows, and when it stops."""

import time
from pathlib import Path

import pytest

from tests.parts.sekisho import Sekisho, free_port, make_sekisho
from tests.security.world import World, until

API = "/k8s/clusters/a/api"


def status(world: World, token: str, path: str = API, method: str = "GET") -> int:
    return world.sekisho.ask(method, path, token=token).status


def test_a_disabled_user_is_out_within_a_second(world: World) -> None:
    user_id = world.sekisho.create_user("fay", "--admin")
    token = world.sekisho.token("fay")
    assert status(world, token) == 200
    world.sekisho.run("user", "disable", user_id)
    until(lambda: status(world, token) == 401, 1.0)
    world.a.clear()
    assert status(world, token) == 401
    world.nothing_arrived()


def test_a_deleted_users_token_is_nobodys(world: World) -> None:
    world.sekisho.create_user("gil", "--admin")
    token = world.sekisho.token("gil")
    assert status(world, token) == 200
    world.sekisho.run("user", "delete", "gil")
    until(lambda: status(world, token) == 401, 1.0)


def test_an_expired_token_is_nobodys(world: World) -> None:
    token = world.new_token("alice", ttl="1s")
    assert status(world, token) == 200
    until(lambda: status(world, token) == 401, 2.0)
    world.a.clear()
    assert status(world, token) == 401
    assert status(world, token, "/v1/me") == 401
    world.nothing_arrived()


def test_a_revoked_token_is_nobodys_at_once(world: World) -> None:
    token = world.new_token("alice")
    assert status(world, token) == 200
    name = token.partition(":")[0]
    assert status(world, world.tokens["alice"], f"/v1/tokens/{name}", "DELETE") == 204
    assert status(world, token) == 401


def test_signing_out_ends_the_cookie_too(world: World) -> None:
    cookie, csrf = world.sign_in("alice")
    assert world.ask(world.head(cookie, user=None)).status == 200
    lines = (cookie, b"X-CSRF-Token: " + csrf, b"Content-Length: 0")
    head = world.head(*lines, user=None, method=b"POST", target=b"/v1/logout")
    assert world.ask(head).status == 204
    assert world.ask(world.head(cookie, user=None)).status == 401


def test_a_token_for_one_cluster_is_for_no_other_and_not_for_the_api(world: World) -> None:
    token = world.new_token("alice", clusters=["a"])
    for name in ("b", world.clusters["b"]):
        assert status(world, token, f"/k8s/clusters/{name}/api") == 403
    for path in ("/v1/tokens", "/v1/clusters", "/v1/clusters/a", "/v1/clusters/b"):
        assert status(world, token, path) == 403, path
    for method, path in (("POST", "/v1/tokens"), ("POST", "/v1/me/password")):
        assert status(world, token, path, method) == 403, path
    assert status(world, token, "/v1/clusters/a/kubeconfig", "POST") == 403
    world.nothing_arrived()
    world.a.clear()
    world.tokens["scoped"] = token
    assert world.ask(world.head(user="scoped")).status == 200
    assert world.only().bytes == world.expected()


def test_a_scope_gives_nothing_that_its_owner_does_not_have(world: World) -> None:
    answer = world.sekisho.ask(
        "POST", "/v1/tokens", token=world.tokens["bob"], body={"clusters": ["b"]}
    )
    assert answer.status == 422
    assert status(world, world.tokens["bob"], "/k8s/clusters/b/api") == 404
    world.nothing_arrived()


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
def test_a_read_only_token_does_not_change_anything(world: World, method: str, path: str) -> None:
    token = world.new_token("alice", read_only=True)
    assert status(world, token, "/k8s/clusters/a" + path, method) == 403
    world.nothing_arrived()


def test_a_read_only_token_does_not_upgrade(world: World) -> None:
    world.tokens["reader"] = world.new_token("alice", read_only=True)
    for protocol in (b"websocket", b"SPDY/3.1"):
        lines = (b"Connection: Upgrade", b"Upgrade: " + protocol)
        assert world.ask(world.head(*lines, user="reader")).status == 403
    world.nothing_arrived()


def test_a_read_only_token_makes_no_other(world: World) -> None:
    token = world.new_token("alice", read_only=True)
    assert status(world, token, "/v1/tokens", "POST") == 403
    assert status(world, token, "/v1/clusters/a/kubeconfig", "POST") == 403


def test_a_revoked_token_and_a_disabled_user_are_out_on_another_replica_within_a_second(
    world: World, tmp_path: Path, postgres_database: str
) -> None:
    first, second = _replicas(tmp_path, postgres_database)
    first.run(
        *("cluster", "add", "a", "--server", world.a.url, "--ca-file", str(world.a.ca_file)),
        *("--token-file", str(world.a.token_file)),
    )
    user_id = first.create_user("root", "--admin")
    tokens = [first.token("root") for _ in range(2)]
    try:
        first.start()
        second.start()
        for token in tokens:
            assert second.ask("GET", API, token=token).status == 200
        name = tokens[0].partition(":")[0]
        assert first.ask("DELETE", f"/v1/tokens/{name}", token=tokens[1]).status == 204
        _refused_within_a_second(second, tokens[0])
        assert second.ask("GET", API, token=tokens[1]).status == 200
        first.run("user", "disable", user_id)
        _refused_within_a_second(second, tokens[1])
        world.a.clear()
        assert second.ask("GET", API, token=tokens[0]).status == 401
        assert world.a.seen == []
    finally:
        first.stop()
        second.stop()


def _refused_within_a_second(replica: Sekisho, token: str) -> None:
    begun = time.monotonic()
    until(lambda: replica.ask("GET", API, token=token).status == 401, 1.0)
    assert time.monotonic() - begun <= 1.0


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
