"""Import a real cluster: objects created, data stored, and roll-back after failures."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from management.clusters.members import MemberService
from management.clusters.service import ClusterService, ImportResult
from management.clusters.service_account_tokens import TOKEN_SECONDS
from management.desired_state.diff import ObjectAction
from management.desired_state.installation import installation
from management.errors import AlreadyExists, ClusterOperationFailed
from management.kubernetes import manifests
from store.interfaces import Store
from store.records import CredentialSource
from tests.management.clusters.unreachable import (
    UNREACHABLE,
)
from tests.management.conftest import OwnCluster, user
from tests.support.fault_proxy import FaultProxy
from tests.support.waiting import eventually


async def imported(store: Store, cluster: OwnCluster, **options: Any) -> ImportResult:
    return await ClusterService(store).import_cluster(
        "prod", cluster.endpoint, cluster.administrator, **options
    )


async def test_import_creates_the_accounts_and_stores_the_cluster(
    clean: OwnCluster, store: Store
) -> None:
    result = await imported(store, clean)
    assert set(clean.managed_objects()) == {
        f"{one['kind']} {one['metadata']['name']}" for one in installation()
    }
    assert {one.action for one in result.changes} == {ObjectAction.CREATE}
    assert result.version == clean.version
    cluster = await store.clusters.get("prod")
    assert cluster is not None
    assert cluster == result.cluster
    assert cluster.servers == tuple(clean.servers)
    assert cluster.credential_source is CredentialSource.TOKEN_REQUEST


async def test_import_stores_the_real_expiration_of_the_tokens(
    clean: OwnCluster, store: Store
) -> None:
    cluster = (await imported(store, clean)).cluster
    assert cluster is not None
    assert cluster.tokens_expire_at is not None
    ends = cluster.tokens_expire_at - datetime.now(UTC)
    assert timedelta(0) <= timedelta(seconds=TOKEN_SECONDS) - ends < timedelta(minutes=1)


async def test_repeated_import_changes_nothing_in_the_cluster_and_renews_the_record(
    clean: OwnCluster, store: Store
) -> None:
    first = (await imported(store, clean)).cluster
    before = clean.managed_objects()
    again = await imported(store, clean)
    assert {one.action for one in again.changes} == {ObjectAction.UNCHANGED}
    assert clean.managed_objects() == before
    assert again.cluster is not None
    assert first is not None
    assert (again.cluster.id, again.cluster.created_at) == (first.id, first.created_at)
    assert again.cluster.impersonator_token != first.impersonator_token


async def test_repeated_import_keeps_the_username_mapping(clean: OwnCluster, store: Store) -> None:
    await imported(store, clean, username_mapping="username")
    again = (await imported(store, clean)).cluster
    assert again is not None
    assert again.username_mapping == "username"
    await MemberService(store).grant("prod", "alice", "member")
    await imported(store, clean, username_mapping="id")
    assert clean.can_i(user("alice").id, "create", "deployments")
    assert not clean.can_i("local:alice", "create", "deployments")


async def test_repeated_import_repairs_changed_objects(clean: OwnCluster, store: Store) -> None:
    await imported(store, clean)
    path = f"{manifests.collection_path('ClusterRole')}/{manifests.IMPERSONATOR}"
    clean.ask("PATCH", path, {"rules": []})
    steps = (await imported(store, clean)).changes
    assert [s.title for s in steps if s.action is ObjectAction.UPDATE] == [
        f"ClusterRole {manifests.IMPERSONATOR}"
    ]
    assert len(clean.ask("GET", path)["rules"]) == 3


async def test_dry_run_on_an_empty_cluster_changes_nothing(clean: OwnCluster, store: Store) -> None:
    result = await imported(store, clean, dry_run=True)
    assert result.cluster is None
    assert {one.action for one in result.changes} == {ObjectAction.CREATE}
    assert clean.managed_objects() == {}
    assert await store.clusters.list_all() == []


async def test_dry_run_on_an_imported_cluster_changes_nothing(
    clean: OwnCluster, store: Store
) -> None:
    stored = (await imported(store, clean)).cluster
    path = f"{manifests.collection_path('ClusterRole')}/{manifests.IMPERSONATOR}"
    clean.ask("PATCH", path, {"rules": []})
    before = clean.managed_objects()
    result = await imported(store, clean, dry_run=True)
    assert sum(one.action is ObjectAction.UPDATE for one in result.changes) == 1
    assert clean.managed_objects() == before
    assert await store.clusters.get("prod") == stored


async def test_import_creates_a_long_lived_secret_only_on_request(
    clean: OwnCluster, store: Store
) -> None:
    cluster = (await imported(store, clean, long_lived=True)).cluster
    assert cluster is not None
    assert cluster.credential_source is CredentialSource.SECRET
    assert cluster.tokens_expire_at is None
    assert sum(name.startswith("Secret ") for name in clean.managed_objects()) == 2


async def test_repeated_import_deletes_an_unused_long_lived_secret(
    clean: OwnCluster, store: Store
) -> None:
    await imported(store, clean, long_lived=True)
    cluster = (await imported(store, clean)).cluster
    assert cluster is not None
    assert cluster.credential_source is CredentialSource.TOKEN_REQUEST
    assert not any(name.startswith("Secret ") for name in clean.managed_objects())


async def test_import_with_a_tls_server_name_succeeds(clean: OwnCluster, store: Store) -> None:
    endpoint = replace(clean.endpoint, tls_server_name="kubernetes.default.svc")
    result = await ClusterService(store).import_cluster("prod", endpoint, clean.administrator)
    assert result.cluster is not None
    assert result.cluster.tls_server_name == "kubernetes.default.svc"


async def test_cluster_is_stored_under_one_name(clean: OwnCluster, store: Store) -> None:
    await imported(store, clean)
    service = ClusterService(store)
    with pytest.raises(AlreadyExists, match="here already, as"):
        await service.import_cluster("other", clean.endpoint, clean.administrator)
    elsewhere = replace(clean.endpoint, servers=(UNREACHABLE,))
    with pytest.raises(AlreadyExists, match='a cluster "prod" already'):
        await service.import_cluster("prod", elsewhere, clean.administrator)


async def test_removed_cluster_has_no_managed_objects_and_can_be_imported_again(
    clean: OwnCluster, store: Store
) -> None:
    await imported(store, clean)
    removed = await ClusterService(store).remove("prod")
    assert f"Namespace {manifests.NAMESPACE}" in removed.deleted
    assert await store.clusters.get("prod") is None
    # Waits for the garbage collection of the cluster.
    steps = (await imported(store, clean)).changes
    assert steps[0].action is ObjectAction.CREATE


async def test_unreachable_cluster_is_removed_only_with_keep_cluster_objects(
    clean: OwnCluster, store: Store
) -> None:
    cluster = (await imported(store, clean)).cluster
    assert cluster is not None
    await store.clusters.replace(replace(cluster, servers=(UNREACHABLE,)))
    service = ClusterService(store)
    with pytest.raises(ClusterOperationFailed, match="--keep-cluster-objects"):
        await service.remove("prod")
    assert await store.clusters.get("prod") is not None
    before = clean.managed_objects()
    assert (await service.remove("prod", keep_cluster_objects=True)).deleted == ()
    assert await store.clusters.get("prod") is None
    assert clean.managed_objects() == before


async def test_removal_that_another_one_overtakes_succeeds(clean: OwnCluster, store: Store) -> None:
    """The cluster does not respond to the first removal until the second is done."""
    cluster = (await imported(store, clean)).cluster
    assert cluster is not None
    service = ClusterService(store)
    target = urlsplit(clean.servers[0]).port
    assert target is not None
    with FaultProxy(target) as slow:
        address = f"https://127.0.0.1:{slow.port}"
        await store.clusters.replace(replace(cluster, servers=(address,)))
        slow.stall()
        first = asyncio.create_task(service.remove("prod"))
        await eventually(lambda: slow.accepted)
        await service.remove("prod", keep_cluster_objects=True)
        assert not first.done()
        slow.clear_faults()
        assert (await first).deleted
    assert await store.clusters.get("prod") is None
