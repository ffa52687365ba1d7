"""Fixtures for tests of the reconciler with a real cluster."""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from management.clusters.project_namespaces import ProjectNamespaces
from management.clusters.service import ClusterService
from management.controllers.reconciler import ClusterReconciler
from management.kubernetes.manifests import collection_path
from proxy.demo.local_cluster import RequestError
from store.access_records import Project
from store.interfaces import Store
from store.records import Cluster
from tests.management.conftest import OwnCluster
from tests.management.controllers.real_cluster import (
    ALICE,
    MakeNamespace,
    drift_namespace,
    managed,
    quick_trust,
)
from tests.store.records import NOW, a_binding
from tests.support.waiting import eventually


@pytest.fixture
async def cluster(clean: OwnCluster, store: Store) -> Cluster:
    """The cluster, imported as ``prod``."""
    result = await ClusterService(store).import_cluster("prod", clean.endpoint, clean.administrator)
    assert result.cluster is not None
    return result.cluster


@pytest.fixture
async def project(store: Store, cluster: Cluster) -> Project:
    """A project in which alice is a member."""
    made = Project("p-shop", cluster.id, "shop", NOW)
    await store.projects.create(made)
    await store.bindings.create(a_binding(ALICE, "project-member", cluster.id, "p-shop"))
    return made


@pytest.fixture
async def reconciler(store: Store, cluster: Cluster) -> AsyncIterator[ClusterReconciler]:
    """The reconciler of the cluster, which is in sync and trusts labels."""
    async with managed(store, cluster, quick_trust) as made:
        await eventually(made.trusts_labels)
        yield made


@pytest.fixture
async def other_project(store: Store, project: Project) -> Project:
    """A project of the same cluster, without members."""
    made = replace(project, id="p-other", name="other")
    await store.projects.create(made)
    return made


@pytest.fixture
def namespaces(store: Store, cluster: Cluster) -> ProjectNamespaces:
    """What the API uses to change the namespaces of projects in the cluster."""
    return ProjectNamespaces(store, cluster)


@pytest.fixture
async def drift(store: Store, cluster: Cluster, project: Project) -> str:
    """The namespace ``drift`` in the project."""
    return await drift_namespace(store, cluster, project)


@pytest.fixture
def namespace(clean: OwnCluster) -> MakeNamespace:
    """Return a function that creates namespaces with unique names, since deletions take long."""

    def make(name: str, labels: dict[str, str] | None = None) -> str:
        name = f"{name}-{make.__hash__() % 10**6}"
        body = {"metadata": {"name": name, "labels": labels or {}}}
        with suppress(RequestError):
            clean.ask("POST", collection_path("Namespace"), body)
        return name

    return make


@pytest.fixture
def namespace_editors(kubernetes: OwnCluster) -> Iterator[None]:
    """Let mallory and alice change every namespace, for one test."""
    rbac = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "patch"]}
    role = {"metadata": {"name": "namespace-editor"}, "rules": [rule]}
    subjects = [{"kind": "User", "apiGroup": rbac, "name": name} for name in ("mallory", ALICE)]
    reference = {"apiGroup": rbac, "kind": "ClusterRole", "name": "namespace-editor"}
    binding = {"metadata": role["metadata"], "roleRef": reference, "subjects": subjects}
    made = (("ClusterRole", role), ("ClusterRoleBinding", binding))
    for kind, body in made:
        kubernetes.ask("POST", collection_path(kind), body)
    yield
    for kind, _ in made:
        kubernetes.ask("DELETE", f"{collection_path(kind)}/namespace-editor")
