"""The recipe for Flux (docs/recipes/flux.md), with the real kustomize-controller."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kubectl_commands import ok
from tests.support.flux import Flux, running_flux
from tests.support.gitops_cluster import config_map, manifest_of, requests_of
from tests.support.go_programs import KUSTOMIZE_CONTROLLER, on_request
from tests.support.kubernetes import Kubernetes, kubectl
from tests.support.page_session import ROOT
from tests.support.sekisho import SekishoWithUsers
from tests.support.waiting import wait_until

pytestmark = [on_request, pytest.mark.timeout(3600)]

RECIPE = ROOT / "docs" / "recipes" / "flux.md"


@pytest.fixture(scope="module")
def flux(proxy: SekishoWithUsers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flux]:
    """Run Flux, with the Secret of the recipe for the account ``flux``, which is an owner."""
    proxy.users["flux"] = proxy.create_user("flux")
    proxy.change("admin", "cluster", "grant", "test", "--user", "flux", "--role", "owner")
    with running_flux(tmp_path_factory.mktemp("flux")) as running:
        running.add_secret("prod-kubeconfig", proxy.kubeconfig("flux", "test", "--ttl", "90d"))
        yield running


@pytest.fixture(scope="module")
def recipe() -> dict[str, Any]:
    return manifest_of(RECIPE, "Kustomization")


def test_recipe_names_the_version_that_is_tried() -> None:
    assert KUSTOMIZE_CONTROLLER.version.removeprefix("v") in RECIPE.read_text()


def test_flux_applies_corrects_and_prunes_through_the_gate(
    flux: Flux, recipe: dict[str, Any], proxy: SekishoWithUsers, alice: Path, namespace: str
) -> None:
    files = {f"shop/{name}.yaml": config_map(name, namespace) for name in ("kept", "left-out")}
    first = flux.push("shop", files)
    flux.apply("shop", recipe)
    flux.await_applied("shop", first)
    applied = ok(alice, "-n", namespace, "get", "cm", "kept", "-o", "json", "--show-managed-fields")
    managers = [one["manager"] for one in json.loads(applied)["metadata"]["managedFields"]]
    assert managers == ["kustomize-controller"]

    ok(alice, "-n", namespace, "delete", "cm", "kept")
    flux.reconcile("shop")
    ok(alice, "-n", namespace, "get", "cm", "kept")

    del files["shop/left-out.yaml"]
    flux.await_applied("shop", flux.push("shop", files))
    wait_until(lambda: kubectl(alice, "-n", namespace, "get", "cm", "left-out").returncode == 1)

    flux.cluster.kubectl("delete", "kustomization", "shop", "--timeout=170s")
    wait_until(lambda: kubectl(alice, "-n", namespace, "get", "cm", "kept").returncode == 1)
    written = [one for one in requests_of(proxy, "flux") if one["verb"] in ("patch", "delete")]
    assert {one["verb"] for one in written} == {"patch", "delete"}
    assert all(one["userAgent"].startswith("kustomize-controller") for one in written)


def test_flux_waits_for_the_health_of_what_it_applied(
    flux: Flux, recipe: dict[str, Any], kubernetes: Kubernetes, namespace: str
) -> None:
    pod = {"containers": [{"name": "web", "image": "registry.example.com/web"}]}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod},
        },
    }
    flux.push("healthy", {"shop/web.yaml": json.dumps(manifest)})
    flux.apply("healthy", recipe, wait=True, timeout="5s", retryInterval="1s")
    flux.await_failed("healthy", "health check failed")
    manifest["spec"] = {**manifest["spec"], "replicas": 0}  # type: ignore[dict-item]
    flux.await_applied("healthy", flux.push("healthy", {"shop/web.yaml": json.dumps(manifest)}))


def test_flux_is_refused_what_its_account_may_not_do(
    flux: Flux, recipe: dict[str, Any], proxy: SekishoWithUsers, namespace: str, alice: Path
) -> None:
    flux.add_secret("reader-kubeconfig", proxy.configs["carol"])
    flux.push("refused", {"shop/refused.yaml": config_map("refused", namespace)})
    reader = {"secretRef": {"name": "reader-kubeconfig"}}
    flux.apply("refused", recipe, kubeConfig=reader, retryInterval="1s")
    flux.await_failed("refused", "forbidden", f"ConfigMap/{namespace}/refused")
    assert kubectl(alice, "-n", namespace, "get", "cm", "refused").returncode == 1


def test_flux_stops_when_its_token_is_revoked(
    flux: Flux, recipe: dict[str, Any], proxy: SekishoWithUsers, namespace: str, alice: Path
) -> None:
    proxy.create_user("leaver")
    proxy.change("admin", "cluster", "grant", "test", "--user", "leaver", "--role", "owner")
    kubeconfig = proxy.kubeconfig("leaver", "test", "--ttl", "90d")
    flux.add_secret("leaver-kubeconfig", kubeconfig)
    leaver = {"secretRef": {"name": "leaver-kubeconfig"}}
    revision = flux.push("leaver", {"shop/one.yaml": config_map("before", namespace)})
    flux.apply("leaver", recipe, kubeConfig=leaver, retryInterval="1s")
    flux.await_applied("leaver", revision)
    token = kubeconfig.read_text().partition("token: ")[2].split()[0].strip("\"'")
    proxy.change("admin", "token", "revoke", token.partition(":")[0])
    flux.push("leaver", {"shop/two.yaml": config_map("after", namespace)})
    flux.await_failed("leaver", "credential")
    assert kubectl(alice, "-n", namespace, "get", "cm", "before").returncode == 0
    assert kubectl(alice, "-n", namespace, "get", "cm", "after").returncode == 1


def test_flux_service_account_is_an_impersonation_that_the_account_needs(
    flux: Flux, recipe: dict[str, Any], proxy: SekishoWithUsers, namespace: str, alice: Path
) -> None:
    account = "system:serviceaccount:flux-system:deployer"
    revision = flux.push("as-account", {"shop/one.yaml": config_map("as-account", namespace)})
    flux.apply("as-account", recipe, serviceAccountName="deployer", retryInterval="1s")
    flux.await_failed("as-account", "forbidden", account)
    role = ("create", "rolebinding", "deployer", "--clusterrole=edit", f"--user={account}")
    ok(alice, "-n", namespace, *role)
    flux.await_applied("as-account", revision)
    named = {one.get("impersonatedUser", {}).get("username") for one in requests_of(proxy, "flux")}
    assert account in named
