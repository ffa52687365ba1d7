"""A cluster with a service account for each user: a stolen token gives access as one user."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.management.conftest import OwnCluster
from tests.support.kubernetes import kubectl
from tests.support.scripted_api_server import ScriptedApiServer, issue, make_authority, respond_json
from tests.support.sekisho import SekishoWithUsers, free_port, make_sekisho, running
from tests.support.waiting import wait_until

WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
METRICS = "/apis/metrics.k8s.io/v1beta1/nodes"
ACCOUNTS = "/api/v1/namespaces/sekisho-system/serviceaccounts"


@pytest.fixture(scope="module")
def isolated(
    kubernetes: OwnCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SekishoWithUsers]:
    """A running Sekisho: alice owns the cluster, bob is a member, root is an administrator."""
    kubernetes.wipe()
    folder = tmp_path_factory.mktemp("isolated")
    configured = make_sekisho(folder, (free_port(), free_port()))
    made = SekishoWithUsers(folder, configured.port, configured.metrics_port)
    made.change(
        "admin", "cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig)
    )
    with running(made):
        for name in ("alice", "bob"):
            made.users[name] = made.create_user(name)
        made.users["root"] = made.create_user("root", "--admin")
        for name, role in (("alice", "owner"), ("bob", "member")):
            made.change("admin", "cluster", "grant", "test", "--user", name, "--role", role)
            made.configs[name] = made.kubeconfig(name)
        root = made.token("root")
        answer = made.request(
            "PATCH", "/v1/clusters/test", token=root, body={"impersonator": "per_user"}
        )
        assert (answer.status, answer.json()["impersonator"]) == (200, "per_user")
        yield made


def accounts(kubernetes: OwnCluster) -> set[str]:
    """Return the ids of users with a service account in the cluster."""
    listed = kubernetes.ask("GET", f"{ACCOUNTS}?labelSelector=sekisho.io/user")
    return {one["metadata"]["labels"]["sekisho.io/user"] for one in listed["items"]}


def stolen(kubernetes: OwnCluster, user_id: str) -> str:
    """Return a token of a user's service account, as a thief could have it."""
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = f"{ACCOUNTS}/sekisho-user-{user_id}/token"
    token: str = kubernetes.ask("POST", path, request)["status"]["token"]
    return token


def as_thief(kubernetes: OwnCluster, token: str, tmp_path: Path, *command: str) -> Any:
    """Run kubectl against the API server with a stolen token only."""
    config = tmp_path / "empty.kubeconfig"
    config.touch()
    server = ("--server", kubernetes.servers[0], "--certificate-authority", kubernetes.ca_file)
    return kubectl(config, *server, "--token", token, *command)


def test_users_have_the_same_access_with_their_own_accounts(
    isolated: SekishoWithUsers, kubernetes: OwnCluster
) -> None:
    for name in ("alice", "bob"):
        done = kubectl(isolated.configs[name], "auth", "whoami", "-o", "json")
        assert done.returncode == 0, done.stderr
        who = json.loads(done.stdout)["status"]["userInfo"]
        assert (who["username"], who["uid"]) == (isolated.users[name], isolated.users[name])
        assert who["extra"]["username"] == [name]
    assert kubectl(isolated.configs["alice"], "get", "nodes").returncode == 0
    assert kubectl(isolated.configs["bob"], "delete", "node", "none").returncode != 0
    root = isolated.token("root")
    assert isolated.request("GET", "/k8s/clusters/test/api/v1/nodes", token=root).status == 200


def test_accounts_are_created_on_first_use_without_secrets(
    isolated: SekishoWithUsers, kubernetes: OwnCluster
) -> None:
    kubectl(isolated.configs["alice"], "get", "ns")
    assert isolated.users["alice"] in accounts(kubernetes)
    secrets = kubernetes.ask("GET", "/api/v1/namespaces/sekisho-system/secrets")
    assert secrets["items"] == []


