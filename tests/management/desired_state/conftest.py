"""Fixtures: a cluster with the label policy."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from management.kubernetes.manifests import PROJECT_LABEL
from store.access_records import Project
from store.interfaces import Store
from store.records import Cluster
from tests.management.conftest import OwnCluster
from tests.management.controllers.conftest import cluster  # noqa: F401
from tests.management.controllers.real_cluster import managed, quick_trust
from tests.management.desired_state.guarded_cluster import (
    ALICE,
    BOB,
    MINE,
    OWNER,
    Asking,
    bind_cluster_role,
    let_change_namespaces,
    make_namespace,
    members_may_place,
    policy_in_force,
)
from tests.store.records import NOW, a_binding
from tests.support.waiting import eventually


@pytest.fixture
async def guarded(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,  # noqa: F811
) -> AsyncIterator[Asking]:
    """A cluster with the label policy, a project, and users who may change every namespace."""
    await store.projects.create(Project("p-shop", cluster.id, "shop", NOW))
    await store.projects.create(Project("p-other", cluster.id, "other", NOW))
    for who, role, project in (
        (ALICE, "project-member", "p-shop"),
        (BOB, "project-owner", "p-shop"),
        (ALICE, "project-member", "p-other"),
    ):
        await store.bindings.create(a_binding(who, role, cluster.id, project))
    let_change_namespaces(kubernetes)
    bind_cluster_role(kubernetes, "guard-owner", "cluster-admin", ("User", OWNER))
    async with (
        managed(store, cluster, quick_trust) as reconciler,
        aiohttp.ClientSession() as session,
    ):
        await eventually(reconciler.trusts_labels)
        make_namespace(kubernetes, MINE, {PROJECT_LABEL: "p-shop"})
        asking = Asking(kubernetes, session)
        await eventually(lambda: policy_in_force(asking))
        await eventually(lambda: members_may_place(asking))
        yield asking
