"""The agent's manifests, admitted by a real API server."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from management.clusters.agent_manifest import AgentOptions, agent
from management.clusters.registration_manifest import as_yaml
from management.desired_state.installation import installation
from management.kubernetes.manifests import AGENT, Manifest, path_of
from tests.management.conftest import OwnCluster
from tests.support.kubernetes import kubectl

PLAIN = AgentOptions("registry.example/sekisho:1")
FULL = AgentOptions(
    "registry.example/sekisho:1",
    image_pull_secrets=("registry",),
    https_proxy="http://agent:pass-word@proxy.example:3128",
    no_proxy="10.0.0.0/8,.example",
    host_aliases={"10.0.0.9": ("sekisho.example",)},
    node_selector={"kubernetes.io/os": "linux"},
    tolerations=({"key": "edge", "operator": "Exists", "effect": "NoSchedule"},),
    priority_class="system-cluster-critical",
    replicas=3,
    network_policy=True,
)


def manifests(options: AgentOptions = PLAIN, *, ca_pem: str | None = "CA") -> list[Manifest]:
    made = agent(
        external_url="https://sekisho.example", ca_pem=ca_pem, token="secret-token", options=options
    )
    return [*installation(), *made]


def of_kind(kind: str, options: AgentOptions = PLAIN) -> Manifest:
    [found] = [
        one
        for one in manifests(options)
        if one["kind"] == kind and one["metadata"]["name"] == AGENT
    ]
    return found


def pod_spec(options: AgentOptions = PLAIN) -> dict[str, Any]:
    spec: dict[str, Any] = of_kind("Deployment", options)["spec"]["template"]["spec"]
    return spec


@pytest.fixture
def restricted(clean: OwnCluster) -> OwnCluster:
    """A cluster that refuses pods in ``sekisho-system`` that are not ``restricted``."""
    namespace, *_ = installation()
    labels = {
        **namespace["metadata"]["labels"],
        "pod-security.kubernetes.io/enforce": "restricted",
    }
    body = {**namespace, "metadata": {**namespace["metadata"], "labels": labels}}
    clean.ask("POST", "/api/v1/namespaces", body)
    return clean


def apply(cluster: OwnCluster, folder: Path, options: AgentOptions) -> str:
    file = folder / "agent.yaml"
    file.write_text(as_yaml(manifests(options)))
    done = kubectl(cluster.admin_kubeconfig, "apply", "-f", str(file))
    assert done.returncode == 0, done.stderr
    assert "would violate PodSecurity" not in done.stderr
    return done.stdout


def versions(cluster: OwnCluster, options: AgentOptions) -> dict[str, str]:
    """Return the version of each object. A write that changes nothing keeps it."""
    return {
        path_of(one): cluster.ask("GET", path_of(one))["metadata"]["resourceVersion"]
        for one in manifests(options)
    }


@pytest.mark.parametrize("options", [PLAIN, FULL], ids=["plain", "full"])
def test_manifest_applied_twice_changes_nothing(
    restricted: OwnCluster, tmp_path: Path, options: AgentOptions
) -> None:
    assert f"deployment.apps/{AGENT} created" in apply(restricted, tmp_path, options)
    before = versions(restricted, options)
    apply(restricted, tmp_path, options)
    assert versions(restricted, options) == before


@pytest.mark.parametrize("options", [PLAIN, FULL], ids=["plain", "full"])
def test_pod_is_admitted_where_pod_security_is_restricted(
    restricted: OwnCluster, tmp_path: Path, options: AgentOptions
) -> None:
    apply(restricted, tmp_path, options)
    template = of_kind("Deployment", options)["spec"]["template"]
    pod = {"metadata": {**template["metadata"], "name": "agent-1"}, "spec": template["spec"]}
    path = "/api/v1/namespaces/sekisho-system/pods?dryRun=All"
    admitted = restricted.ask("POST", path, pod)
    mounted = [one["name"] for one in admitted["spec"]["volumes"]]
    assert mounted == ["agent"], "no token of a service account"
    assert admitted["spec"]["terminationGracePeriodSeconds"] == 60


def test_agent_account_has_no_rights(restricted: OwnCluster, tmp_path: Path) -> None:
    apply(restricted, tmp_path, FULL)
    account = f"system:serviceaccount:sekisho-system:{AGENT}"
    for question in (
        ("get", "secrets", "-A"),
        ("create", "pods", "-A"),
        ("impersonate", "users"),
        ("get", f"secrets/{AGENT}", "-n", "sekisho-system"),
        ("create", f"serviceaccounts/{AGENT}", "--subresource=token", "-n", "sekisho-system"),
    ):
        assert not restricted.can_i(account, *question), question


def test_controller_may_change_only_the_agents_secret(
    restricted: OwnCluster, tmp_path: Path
) -> None:
    apply(restricted, tmp_path, PLAIN)
    controller = "system:serviceaccount:sekisho-system:sekisho-controller"
    where = ("-n", "sekisho-system")
    assert restricted.can_i(controller, "patch", f"secrets/{AGENT}", *where)
    assert not restricted.can_i(controller, "get", f"secrets/{AGENT}", *where)
    assert not restricted.can_i(controller, "patch", "secrets/another", *where)
    assert not restricted.can_i(controller, "patch", f"secrets/{AGENT}", "-n", "default")


def test_secrets_of_the_options_are_in_the_secret_only() -> None:
    everything = manifests(FULL)
    secrets = [one for one in everything if one["kind"] == "Secret"]
    others = json.dumps([one for one in everything if one["kind"] != "Secret"])
    assert "pass-word" not in others
    assert "secret-token" not in others
    assert secrets[0]["stringData"]["https-proxy"] == FULL.https_proxy
    assert "pass-word" not in repr(FULL)


def test_two_pods_prefer_distinct_nodes_and_zones() -> None:
    spec = pod_spec()
    assert {one["topologyKey"] for one in spec["topologySpreadConstraints"]} == {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    }
    assert {one["whenUnsatisfiable"] for one in spec["topologySpreadConstraints"]} == {
        "ScheduleAnyway"
    }
    deployment = of_kind("Deployment")["spec"]
    assert (deployment["replicas"], deployment["strategy"]["rollingUpdate"]) == (
        2,
        {"maxUnavailable": 0, "maxSurge": 1},
    )
    assert {one["tolerationSeconds"] for one in spec["tolerations"]} == {30}


def test_agent_without_a_private_ca_trusts_the_system() -> None:
    made = yaml.safe_load_all(as_yaml(manifests(ca_pem=None)))
    text = json.dumps(list(made))
    assert "ca.crt" not in text
    assert "--ca-file" not in text
