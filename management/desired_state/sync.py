"""Reconcile a cluster once, while a caller waits.

The controllers reconcile all the time (:mod:`management.controllers`). This module is for API
requests, so that a change is effective when the response arrives, and for the command line, which
may run without a server.
"""

from collections.abc import Collection

from management.desired_state.apply import ApplyResult, apply_all, sekisho_namespace_uid
from management.desired_state.cluster_rbac import cluster_wide
from management.desired_state.diff import (
    Key,
    ObjectAction,
    ObjectChange,
    diff,
    key_of,
    with_cluster_label,
)
from management.desired_state.label_policy import is_installed
from management.desired_state.namespace_objects import in_namespaces, is_of_broken
from management.desired_state.snapshot import Snapshot, take_snapshot
from management.desired_state.user_service_accounts import USER_LABEL
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import controller_client
from management.kubernetes.errors import ApiForbidden, ApiNotFound
from management.kubernetes.manifests import (
    PROJECT_LABEL,
    SELECTOR,
    Manifest,
    api_version,
    collection_path,
)
from store.interfaces import Store
from store.records import Cluster

CLUSTER_KINDS = ("ClusterRole", "ClusterRoleBinding")
NAMESPACED_KINDS = ("RoleBinding", "ResourceQuota", "LimitRange", "NetworkPolicy")
POLICY_KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


MAX_ROUNDS = 4
"""How often the cluster is observed if another client writes at the same time."""


async def reconcile_now(
    store: Store, cluster: Cluster, projects: Collection[str] | None = ()
) -> ApplyResult:
    """Reconcile cluster-wide objects, and those in namespaces of ``projects`` (None: of all).

    Raises:
        InvalidRequest: the cluster has no controller token.
        ClusterApiError, StoreError: the cluster or the store is not available.
    """
    async with controller_client(cluster) as client:
        return await reconcile_with(client, await take_snapshot(store, cluster), projects)


async def reconcile_with(
    client: ClusterClient, snapshot: Snapshot, projects: Collection[str] | None
) -> ApplyResult:
    """Reconcile as :func:`reconcile_now`, with an existing client and snapshot.

    If the reconciler writes at the same time, the cluster is observed again.
    """
    result = await _reconcile_once(client, snapshot, projects)
    for _ in range(MAX_ROUNDS - 1):
        if not result.conflict:
            break
        result = await _reconcile_once(client, snapshot, projects)
    return result


async def _reconcile_once(
    client: ClusterClient, snapshot: Snapshot, projects: Collection[str] | None
) -> ApplyResult:
    namespace_uid = await sekisho_namespace_uid(client)
    changes, broken = await plan_once(client, snapshot, projects)
    result = await apply_all(client, changes, namespace_uid)
    result.failed += [f"project {key}: {reason}" for key, reason in broken.items()]
    return result


async def plan_once(
    client: ClusterClient, snapshot: Snapshot, projects: Collection[str] | None
) -> tuple[list[ObjectChange], dict[str, str]]:
    """Return the changes that a reconciliation would make now, and why projects are left out.

    Changes nothing. ``projects`` is as for :func:`reconcile_now`.
    """
    observed = await observe(client, CLUSTER_KINDS)
    cluster_id = snapshot.cluster.id
    protected = await has_label_policy(client)
    desired = with_cluster_label(cluster_wide(snapshot, labels_protected=protected), cluster_id)
    broken: dict[str, str] = {}
    if projects is None or projects:
        observed |= await _observe_namespaces(client, projects)
        made = list(in_namespaces(snapshot, projects, broken=broken))
        desired += with_cluster_label(made, cluster_id)
    changes = [one for one in diff(desired, observed, cluster_id) if not is_of_broken(one, broken)]
    return _in_scope(changes, projects), broken


async def observe(
    client: ClusterClient, kinds: Collection[str], selector: str = SELECTOR
) -> dict[Key, Manifest]:
    """Return all objects of these kinds that Sekisho manages."""
    found = {}
    for kind in kinds:
        items, _ = await client.list_all(collection_path(kind), selector)
        for item in items:
            # Items of a list do not name their kind.
            whole = {**item, "kind": kind, "apiVersion": api_version(kind)}
            found[key_of(whole)] = whole
    return found


async def has_label_policy(client: ClusterClient) -> bool:
    """Return whether the label policy is installed. Kubernetes before 1.30 does not support it."""
    try:
        return is_installed(await observe(client, POLICY_KINDS))
    except (ApiNotFound, ApiForbidden):
        return False


async def _observe_namespaces(
    client: ClusterClient, projects: Collection[str] | None
) -> dict[Key, Manifest]:
    if projects is None:
        return await observe(client, NAMESPACED_KINDS)
    some = f"{SELECTOR},{PROJECT_LABEL} in ({','.join(sorted(projects))})"
    return await observe(client, NAMESPACED_KINDS, some)


def _in_scope(changes: list[ObjectChange], projects: Collection[str] | None) -> list[ObjectChange]:
    """Return changes without deletions that are out of scope.

    If only some projects were observed, the objects of other projects are unknown. Users' service
    accounts are left to the reconciler.
    """
    return [
        one
        for one in changes
        if one.action is not ObjectAction.DELETE
        or (not _is_account(one) and (projects is None or _concerns(one, projects)))
    ]


def _is_account(change: ObjectChange) -> bool:
    return USER_LABEL in (change.manifest["metadata"].get("labels") or {})


def _concerns(change: ObjectChange, projects: Collection[str]) -> bool:
    kind = change.manifest["kind"]
    labels = change.manifest["metadata"].get("labels") or {}
    return kind in CLUSTER_KINDS or labels.get(PROJECT_LABEL) in projects
