"""The claim: which Sekisho orders clusters in a management cluster.

All Sekishos would use one account, one role, and one guard there, so a cluster is the management
cluster of one. The claim is a ClusterRole without rules, with the id of the record of the cluster
and the external URL of the Sekisho as annotations. It is the first object that is made and the last
that is removed. The API server creates a name once, so that of two that claim a cluster at once,
one is refused.

A claim that is taken over is made again, with another uid: the former owner can't delete it by
mistake. The account is deleted and made again, too, which ends the former owner's token.
"""

from dataclasses import dataclass

from management.desired_state.apply import sekisho_namespace_uid, with_owner_reference
from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import ApiConflict
from management.kubernetes.manifests import (
    LABELS,
    OWNER,
    OWNER_URL,
    PROVISIONER_CLAIM,
    Manifest,
    api_version,
    collection_path,
    path_of,
)
from management.kubernetes.validation import mapping, text
from management.provisioning.rights import account
from management.provisioning.suitability import UnsuitableCluster

_ATTEMPTS = 3
"""How often a claim that changes meanwhile is read again."""


class UsedByAnother(UnsuitableCluster):
    """Another Sekisho orders clusters in the cluster, or may do so."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A Sekisho that orders clusters: its record of the management cluster, and its URL."""

    record: str
    url: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim in the cluster."""

    owner: Owner
    uid: str


async def take(client: ClusterClient, owner: Owner, *, known: bool, take_over: bool) -> bool:
    """Claim the cluster. Return whether the claim is new. May be repeated.

    ``known``: ``owner`` has a record of its account there, so an account without a claim, made by
    an earlier version, is its own. ``take_over`` takes the claim from any other.

    Raises:
        UsedByAnother: another Sekisho has the cluster, or an account there has no known owner.
        ClusterApiError: the cluster rejected a change or did not respond.
    """
    if not known and not take_over:
        await require_known_owner(client)
    for _ in range(_ATTEMPTS):
        found = await find(client)
        if found is not None and found.owner.record == owner.record:
            await _keep_url(client, found, owner)
            return False
        if found is not None and not take_over:
            raise _used_by(found)
        try:
            if found is not None:
                await client.delete(path_of(_role()), found.uid)
            uid = await sekisho_namespace_uid(client)
            made = with_owner_reference(_role(owner), uid)
            await client.create(collection_path(made["kind"]), made)
        except ApiConflict:
            continue  # Another was faster: the next round names it.
        return True
    raise UsedByAnother("another Sekisho claims the cluster at the same time: try again")


async def require_own(client: ClusterClient, record: str) -> None:
    """Raise UsedByAnother if the claim is another's, and ClusterApiError.

    Without a claim, an earlier version of this Sekisho made the account.
    """
    found = await find(client)
    if found is not None and found.owner.record != record:
        raise _used_by(found)


async def require_known_owner(client: ClusterClient) -> None:
    """Raise UsedByAnother if there is an account without a claim, and ClusterApiError."""
    if await client.find(path_of(account())) is None or await find(client) is not None:
        return
    raise UsedByAnother(
        "an account of a Sekisho that is not known, of an earlier version, orders clusters there. "
        "Disable it there, or take the cluster over: `sekisho cluster management enable "
        "--take-over`"
    )


async def release(client: ClusterClient, record: str) -> bool:
    """Remove the claim of ``record``. Return whether there was one.

    Raises:
        ClusterApiError: the cluster rejected the deletion or did not respond.
    """
    found = await find(client)
    if found is None or found.owner.record != record:
        return False
    try:
        return await client.delete(path_of(_role()), found.uid)
    except ApiConflict:  # Taken over meanwhile.
        return False


async def find(client: ClusterClient) -> Claim | None:
    """Return the claim in the cluster. Raises ClusterApiError."""
    found = await client.find(path_of(_role()))
    if found is None:
        return None
    noted = mapping(found["metadata"].get("annotations"))
    owner = Owner(text(noted.get(OWNER)) or "", text(noted.get(OWNER_URL), 300) or "")
    return Claim(owner, found["metadata"]["uid"])


async def _keep_url(client: ClusterClient, claim: Claim, owner: Owner) -> None:
    """Write the URL of a Sekisho that has moved."""
    if claim.owner.url != owner.url:
        await client.patch(path_of(_role()), {"metadata": {"annotations": {OWNER_URL: owner.url}}})


def _used_by(claim: Claim) -> UsedByAnother:
    return UsedByAnother(
        f'the Sekisho at "{claim.owner.url}" orders clusters there, where it has the cluster as '
        f'"{claim.owner.record}", and they would use one account. Disable it there, or, if that '
        "one does not use it any longer, take the cluster over: `sekisho cluster management enable "
        "--take-over`"
    )


def _role(owner: Owner | None = None) -> Manifest:
    """Return the claim, with the annotations of its owner."""
    noted = {OWNER: owner.record, OWNER_URL: owner.url} if owner is not None else {}
    metadata = {"name": PROVISIONER_CLAIM, "labels": dict(LABELS), "annotations": noted}
    kind = "ClusterRole"
    return {"apiVersion": api_version(kind), "kind": kind, "metadata": metadata, "rules": []}
