"""Make an imported cluster a management cluster, and an ordinary one again.

Sekisho's controller there makes the provisioner's account, its rights, and the guard, with the
rights that every import gives it. The account's token is verified at every API server, guard
included, before it is returned. A cluster that another Sekisho has claimed (:mod:`.ownership`) is
left alone.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from management.clusters.operation_errors import cluster_operation
from management.clusters.rollback import describe_leftovers, roll_back
from management.clusters.service_account_tokens import TOKEN_SECONDS, request_token
from management.desired_state.apply import (
    apply_install,
    plan_install,
    sekisho_namespace_uid,
    with_owner_reference,
)
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import controller_client
from management.kubernetes.errors import (
    ApiForbidden,
    ApiRequestFailed,
    ClusterApiError,
    refused_by_policy,
)
from management.kubernetes.manifests import (
    NAMESPACE,
    ORDER_PREFIX,
    PROVISIONER,
    PROVISIONER_CLAIM,
    SELECTOR,
    Manifest,
    collection_path,
    is_managed,
    path_of,
    title,
)
from management.provisioning.account_check import require_classes, verify_account
from management.provisioning.guard import guard
from management.provisioning.ownership import (
    Owner,
    UsedByAnother,
    release,
    require_known_owner,
    require_own,
    take,
)
from management.provisioning.rights import account, account_objects
from management.provisioning.suitability import UnsuitableCluster, require_engine, require_namespace
from store.records import Cluster


@dataclass(frozen=True, slots=True)
class ProvisionerToken:
    """A token of Sekisho's account in a management cluster, and when it expires."""

    token: str = field(repr=False)
    expires_at: datetime


async def set_up(
    cluster: Cluster,
    namespace: str,
    classes: Sequence[str],
    *,
    url: str,
    before: str | None = None,
    take_over: bool = False,
) -> ProvisionerToken:
    """Make the account, its rights, and the guard; return a verified token. May be repeated.

    If a step fails, what was created is deleted again. The guard keeps the namespace ``before`` out
    of projects as well, until :func:`leave_other_namespaces`: it is the one in use if a step fails.
    None: this Sekisho orders no clusters there yet. ``url`` is Sekisho's own, for the claim.

    Raises:
        UnsuitableCluster: the cluster has no Cluster API that Sekisho supports, or no admission
            policies, or members of a project could read the namespace.
        UsedByAnother: another Sekisho orders clusters there, and ``take_over`` is not set.
        InvalidRequest: the namespace or one of ``classes`` does not exist.
        ClusterOperationFailed: the cluster rejected a step or did not respond.
    """
    owner = Owner(cluster.id, url)
    async with cluster_operation(cluster.name), controller_client(cluster) as client:
        await require_engine(client)
        await require_namespace(client, namespace)
        async with _rights_explained():
            claimed = await take(client, owner, known=before is not None, take_over=take_over)
        created: list[Manifest] = []
        try:
            if claimed and take_over:  # Ends the tokens of the former owner.
                await client.delete(path_of(account()))
            await _install(client, namespace, before or namespace, created)
            token, expires_at = await request_token(client, PROVISIONER, TOKEN_SECONDS)
            await verify_account(client.endpoint, token, namespace)
            await require_classes(client.endpoint, token, namespace, classes)
            await require_own(client, owner.record)
        except BaseException as exc:
            remaining = await _undo(client, owner, created, claimed=claimed)
            if isinstance(exc, ClusterApiError) and remaining:
                raise ApiRequestFailed(f"{exc}; {describe_leftovers(remaining)}") from exc
            raise
    return ProvisionerToken(token, expires_at)


async def _undo(
    client: ClusterClient, owner: Owner, created: Sequence[Manifest], *, claimed: bool
) -> list[str]:
    """Delete what was created, the claim last. Return the titles of what remains."""
    try:
        await require_own(client, owner.record)
    except UsedByAnother:
        return []  # Taken over meanwhile: all of it is the other's.
    except ClusterApiError:
        pass  # The deletions say what remains.
    remaining = await roll_back(client, created)
    try:
        if claimed and not remaining:
            await release(client, owner.record)
    except ClusterApiError:
        remaining.append(f"ClusterRole {PROVISIONER_CLAIM}")
    return remaining


