"""kubectl is refused, and the command line explains it, in front of a real kube-apiserver."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from proxy.cli.main import main
from tests.support.kubernetes import Kubernetes, kubectl
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.waiting import wait_until


@dataclass
class World:
    """A server: root administers it, carol reads the cluster, alice owns it."""

    server: Sekisho
    configs: dict[str, Path]

    def sekisho(self, user: str, *words: str) -> Any:
        """Run a command as a user, and return what it prints as JSON."""
        environment = {
            "XDG_CONFIG_HOME": str(self.server.folder / f"home-{user}"),
            "SEKISHO_SERVER": self.server.url,
            "SEKISHO_TOKEN": self.server.token(user),
            "SEKISHO_CA_FILE": str(self.server.folder / "data" / "tls" / "ca.crt"),
        }
        command = partial(CliRunner().invoke, main, [*words, "-o", "json"], env=environment)
        done = command()
        # The event is stored a second after the request, on a busy machine more than the five
        # seconds for which the command looks for it.
        wait_until(lambda: done.exit_code == 0 or command().exit_code == 0, what=done.output)
        return json.loads((command() if done.exit_code else done).stdout)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, kubernetes: Kubernetes) -> Iterator[World]:
    """The server in front of the cluster."""
    server = make_sekisho(tmp_path_factory.mktemp("why"), (free_port(), free_port()))
    cluster = ("admin", "cluster")
    server.run(*cluster, "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig))
    with running(server):
        server.create_user("root", "--admin")
        for name, role in (("alice", "owner"), ("carol", "read-only")):
            server.create_user(name)
            server.run(*cluster, "grant", "test", "--user", name, "--role", role)
        yield World(server, {name: server.kubeconfig(name) for name in ("root", "alice", "carol")})


def named_by(stderr: str, pattern: str) -> str:
    """Return the request id in kubectl's output."""
    found = re.search(pattern, stderr)
    assert found is not None, stderr
    return found[1]


def test_refusal_of_the_cluster_is_explained_by_the_id_that_kubectl_prints(world: World) -> None:
    refused = kubectl(world.configs["carol"], "get", "secrets", "-n", "default")
    assert 'secrets is forbidden: User "u-' in refused.stderr
    request_id = named_by(refused.stderr, r"Warning: `sekisho why ([\w-]+)` explains this refusal")
    item = world.sekisho("carol", "why", request_id)
    assert (item["cause"], item["refused_by"], item["code"]) == ("rbac", "cluster", 403)
    assert item["request"] == 'list secrets in namespace "default"'
    assert item["missing"][0]["rule_text"] == "list secrets"
    assert item["roles"][0]["name"] == "member"
    assert item["granters"] == {"text": 'an owner of cluster "test"', "names": []}
    assert world.sekisho("carol", "why")["request_id"] == request_id
    assert world.sekisho("alice", "why", request_id)["granters"]["names"] == ["alice"]


def test_refusal_of_sekisho_has_the_id_in_its_message(world: World) -> None:
    token = world.server.token("alice", "--read-only")
    refused = kubectl(
        *(world.configs["alice"], "--token", token, "create", "configmap", "x", "-n", "default")
    )
    request_id = named_by(refused.stderr, r"is read-only: POST is refused \(request ([\w-]+)\)")
    item = world.sekisho("alice", "why", request_id)
    assert (item["cause"], item["refused_by"]) == ("token_read_only", "sekisho")


def test_refused_impersonation_is_explained(world: World) -> None:
    refused = kubectl(world.configs["carol"], "get", "pods", "--as=root", "-n", "default")
    request_id = named_by(refused.stderr, r"\(request ([\w-]+)\)")
    item = world.sekisho("carol", "why", request_id)
    assert item["cause"] == "impersonation"
    assert item["missing"][0]["text"] == 'impersonate users "root" in the whole cluster'


def test_right_that_was_granted_since_is_reported(world: World, kubernetes: Kubernetes) -> None:
    refused = kubectl(world.configs["carol"], "create", "configmap", "x", "-n", "default")
    request_id = named_by(refused.stderr, r"sekisho why ([\w-]+)")
    world.server.run(*("admin", "cluster", "grant", "test", "--user", "carol", "--role", "member"))
    item: dict[str, Any] = {}

    def explained() -> bool:  # The cluster's rules are read again after some seconds.
        item.update(world.sekisho("carol", "why", request_id))
        return bool(item["allowed_now"])

    wait_until(explained, what="the grant")
    assert item["cause"] == "admission"
    names = [one["name"] for one in item["chain"]["steps"]]
    assert names[:3] == ["carol", 'cluster "test"', "member"]


def test_only_kubectl_gets_the_warning(world: World) -> None:
    nodes, token = "/k8s/clusters/test/api/v1/nodes/absent", world.server.token("carol")
    plain = world.server.request("DELETE", nodes, token=token)
    assert plain.status == 403
    assert "Warning" not in plain.headers
    kubectls = {"User-Agent": "kubectl/v1.34.0"}
    again = world.server.request("DELETE", nodes, token=token, headers=kubectls)
    assert "sekisho why" in again.headers["Warning"]
    assert again.json() == plain.json()