def test_stolen_token_grants_the_access_of_one_user(
    isolated: SekishoWithUsers, kubernetes: OwnCluster, tmp_path: Path
) -> None:
    alice, bob = isolated.users["alice"], isolated.users["bob"]
    kubectl(isolated.configs["bob"], "get", "ns")
    token = stolen(kubernetes, bob)

    def tried(*options: str) -> Any:
        return as_thief(kubernetes, token, tmp_path, "get", "ns", *options)

    assert tried(f"--as={bob}").returncode == 0
    for options in (
        (),
        (f"--as={alice}",),
        (f"--as={bob}", "--as-group=system:masters"),
        (f"--as={bob}", "--as-group=sekisho:administrators"),
        ("--as=system:admin",),
        ("--as=system:serviceaccount:sekisho-system:sekisho-controller",),
    ):
        done = tried(*options)
        assert done.returncode != 0, options
        assert "cannot" in done.stderr


def test_shared_impersonator_cannot_impersonate_with_per_user_accounts(
    isolated: SekishoWithUsers, kubernetes: OwnCluster, tmp_path: Path
) -> None:
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}

    def powerless() -> bool:
        path = f"{ACCOUNTS}/sekisho-impersonator/token"
        token = kubernetes.ask("POST", path, request)["status"]["token"]
        done = as_thief(kubernetes, token, tmp_path, "get", "ns", f"--as={isolated.users['alice']}")
        return bool(done.returncode != 0)

    wait_until(powerless)


def test_impersonation_of_another_user_is_rejected(
    isolated: SekishoWithUsers, kubernetes: OwnCluster
) -> None:
    done = kubectl(isolated.configs["alice"], "get", "ns", "--as=mallory")
    assert done.returncode != 0
    assert "through a separate account" in done.stderr


def test_account_of_a_deleted_user_is_deleted_permanently(
    isolated: SekishoWithUsers, kubernetes: OwnCluster
) -> None:
    user_id = isolated.create_user("erin")
    isolated.change("admin", "cluster", "grant", "test", "--user", "erin", "--role", "member")
    token = isolated.token("erin")
    path = "/k8s/clusters/test/api/v1/namespaces"
    assert isolated.request("GET", path, token=token).status == 200
    assert user_id in accounts(kubernetes)
    isolated.change("admin", "cluster", "revoke", "test", "--user", "erin")
    wait_until(lambda: user_id not in accounts(kubernetes))
    wait_until(lambda: isolated.request("GET", path, token=token).status == 404)
    assert user_id not in accounts(kubernetes)


def test_deleted_account_objects_are_created_again(
    isolated: SekishoWithUsers, kubernetes: OwnCluster
) -> None:
    alice = isolated.users["alice"]
    kubectl(isolated.configs["alice"], "get", "ns")
    role = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/sekisho:user:{alice}"
    kubernetes.ask("DELETE", role)
    wait_until(lambda: kubectl(isolated.configs["alice"], "get", "ns").returncode == 0)


def test_deleted_service_account_is_created_again(
    isolated: SekishoWithUsers, kubernetes: OwnCluster
) -> None:
    """A request after the cluster rejects the old token gets a new one.

    An API server caches the validity of a token for ten seconds, so the first requests may still
    succeed with the old token.
    """
    alice = isolated.users["alice"]

    def uids() -> set[str]:
        selector = f"labelSelector=sekisho.io/user%3D{alice}"
        listed = kubernetes.ask("GET", f"{ACCOUNTS}?{selector}")
        return {one["metadata"]["uid"] for one in listed["items"]}

    def works() -> bool:
        return kubectl(isolated.configs["alice"], "get", "ns").returncode == 0

    wait_until(works)
    deleted = uids()
    kubernetes.ask("DELETE", f"{ACCOUNTS}/sekisho-user-{alice}")
    wait_until(lambda: works() and bool(uids() - deleted))


