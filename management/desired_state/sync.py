"""Making a cluster what it shall be, once and now: for whoever waits for it.

The controllers do the same all the time (:mod:`management.controllers`). This is for a change that
somebody has just made, so that it holds when the answer comes, and for the command line, beside
which no server may run.
"""

from collections.abc import Collection

from management.cluster_records import controller_client
from management.downstream.client import ClusterClient
from management.downstream.errors import Missing
from management.downstream.objects import (
    PROJECT_LABEL,
    SELECTOR,
    Manifest,
    api_version,
    collection_path,
)
from management.wanted.accounts import USER_LABEL
from management.wanted.carrying_out import Outcome, carry_out_all, our_namespace
from management.wanted.difference import Change, Key, Verb, difference, key_of, labelled
from management.wanted.guard import guard
from management.wanted.namespaces import in_namespaces
from management.wanted.roles import cluster_wide
from management.wanted.snapshot import Snapshot, take_snapshot
from store.interfaces import Cluster, Store

CLUSTER_KINDS = ("ClusterRole", "ClusterRoleBinding")
NAMESPACED_KINDS = ("RoleBinding", "ResourceQuota", "LimitRange", "NetworkPolicy")
GUARD_KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


ROUNDS = 4
"""How often what there is is looked at, where somebody else writes at the same time."""


async def settle(store: Store, cluster: Cluster, projects: Collection[str] | None = ()) -> Outcome:
    """Settle what is cluster-wide, and what is in the namespaces of ``projects`` (None: of all).

    Raises BadRequest where there is no controller's token, DownstreamError and StoreUnavailable.
    """
    async with controller_client(cluster) as client:
        return await settle_with(client, await take_snapshot(store, cluster), projects)


async def settle_with(
    client: ClusterClient, snapshot: Snapshot, projects: Collection[str] | None
) -> Outcome:
    """The same with a client and a snapshot that are there already.

    Where its keeper writes at the same time, what there is is looked at again.
    """
    outcome = await _settled_once(client, snapshot, projects)
    for _ in range(ROUNDS - 1):
        if not outcome.clashed:
            break
        outcome = await _settled_once(client, snapshot, projects)
    return outcome


async def _settled_once(
    client: ClusterClient, snapshot: Snapshot, projects: Collection[str] | None
) -> Outcome:
    namespace_uid = await our_namespace(client)
    observed = await observe(client, CLUSTER_KINDS)
    cluster_id = snapshot.cluster.id
    wanted = labelled(cluster_wide(snapshot), cluster_id)
    if projects is None or projects:
        observed |= await _observe_namespaces(client, projects)
        wanted += labelled(in_namespaces(snapshot, projects), cluster_id)
    if projects is None:
        guarding = await observe_guard(client)
        if guarding is not None:
            observed |= guarding
            wanted += guard()
    changes = difference(wanted, observed, cluster_id)
    return await carry_out_all(client, _ours_to_say(changes, projects), namespace_uid)


async def observe(
    client: ClusterClient, kinds: Collection[str], selector: str = SELECTOR
) -> dict[Key, Manifest]:
    """Everything of ours of these kinds."""
    found = {}
    for kind in kinds:
        items, _ = await client.list_all(collection_path(kind), selector)
        for item in items:
            # The items of a list don't say what they are.
            whole = {**item, "kind": kind, "apiVersion": api_version(kind)}
            found[key_of(whole)] = whole
    return found


async def observe_guard(client: ClusterClient) -> dict[Key, Manifest] | None:
    """What there is of the guard; None where the cluster is too old to have one."""
    try:
        return await observe(client, GUARD_KINDS)
    except Missing:
        return None


async def _observe_namespaces(
    client: ClusterClient, projects: Collection[str] | None
) -> dict[Key, Manifest]:
    if projects is None:
        return await observe(client, NAMESPACED_KINDS)
    some = f"{SELECTOR},{PROJECT_LABEL} in ({','.join(sorted(projects))})"
    return await observe(client, NAMESPACED_KINDS, some)


def _ours_to_say(changes: list[Change], projects: Collection[str] | None) -> list[Change]:
    """Without what isn't for us to say here.

    Looking at some projects only, nothing is known of what another has in a namespace; and users'
    own accounts are their keeper's.
    """
    return [
        one
        for one in changes
        if one.verb is not Verb.DELETE
        or (not _is_account(one) and (projects is None or _concerns(one, projects)))
    ]


def _is_account(change: Change) -> bool:
    return USER_LABEL in (change.manifest["metadata"].get("labels") or {})


def _concerns(change: Change, projects: Collection[str]) -> bool:
    kind = change.manifest["kind"]
    labels = change.manifest["metadata"].get("labels") or {}
    return kind in CLUSTER_KINDS or labels.get(PROJECT_LABEL) in projects
