"""The recipe for Argo CD (docs/recipes/argo-cd.md), with the real controller and repo server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.kubectl_commands import ok
from tests.support.argo_cd import ArgoCd, cluster_secret, running_argo_cd
from tests.support.gitops_cluster import Object, config_map, manifest_of, requests_of
from tests.support.go_programs import ARGO_CD, on_request
from tests.support.kubernetes import kubectl
from tests.support.page_session import ROOT
from tests.support.sekisho import SekishoWithUsers
from tests.support.waiting import wait_until

pytestmark = [on_request, pytest.mark.timeout(3600)]

RECIPE = ROOT / "docs" / "recipes" / "argo-cd.md"


@pytest.fixture(scope="module")
def argo_cd(proxy: SekishoWithUsers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArgoCd]:
    """Run Argo CD, with the recipe's Secret for the account ``argocd``, which is an owner."""
    add_account(proxy, "argocd", "owner")
    with running_argo_cd(tmp_path_factory.mktemp("argo-cd")) as running:
        running.cluster.apply(secret(proxy, "argocd", "prod"))
        yield running


def add_account(proxy: SekishoWithUsers, name: str, role: str) -> None:
    proxy.users[name] = proxy.create_user(name)
    proxy.change("admin", "cluster", "grant", "test", "--user", name, "--role", role)


def secret(proxy: SekishoWithUsers, user: str, name: str) -> Object:
    """Return the recipe's Secret for a user's kubeconfig, under a name."""
    kubeconfig = yaml.safe_load(proxy.kubeconfig(user, "test", "--ttl", "90d").read_text())
    cluster, who = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
    manifest = manifest_of(RECIPE, "Secret")
    # Argo CD has one Secret per address, and the query tells these of the same cluster apart.
    made = cluster_secret(
        manifest, cluster["server"], who["token"], cluster["certificate-authority-data"]
    )
    made["metadata"] |= {"name": name}
    made["stringData"] |= {"name": name}
    return made


def test_recipe_names_the_version_that_is_tried() -> None:
    assert ARGO_CD.version.removeprefix("v") in RECIPE.read_text()


def test_argo_cd_syncs_heals_and_prunes_through_the_gate(
    argo_cd: ArgoCd, proxy: SekishoWithUsers, namespace: str, alice: Path
) -> None:
    files = {f"{name}.json": config_map(name, namespace) for name in ("kept", "left-out")}
    commit = argo_cd.push("shop", files)
    argo_cd.apply("shop", "prod")
    argo_cd.await_synced("shop", commit)
    print("open watches:", proxy.metric('sekisho_open_watches{cluster="test"}'))

    uid = ok(alice, "-n", namespace, "get", "cm", "kept", "-o", "jsonpath={.metadata.uid}")
    ok(alice, "-n", namespace, "delete", "cm", "kept")
    there = ("-n", namespace, "get", "cm", "kept", "-o", "jsonpath={.metadata.uid}")
    wait_until(lambda: kubectl(alice, *there).stdout not in ("", uid), 300, "the healed object")

    del files["left-out.json"]
    commit = argo_cd.push("shop", files)
    argo_cd.refresh("shop")
    argo_cd.await_synced("shop", commit)
    wait_until(lambda: kubectl(alice, "-n", namespace, "get", "cm", "left-out").returncode == 1)

    argo_cd.cluster.kubectl("delete", "application", "shop", "--timeout=170s")
    assert kubectl(alice, "-n", namespace, "get", "cm", "kept").returncode == 1
    seen = requests_of(proxy, "argocd")
    assert {"list", "watch", "create", "delete"} <= {one["verb"] for one in seen}
    assert all(one["userAgent"].startswith("argocd-") for one in seen)


def test_argo_cd_is_refused_what_its_account_may_not_do(
    argo_cd: ArgoCd, proxy: SekishoWithUsers, namespace: str, alice: Path
) -> None:
    """The account is exchanged in the Secret, as for a new token."""
    add_account(proxy, "argocd-reader", "read-only")
    argo_cd.cluster.apply(secret(proxy, "argocd-reader", "prod"))
    try:
        argo_cd.push("refused", {"refused.json": config_map("refused", namespace)})
        argo_cd.apply("refused", "prod")

        def refused(status: Object) -> bool:
            return "forbidden" in json.dumps(status)

        argo_cd.await_status("refused", refused)
        assert kubectl(alice, "-n", namespace, "get", "cm", "refused").returncode == 1
    finally:
        argo_cd.cluster.apply(secret(proxy, "argocd", "prod"))


def test_argo_cd_stops_when_its_token_is_revoked(
    argo_cd: ArgoCd, proxy: SekishoWithUsers, namespace: str, alice: Path
) -> None:
    add_account(proxy, "argocd-leaver", "owner")
    leaver = secret(proxy, "argocd-leaver", "prod")
    argo_cd.cluster.apply(leaver)
    try:
        commit = argo_cd.push("leaver", {"before.json": config_map("before", namespace)})
        argo_cd.apply("leaver", "prod")
        argo_cd.await_synced("leaver", commit)
        token = json.loads(leaver["stringData"]["config"])["bearerToken"]
        proxy.change("admin", "token", "revoke", token.partition(":")[0])
        argo_cd.push("leaver", {"after.json": config_map("after", namespace)})
        argo_cd.refresh("leaver")
        argo_cd.await_status("leaver", lambda now: "credential" in json.dumps(now))
        assert kubectl(alice, "-n", namespace, "get", "cm", "before").returncode == 0
        assert kubectl(alice, "-n", namespace, "get", "cm", "after").returncode == 1
    finally:
        argo_cd.cluster.apply(secret(proxy, "argocd", "prod"))