@pytest.fixture
def aggregated(kubernetes: OwnCluster) -> Iterator[ScriptedApiServer]:
    """An aggregated API that serves discovery, and 401 for all other requests."""
    group, version = "metrics.k8s.io", "v1beta1"
    service, name = {"namespace": "default", "name": "metrics"}, f"{version}.{group}"
    discovery = {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}",
        "resources": [],
    }
    with ScriptedApiServer(issue(make_authority())) as backend:
        backend.scripts[f"/apis/{group}/{version}"] = respond_json(json.dumps(discovery).encode())
        backend.scripts[METRICS] = respond_json(b'{"message": "who are you"}', b"401 Unauthorized")
        kubernetes.ask(
            "POST",
            "/api/v1/namespaces/default/services",
            {
                "metadata": {"name": "metrics"},
                "spec": {"type": "ExternalName", "externalName": "localhost"},
            },
        )
        kubernetes.ask(
            "POST",
            "/apis/apiregistration.k8s.io/v1/apiservices",
            {
                "metadata": {"name": name},
                "spec": {
                    "group": group,
                    "version": version,
                    "groupPriorityMinimum": 100,
                    "versionPriority": 100,
                    "insecureSkipTLSVerify": True,
                    "service": {**service, "port": backend.port},
                },
            },
        )
        yield backend
        kubernetes.ask("DELETE", f"/apis/apiregistration.k8s.io/v1/apiservices/{name}")
        kubernetes.ask("DELETE", "/api/v1/namespaces/default/services/metrics")


def test_401_of_an_aggregated_api_requests_no_new_tokens(
    isolated: SekishoWithUsers, kubernetes: OwnCluster, aggregated: ScriptedApiServer
) -> None:
    # Not alice: another test deleted her account, and the API server may still reject her token.
    token = isolated.token("root")

    def asked(path: str) -> int:
        return isolated.request("GET", f"/k8s/clusters/test{path}", token=token).status

    def tokens_made() -> float:
        done = kubectl(kubernetes.admin_kubeconfig, "get", "--raw", "/metrics")
        assert done.returncode == 0, done.stderr
        lines = [
            line
            for line in done.stdout.splitlines()
            if line.startswith("apiserver_request_total{") and 'subresource="token"' in line
        ]
        return sum(float(line.split()[-1]) for line in lines)

    def twenty_cost_none() -> bool:
        before = tokens_made()
        assert {asked(METRICS) for _ in range(20)} == {401}
        return tokens_made() == before

    wait_until(lambda: asked(METRICS) == 401)
    # Until each of the two API servers knows the new account, one may reject its token.
    wait_until(twenty_cost_none)
    assert asked("/api/v1/namespaces") == 200


def test_user_with_restored_access_gets_a_new_account(
    isolated: SekishoWithUsers, kubernetes: OwnCluster
) -> None:
    bob = isolated.users["bob"]
    kubectl(isolated.configs["bob"], "get", "ns")
    isolated.change("admin", "cluster", "revoke", "test", "--user", "bob")
    wait_until(lambda: bob not in accounts(kubernetes))
    isolated.change("admin", "cluster", "grant", "test", "--user", "bob", "--role", "member")
    wait_until(lambda: kubectl(isolated.configs["bob"], "get", "ns").returncode == 0)


def test_change_to_shared_deletes_accounts_and_keeps_access(
    isolated: SekishoWithUsers, kubernetes: OwnCluster
) -> None:
    root = isolated.token("root")
    isolated.request("PATCH", "/v1/clusters/test", token=root, body={"impersonator": None})
    wait_until(lambda: accounts(kubernetes) == set())
    wait_until(lambda: kubectl(isolated.configs["alice"], "get", "ns").returncode == 0)


def test_change_back_to_per_user_keeps_access(
    isolated: SekishoWithUsers, kubernetes: OwnCluster
) -> None:
    root = isolated.token("root")
    isolated.request("PATCH", "/v1/clusters/test", token=root, body={"impersonator": "per_user"})

    def works() -> bool:
        return kubectl(isolated.configs["alice"], "get", "ns").returncode == 0

    # The first request may still go by the shared account.
    wait_until(lambda: works() and isolated.users["alice"] in accounts(kubernetes))
