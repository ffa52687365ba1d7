"""The commands of docs/clusters.md and docs/projects.md, against a real cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.proxy.cli.verbs.conftest import World
from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import free_port, make_sekisho, running


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, kubernetes: Kubernetes) -> Iterator[World]:
    """A server without clusters. root is an administrator; alice and bob hold nothing."""
    folder = tmp_path_factory.mktemp("fleet")
    server = make_sekisho(folder, (free_port(), free_port()), "images: {}\n")
    users = {"root": server.create_user("root", "--admin")}
    users |= {name: server.create_user(name) for name in ("alice", "bob")}
    with running(server):
        made = World(server, folder, users)
        root = made.of("root")
        kubeconfig = str(kubernetes.admin_kubeconfig)
        assert (
            "imported cluster prod"
            in root.run("cluster", "import", "prod", "--kubeconfig", kubeconfig).stdout
        )
        yield made
        # Other servers of this test process have imported the same cluster, with the same accounts.
        root.run("cluster", "remove", "prod", "--yes", "--keep-cluster-objects")


def test_cluster_is_shown_changed_and_registered(fleet: World) -> None:
    root = fleet.of("root")
    assert root.json("cluster", "show", "prod")["username_mapping"] == "id"
    changed = root.json("cluster", "edit", "prod", "--impersonator", "per_user")
    assert changed["impersonator"] == "per_user"
    refused = root.fails("cluster", "edit", "prod", "--api-server", "https://10.0.0.9:6443")
    assert "credential of that cluster" in refused
    for words in (("registration", "create"), ("cluster", "register")):
        command = (*words, "edge", "--api-server", "https://edge.example:6443")
        refused = root.fails(*command)
        assert "does not know from where clusters pull its image" in refused
        assert f"No pod reaches this server at {fleet.server.url}" in refused
        assert "`sekisho demo --agent` shows an agent" in refused
        manifest = root.run(*command, "--image", "registry.example/sekisho:1").stdout
        assert "Namespace" in {one["kind"] for one in yaml.safe_load_all(manifest)}
    assert "--yes" in root.fails("cluster", "remove", "prod", code=2)


def test_cluster_is_registered_with_an_agent_and_options(
    fleet: World, kubernetes: Kubernetes
) -> None:
    root, config = fleet.of("root"), str(kubernetes.admin_kubeconfig)
    options = (
        *("--image", "registry.example/sekisho:1", "--image-pull-secret", "registry"),
        *("--https-proxy", "http://a:word@proxy.example:3128", "--no-proxy", "10.0.0.0/8"),
        *("--host-alias", "sekisho.example=10.0.0.9", "--node-selector", "edge=true"),
        *("--toleration", "edge=yes:NoSchedule", "--toleration", "far", "--replicas", "3"),
        *("--priority-class", "system-cluster-critical", "--network-policy"),
    )
    manifest = root.run("cluster", "register", "edge", "--agent", *options).stdout
    documents = list(yaml.safe_load_all(manifest))
    [spec] = [one["spec"] for one in documents if one["kind"] == "Deployment"]
    pod = spec["template"]["spec"]
    assert spec["replicas"] == 3
    assert pod["hostAliases"] == [{"ip": "10.0.0.9", "hostnames": ["sekisho.example"]}]
    assert pod["nodeSelector"] == {"edge": "true"}
    assert pod["tolerations"][-2:] == [
        {"key": "edge", "operator": "Equal", "value": "yes", "effect": "NoSchedule"},
        {"key": "far", "operator": "Exists"},
    ]
    [job] = [one["spec"]["template"]["spec"] for one in documents if one["kind"] == "Job"]
    for name in ("hostAliases", "nodeSelector", "imagePullSecrets", "priorityClassName"):
        assert job[name] == pod[name], "the Job runs where the agent runs"
    environment = {one["name"] for one in job["containers"][0]["env"]}
    assert environment == {"HTTPS_PROXY", "NO_PROXY"}
    assert {"Job", "NetworkPolicy", "PodDisruptionBudget"} <= {one["kind"] for one in documents}
    listed = root.run("cluster", "list").stdout
    assert "registration not complete" in listed
    assert "reserved by a registration" in root.fails("cluster", "register", "edge", "--agent")
    assert "is not complete" in root.fails("cluster", "agent", "edge")
    assert "is not complete" in root.fails(
        "cluster", "reach", "edge", "direct", "--kubeconfig", config
    )
    assert "not reached by an agent" in root.fails("cluster", "rotate-agent-token", "edge")
    root.run("cluster", "remove", "edge", "--yes")


def test_options_of_a_registration_that_exclude_each_other_are_refused(fleet: World) -> None:
    root = fleet.of("root")
    for words in (
        (),
        ("--agent", "--api-server", "https://a.example"),
        ("--api-server", "https://a.example", "--replicas", "3"),
        ("--agent", "--tls-server-name", "a.example"),
        ("--agent", "--host-alias", "a.example"),
    ):
        root.fails("cluster", "register", "edge", *words, code=2)
    assert "needs --kubeconfig" in root.fails("cluster", "reach", "prod", "direct", code=2)


def test_cluster_without_a_connected_agent_stays_direct(fleet: World) -> None:
    root = fleet.of("root")
    manifest = root.run("cluster", "agent", "prod", "--image", "registry.example/sekisho:1").stdout
    kinds = {one["kind"] for one in yaml.safe_load_all(manifest)}
    assert "Deployment" in kinds
    assert "Job" not in kinds
    assert "no agent of the cluster is connected" in root.fails("cluster", "reach", "prod", "agent")
    assert root.json("cluster", "show", "prod")["reach"] == "direct"


def test_import_sends_one_context_and_reports_problems(
    fleet: World, kubernetes: Kubernetes, tmp_path: Path
) -> None:
    root = fleet.of("root")
    config = str(kubernetes.admin_kubeconfig)
    assert "409" not in root.fails("cluster", "import", "prod", "--kubeconfig", config)
    assert "choose a context" in root.fails(
        "cluster", "import", "x", "--kubeconfig", config, "--context", "nope"
    )
    assert "/nowhere" in root.fails("cluster", "import", "x", "--kubeconfig", "/nowhere")
    assert "give --kubeconfig" in root.fails("cluster", "import", "x", code=2)


def test_members_of_a_cluster_are_added_changed_and_removed(fleet: World) -> None:
    root, alice = fleet.of("root"), fleet.of("alice")
    added = root.run("member", "add", "alice", "--role", "member", "--cluster", "prod").stdout
    assert added == f"alice ({fleet.users['alice']} at local) is member\n"
    [listed] = [
        one
        for one in root.json("member", "list", "--cluster", "prod")
        if one["username"] == "alice"
    ]
    assert listed["role"] == "member"
    assert alice.run("clusters", "-o", "name").stdout == "cluster/prod\n"
    root.run("member", "set", "alice", "--role", "read-only", "--cluster", "prod")
    assert "read-only" in root.run("member", "list", "--cluster", "prod").stdout
    group = ("--group", "openldap_group://cn=ops", "--cluster", "prod")
    root.run("member", "add", *group, "--role", "read-only")
    root.run("member", "remove", "openldap_group://cn=ops", "--cluster", "prod", "--yes")
    assert (
        "removed alice"
        in root.run("member", "remove", "alice", "--cluster", "prod", "--yes").stdout
    )
    assert alice.json("clusters") == []
    assert "give --cluster" in root.fails("member", "list", code=2)
    assert "the roles are" in root.fails(
        "member", "add", "alice", "--role", "nope", "--cluster", "prod"
    )


def test_project_with_namespaces_and_members(fleet: World) -> None:
    root, alice = fleet.of("root"), fleet.of("alice")
    made = root.json("project", "create", "shop", "--cluster", "prod", "--quota", "pods=50")
    root.run("member", "add", "alice", "--role", "owner", "--project", "shop")
    created = alice.run("namespace", "create", "fleet-web", "--project", "prod/shop").stdout
    assert created == "created namespace fleet-web in project shop\n"
    assert "fleet-web" in alice.run("namespace", "list", "--project", "shop").stdout
    assert alice.json("project", "show", "shop")["namespaces"] == ["fleet-web"]
    alice.run("namespace", "edit", "fleet-web", "--quota", "pods=10")
    used = alice.json("project", "usage", "shop")
    assert [one["name"] for one in used] == ["(all)", "fleet-web"]
    assert used[0]["hard"] == {"pods": "50"}
    assert alice.json("namespace", "list")[0]["quota"] == {"pods": "10"}
    edited = root.json("project", "edit", made["id"], "--quota", "configmaps=7", "--isolated")
    assert (edited["quota"], edited["isolated"]) == ({"configmaps": "7"}, True)
    root.run("project", "create", "other", "--cluster", "prod")
    root.run("namespace", "move", "fleet-web", "--project", "other")
    root.run("namespace", "remove", "fleet-web", "--delete", "--yes")
    assert "not found" in alice.fails("project", "show", "other")
    for name in ("shop", "other"):
        root.run("project", "delete", name, "--yes")


def test_nodes_are_listed(fleet: World) -> None:
    root = fleet.of("root")
    assert root.run("node", "list", "--cluster", "prod").exit_code == 0
    assert root.json("node", "list", "--name", "no-such-node") == []
