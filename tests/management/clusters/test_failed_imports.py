"""Importing a real cluster: what is made, what is stored, and what is left when it goes wrong."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from management.cluster_errors import AlreadyThere, BadRequest, ClusterError, DownstreamFailed
from management.clusters import ClusterService, Imported
from management.downstream import objects
from management.downstream.accounts import TOKEN_SECONDS
from management.downstream.apply import Action
from management.downstream.endpoint import Credential, Endpoint
from management.members import MemberService
from proxy.certificates import create_authority
from store.interfaces import CredentialSource, Store
from tests.management.clusters.conftest import OwnCluster, user

NOBODY = "https://127.0.0.1:1"


async def imported(store: Store, cluster: OwnCluster, **options: Any) -> Imported:
    return await ClusterService(store).import_cluster(
        "prod", cluster.endpoint, cluster.administrator, **options
    )


async def refusal(store: Store, endpoint: Endpoint, credential: Credential, **options: Any) -> str:
    """The one line that an import fails with, after which nothing is stored."""
    with pytest.raises(ClusterError) as caught:
        await ClusterService(store).import_cluster("prod", endpoint, credential, **options)
    assert await store.clusters.list_all() == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_an_import_makes_the_accounts_and_stores_the_cluster(
    clean: OwnCluster, store: Store
) -> None:
    result = await imported(store, clean)
    assert set(clean.ours()) == {
        f"{one['kind']} {one['metadata']['name']}" for one in objects.setup()
    }
    assert {step.action for step in result.steps} == {Action.CREATE}
    assert result.version == clean.version
    cluster = await store.clusters.get("prod")
    assert cluster is not None
    assert cluster == result.cluster
    assert cluster.servers == tuple(clean.servers)
    assert cluster.credential_source is CredentialSource.TOKEN_REQUEST


async def test_the_real_end_of_the_tokens_is_recorded(clean: OwnCluster, store: Store) -> None:
    cluster = (await imported(store, clean)).cluster
    assert cluster is not None
    assert cluster.tokens_expire_at is not None
    ends = cluster.tokens_expire_at - datetime.now(UTC)
    assert timedelta(0) <= timedelta(seconds=TOKEN_SECONDS) - ends < timedelta(minutes=1)


async def test_importing_again_changes_nothing_downstream_and_renews_the_record(
    clean: OwnCluster, store: Store
) -> None:
    first = (await imported(store, clean)).cluster
    before = clean.ours()
    again = await imported(store, clean)
    assert {step.action for step in again.steps} == {Action.UNCHANGED}
    assert clean.ours() == before
    assert again.cluster is not None
    assert first is not None
    assert (again.cluster.id, again.cluster.created_at) == (first.id, first.created_at)
    assert again.cluster.impersonator_token != first.impersonator_token


async def test_importing_again_keeps_by_which_name_users_are_known(
    clean: OwnCluster, store: Store
) -> None:
    await imported(store, clean, user_name="username")
    again = (await imported(store, clean)).cluster
    assert again is not None
    assert again.user_name == "username"
    await MemberService(store).grant("prod", "alice", "member")
    await imported(store, clean, user_name="id")
    assert clean.can_i(user("alice").id, "create", "deployments")
    assert not clean.can_i("local:alice", "create", "deployments")


async def test_importing_again_mends_what_was_changed(clean: OwnCluster, store: Store) -> None:
    await imported(store, clean)
    path = f"{objects.collection_path('ClusterRole')}/{objects.IMPERSONATOR}"
    clean.ask("PATCH", path, {"rules": []})
    steps = (await imported(store, clean)).steps
    assert [s.title for s in steps if s.action is Action.UPDATE] == [
        f"ClusterRole {objects.IMPERSONATOR}"
    ]
    assert len(clean.ask("GET", path)["rules"]) == 3


async def test_a_dry_run_on_an_empty_cluster_changes_nothing(
    clean: OwnCluster, store: Store
) -> None:
    result = await imported(store, clean, dry_run=True)
    assert result.cluster is None
    assert {step.action for step in result.steps} == {Action.CREATE}
    assert clean.ours() == {}
    assert await store.clusters.list_all() == []


async def test_a_dry_run_on_an_imported_cluster_changes_nothing(
    clean: OwnCluster, store: Store
) -> None:
    stored = (await imported(store, clean)).cluster
    path = f"{objects.collection_path('ClusterRole')}/{objects.IMPERSONATOR}"
    clean.ask("PATCH", path, {"rules": []})
    before = clean.ours()
    result = await imported(store, clean, dry_run=True)
    assert sum(step.action is Action.UPDATE for step in result.steps) == 1
    assert clean.ours() == before
    assert await store.clusters.get("prod") == stored


async def test_a_long_lived_secret_is_made_only_if_asked_for(
    clean: OwnCluster, store: Store
) -> None:
    cluster = (await imported(store, clean, long_lived=True)).cluster
    assert cluster is not None
    assert cluster.credential_source is CredentialSource.SECRET
    assert cluster.tokens_expire_at is None
    assert sum(name.startswith("Secret ") for name in clean.ours()) == 2


async def test_a_long_lived_secret_goes_when_it_is_not_needed_any_more(
    clean: OwnCluster, store: Store
) -> None:
    await imported(store, clean, long_lived=True)
    cluster = (await imported(store, clean)).cluster
    assert cluster is not None
    assert cluster.credential_source is CredentialSource.TOKEN_REQUEST
    assert not any(name.startswith("Secret ") for name in clean.ours())


@pytest.mark.parametrize("foreign", ["Namespace", "ClusterRole", "ClusterRoleBinding"])
async def test_an_object_that_is_not_ours_is_left_alone(
    clean: OwnCluster, store: Store, foreign: str
) -> None:
    manifest = next(one for one in objects.setup() if one["kind"] == foreign)
    path = objects.path_of(manifest)
    clean.ask("POST", objects.collection_path(foreign), manifest)
    clean.ask("PATCH", path, {"metadata": {"labels": {objects.MANAGED_BY: "helm"}}})
    before = clean.ask("GET", path)
    message = await refusal(store, clean.endpoint, clean.administrator)
    after = clean.ask("GET", path)
    clean.ask("PATCH", path, {"metadata": {"labels": objects.LABELS}})
    assert objects.title(manifest) in message
    assert "not made by Sekisho" in message
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_an_unreachable_cluster_leaves_nothing(store: Store, kubernetes: OwnCluster) -> None:
    endpoint = replace(kubernetes.endpoint, servers=(NOBODY,))
    assert NOBODY in await refusal(store, endpoint, kubernetes.administrator)


async def test_a_master_that_does_not_answer_stops_the_import_and_all_is_taken_back(
    clean: OwnCluster, store: Store
) -> None:
    endpoint = replace(clean.endpoint, servers=(clean.servers[0], NOBODY))
    message = await refusal(store, endpoint, clean.administrator)
    assert NOBODY in message
    assert "nothing was left behind" in message
    assert_taken_back(clean)


async def test_another_ca_is_told_from_a_wrong_name(kubernetes: OwnCluster, store: Store) -> None:
    other = create_authority("other", lifetime=timedelta(days=1), now=datetime.now(UTC))
    endpoint = replace(kubernetes.endpoint, ca_pem=other.certificate_pem.decode())
    message = await refusal(store, endpoint, kubernetes.administrator)
    assert "not signed by the given CA" in message
    endpoint = replace(kubernetes.endpoint, tls_server_name="other.example.test")
    message = await refusal(store, endpoint, kubernetes.administrator)
    assert "not for other.example.test" in message
    assert "--tls-server-name" in message


async def test_a_ca_that_is_none_is_refused(kubernetes: OwnCluster, store: Store) -> None:
    endpoint = replace(kubernetes.endpoint, ca_pem="nonsense")
    assert "PEM" in await refusal(store, endpoint, kubernetes.administrator)


async def test_the_name_in_the_certificate_may_be_given(clean: OwnCluster, store: Store) -> None:
    endpoint = replace(clean.endpoint, tls_server_name="kubernetes.default.svc")
    result = await ClusterService(store).import_cluster("prod", endpoint, clean.administrator)
    assert result.cluster is not None
    assert result.cluster.tls_server_name == "kubernetes.default.svc"


async def test_a_wrong_token_is_refused(kubernetes: OwnCluster, store: Store) -> None:
    message = await refusal(store, kubernetes.endpoint, Credential(token="wrong"))
    assert "401" in message
    assert "wrong" not in message


async def test_somebody_without_rights_is_refused_before_anything_is_made(
    clean: OwnCluster, store: Store
) -> None:
    message = await refusal(store, clean.endpoint, clean.certificate_for("nobody"))
    assert "403" in message
    assert "nobody" in message
    assert clean.ours() == {}


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ("roles", "Role sekisho-system/sekisho-controller could not be made"),
        ("serviceaccounts/token", "serviceaccounts"),
    ],
)
async def test_what_fails_half_way_is_taken_back(
    clean: OwnCluster, store: Store, lacking: str, said: str
) -> None:
    let_in_without(clean, lacking)
    message = await refusal(store, clean.endpoint, clean.certificate_for(f"no-{lacking}"))
    assert said in message
    assert "nothing was left behind" in message
    assert_taken_back(clean)


async def test_what_can_not_be_stored_is_taken_back(
    clean: OwnCluster, store: Store, tmp_path: Path
) -> None:
    refuse_writes(tmp_path / "store.db", "clusters")
    message = await refusal(store, clean.endpoint, clean.administrator)
    assert "nothing was left behind" in message
    assert_taken_back(clean)


async def test_a_cluster_is_here_under_one_name(clean: OwnCluster, store: Store) -> None:
    await imported(store, clean)
    service = ClusterService(store)
    with pytest.raises(AlreadyThere, match="here already, as"):
        await service.import_cluster("other", clean.endpoint, clean.administrator)
    elsewhere = replace(clean.endpoint, servers=(NOBODY,))
    with pytest.raises(AlreadyThere, match='a cluster "prod" already'):
        await service.import_cluster("prod", elsewhere, clean.administrator)


@pytest.mark.parametrize("name", ["", "Prod", "a b", "-a", "a/b", "c-aaaaaaaaaa", "a" * 64, "ü"])
async def test_a_name_that_can_not_be_in_a_url_is_refused(
    store: Store, kubernetes: OwnCluster, name: str
) -> None:
    with pytest.raises(BadRequest, match="can't be a cluster's name"):
        await ClusterService(store).import_cluster(
            name, kubernetes.endpoint, kubernetes.administrator
        )


async def test_a_removed_cluster_has_nothing_of_ours_and_can_be_imported_again(
    clean: OwnCluster, store: Store
) -> None:
    await imported(store, clean)
    removed = await ClusterService(store).remove("prod")
    assert f"Namespace {objects.NAMESPACE}" in removed.deleted
    assert await store.clusters.get("prod") is None
    # Waits for the cluster to collect its garbage.
    steps = (await imported(store, clean)).steps
    assert steps[0].action is Action.CREATE


async def test_a_cluster_that_is_gone_is_removed_only_if_told_so(
    clean: OwnCluster, store: Store
) -> None:
    cluster = (await imported(store, clean)).cluster
    assert cluster is not None
    await store.clusters.replace(replace(cluster, servers=(NOBODY,)))
    service = ClusterService(store)
    with pytest.raises(DownstreamFailed, match="--keep-downstream"):
        await service.remove("prod")
    assert await store.clusters.get("prod") is not None
    before = clean.ours()
    assert (await service.remove("prod", keep_downstream=True)).deleted == ()
    assert await store.clusters.get("prod") is None
    assert clean.ours() == before


def let_in_without(cluster: OwnCluster, lacking: str) -> None:
    """Make a user who may do all that an import takes but one thing, inside of namespaces."""
    user = f"no-{lacking}"
    name = user.replace("/", "-")
    inside = {"roles", "rolebindings", "serviceaccounts", "serviceaccounts/token"} - {lacking}
    rbac = "rbac.authorization.k8s.io"
    rules = [
        {
            "apiGroups": ["", rbac],
            "resources": ["namespaces", "clusterroles", "clusterrolebindings", *sorted(inside)],
            "verbs": ["*"],
        },
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
    ]
    reference = {"apiGroup": rbac, "kind": "ClusterRole", "name": name}
    for kind, content in (
        ("ClusterRole", {"rules": rules}),
        (
            "ClusterRoleBinding",
            {"roleRef": reference, "subjects": [{"apiGroup": rbac, "kind": "User", "name": user}]},
        ),
    ):
        cluster.ask("POST", objects.collection_path(kind), {"metadata": {"name": name}, **content})


def assert_taken_back(cluster: OwnCluster) -> None:
    """Nothing of ours is left, but for a namespace on its way out."""
    left = set(cluster.ours()) - {"Namespace sekisho-system"}
    assert {name for name in left if not name.startswith(("Role", "ServiceAccount"))} == set()
    if len(left) < len(cluster.ours()):
        namespace = cluster.ask("GET", f"/api/v1/namespaces/{objects.NAMESPACE}")
        assert namespace["status"]["phase"] == "Terminating"


def refuse_writes(database: Path, table: str) -> None:
    """Make a store that can be read, and whose disk is full as far as one table goes."""
    with sqlite3.connect(database) as connection:
        connection.execute(
            f"CREATE TRIGGER full BEFORE INSERT ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