async def tear_down(cluster: Cluster, *, known: bool = True) -> list[str]:
    """Remove the account, its rights, and the guard. Return the titles of what existed.

    Rights are found in every namespace, so that no record is needed: a request that ended half-way
    may have left them. May be repeated. ``known``: there was a record.

    Raises:
        UsedByAnother: another Sekisho orders clusters there; nothing was removed.
        ClusterOperationFailed: the cluster rejected a deletion or did not respond.
    """
    async with cluster_operation(cluster.name), controller_client(cluster) as client:
        await require_own(client, cluster.id)
        if not known:
            await require_known_owner(client)
        # Bindings before the account, and the guard last: a token never has rights without it.
        rights = [*await _rights(client, "RoleBinding"), *await _rights(client, "ClusterRole")]
        removed = [title(one) for one in rights if await client.delete(path_of(one))]
        for one in (account(), *reversed(guard())):
            found = await client.find(path_of(one))
            if found is not None and is_managed(found) and await client.delete(path_of(one)):
                removed.append(title(one))
        # Last: no other Sekisho begins before.
        if await release(client, cluster.id):
            removed.append(f"ClusterRole {PROVISIONER_CLAIM}")
    return removed


async def leave_other_namespaces(cluster: Cluster, used: str) -> None:
    """Remove the account's rights from all namespaces but the used one, and guard that one only.

    Raises:
        ClusterOperationFailed: the cluster rejected a change or did not respond.
    """
    async with cluster_operation(cluster.name), controller_client(cluster) as client:
        for binding in await _rights(client, "RoleBinding"):
            if binding["metadata"]["namespace"] != used:
                await client.delete(path_of(binding))
        uid = await sekisho_namespace_uid(client)
        changes = [with_owner_reference(one, uid) for one in guard(used)]
        await apply_install(client, await plan_install(client, changes), [])


async def renewed_token(cluster: Cluster) -> ProvisionerToken:
    """Return a new token of the account.

    Raises:
        UsedByAnother: another Sekisho has taken the cluster over.
        ClusterOperationFailed: the cluster gave no token or did not respond.
        InvalidRequest: the controller's token cannot be decrypted.
    """
    async with cluster_operation(cluster.name), controller_client(cluster) as client:
        issued = ProvisionerToken(*await request_token(client, PROVISIONER, TOKEN_SECONDS))
        # Afterwards: the account may have become another's before the request.
        await require_own(client, cluster.id)
        return issued


async def _install(
    client: ClusterClient, namespace: str, before: str, created: list[Manifest]
) -> None:
    """Make the objects, the guard first. Add new ones to ``created``."""
    uid = await sekisho_namespace_uid(client)
    objects = [
        one if one["metadata"].get("namespace") == NAMESPACE else with_owner_reference(one, uid)
        for one in (*guard(namespace, before), *account_objects(namespace))
    ]
    async with _rights_explained():
        changes = await plan_install(client, objects)
    await apply_install(client, changes, created)


@asynccontextmanager
async def _rights_explained() -> AsyncIterator[None]:
    """Raise UnsuitableCluster if the controller has too few rights for the block."""
    try:
        yield
    except ApiForbidden as exc:
        if refused_by_policy(exc) is not None or exc.status != 403:
            raise
        raise UnsuitableCluster(
            "Sekisho's controller has too few rights in the cluster: import it again, as an "
            "administrator of the cluster"
        ) from exc


async def _rights(client: ClusterClient, kind: str) -> list[Manifest]:
    """Return the account's roles or bindings, with those of orders, in every namespace."""
    items, _ = await client.list_all(collection_path(kind), SELECTOR)
    return [{**one, "kind": kind} for one in items if _is_right(one["metadata"]["name"])]


def _is_right(name: str) -> bool:
    return name == PROVISIONER or name.startswith(ORDER_PREFIX)
