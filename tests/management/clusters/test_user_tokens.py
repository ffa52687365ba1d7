"""A cluster in which everybody has an account of their own: what is stolen is one user."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.management.clusters.conftest import OwnCluster
from tests.parts.kubernetes import kubectl
from tests.parts.sekisho import Gate, free_port, make_sekisho
from tests.parts.waiting import until

WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
ACCOUNTS = "/api/v1/namespaces/sekisho-system/serviceaccounts"


@pytest.fixture(scope="module")
def isolated(kubernetes: OwnCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A Sekisho with a cluster of its own: alice owns it, bob is a member, root administers."""
    kubernetes.wipe()
    folder = tmp_path_factory.mktemp("isolated")
    made = make_sekisho(folder, (free_port(), free_port()))
    running = Gate(folder, made.port, made.metrics_port)
    running.run("cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig))
    running.start()
    for name in ("alice", "bob"):
        running.users[name] = running.create_user(name)
    running.users["root"] = running.create_user("root", "--admin")
    for name, role in (("alice", "owner"), ("bob", "member")):
        running.run("cluster", "grant", "test", "--user", name, "--role", role)
        running.configs[name] = running.kubeconfig(name)
    root = running.token("root")
    answer = running.ask("PATCH", "/v1/clusters/test", token=root, body={"isolation": "per_user"})
    assert (answer.status, answer.json()["isolation"]) == (200, "per_user")
    yield running
    running.stop()


def accounts(kubernetes: OwnCluster) -> set[str]:
    """The users who have an account in the cluster."""
    listed = kubernetes.ask("GET", f"{ACCOUNTS}?labelSelector=sekisho.io/user")
    return {one["metadata"]["labels"]["sekisho.io/user"] for one in listed["items"]}


def stolen(kubernetes: OwnCluster, user_id: str) -> str:
    """A token of a user's account, as a thief would have it."""
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = f"{ACCOUNTS}/sekisho-user-{user_id}/token"
    token: str = kubernetes.ask("POST", path, request)["status"]["token"]
    return token


def as_thief(kubernetes: OwnCluster, token: str, tmp_path: Path, *command: str) -> Any:
    """kubectl at the API server itself, with a stolen token and nothing else."""
    config = tmp_path / "stolen.kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [
            {
                "name": "c",
                "cluster": {
                    "server": kubernetes.servers[0],
                    "certificate-authority": str(kubernetes.ca_file),
                },
            }
        ],
        "users": [{"name": "u", "user": {"token": token}}],
    }
    config.write_text(json.dumps(document))
    return kubectl(config, *command)


def test_everybody_works_as_before(isolated: Gate, kubernetes: OwnCluster) -> None:
    for name in ("alice", "bob"):
        done = kubectl(isolated.configs[name], "auth", "whoami", "-o", "json")
        assert done.returncode == 0, done.stderr
        who = json.loads(done.stdout)["status"]["userInfo"]
        assert (who["username"], who["uid"]) == (isolated.users[name], isolated.users[name])
        assert who["extra"]["username"] == [name]
    assert kubectl(isolated.configs["alice"], "get", "nodes").returncode == 0
    assert kubectl(isolated.configs["bob"], "delete", "node", "none").returncode != 0
    root = isolated.token("root")
    assert isolated.ask("GET", "/k8s/clusters/test/api/v1/nodes", token=root).status == 200


def test_accounts_are_made_on_first_use_and_their_tokens_are_in_no_secret(
    isolated: Gate, kubernetes: OwnCluster
) -> None:
    kubectl(isolated.configs["alice"], "get", "ns")
    assert isolated.users["alice"] in accounts(kubernetes)
    secrets = kubernetes.ask("GET", "/api/v1/namespaces/sekisho-system/secrets")
    assert secrets["items"] == []


def test_a_stolen_token_is_worth_one_user(
    isolated: Gate, kubernetes: OwnCluster, tmp_path: Path
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


def test_the_account_that_the_gate_shares_impersonates_nobody_any_more(
    isolated: Gate, kubernetes: OwnCluster, tmp_path: Path
) -> None:
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}

    def powerless() -> bool:
        path = f"{ACCOUNTS}/sekisho-impersonator/token"
        token = kubernetes.ask("POST", path, request)["status"]["token"]
        done = as_thief(kubernetes, token, tmp_path, "get", "ns", f"--as={isolated.users['alice']}")
        return bool(done.returncode != 0)

    until(powerless)


def test_nobody_acts_as_somebody_else(isolated: Gate, kubernetes: OwnCluster) -> None:
    done = kubectl(isolated.configs["alice"], "get", "ns", "--as=somebody")
    assert done.returncode != 0
    assert "account of their own" in done.stderr


def test_an_account_goes_with_its_user_and_comes_back_no_more(
    isolated: Gate, kubernetes: OwnCluster
) -> None:
    user_id = isolated.create_user("erin")
    isolated.run("cluster", "grant", "test", "--user", "erin", "--role", "member")
    token = isolated.token("erin")
    path = "/k8s/clusters/test/api/v1/namespaces"
    assert isolated.ask("GET", path, token=token).status == 200
    assert user_id in accounts(kubernetes)
    isolated.run("cluster", "revoke", "test", "--user", "erin")
    until(lambda: user_id not in accounts(kubernetes))
    until(lambda: isolated.ask("GET", path, token=token).status == 404)
    assert user_id not in accounts(kubernetes)


def test_an_account_that_somebody_deleted_is_made_again(
    isolated: Gate, kubernetes: OwnCluster
) -> None:
    alice = isolated.users["alice"]
    kubectl(isolated.configs["alice"], "get", "ns")
    role = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/sekisho:user:{alice}"
    kubernetes.ask("DELETE", role)
    until(lambda: kubectl(isolated.configs["alice"], "get", "ns").returncode == 0)


def test_an_account_that_was_deleted_itself_is_made_again(
    isolated: Gate, kubernetes: OwnCluster
) -> None:
    """Its token is good no more, once the cluster has heard; who comes then gets another.

    An API server remembers for ten seconds that a token was good, so the first who come may still
    be let in by the old one.
    """
    alice = isolated.users["alice"]

    def uids() -> set[str]:
        selector = f"labelSelector=sekisho.io/user%3D{alice}"
        listed = kubernetes.ask("GET", f"{ACCOUNTS}?{selector}")
        return {one["metadata"]["uid"] for one in listed["items"]}

    def works() -> bool:
        return kubectl(isolated.configs["alice"], "get", "ns").returncode == 0

    until(works)
    deleted = uids()
    kubernetes.ask("DELETE", f"{ACCOUNTS}/sekisho-user-{alice}")
    until(lambda: works() and bool(uids() - deleted))


def test_who_lost_access_and_got_it_back_works_again(
    isolated: Gate, kubernetes: OwnCluster
) -> None:
    bob = isolated.users["bob"]
    kubectl(isolated.configs["bob"], "get", "ns")
    isolated.run("cluster", "revoke", "test", "--user", "bob")
    until(lambda: bob not in accounts(kubernetes))
    isolated.run("cluster", "grant", "test", "--user", "bob", "--role", "member")
    until(lambda: kubectl(isolated.configs["bob"], "get", "ns").returncode == 0)


def test_shared_again_the_accounts_are_gone_and_everybody_still_works(
    isolated: Gate, kubernetes: OwnCluster
) -> None:
    root = isolated.token("root")
    isolated.ask("PATCH", "/v1/clusters/test", token=root, body={"isolation": None})
    until(lambda: accounts(kubernetes) == set())
    until(lambda: kubectl(isolated.configs["alice"], "get", "ns").returncode == 0)


def test_isolated_once_more_nobody_is_left_outside(isolated: Gate, kubernetes: OwnCluster) -> None:
    root = isolated.token("root")
    isolated.ask("PATCH", "/v1/clusters/test", token=root, body={"isolation": "per_user"})
    until(lambda: kubectl(isolated.configs["alice"], "get", "ns").returncode == 0)
    until(lambda: isolated.users["alice"] in accounts(kubernetes))
