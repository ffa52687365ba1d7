"""Write desired objects to a cluster. Objects that Sekisho does not manage are left alone.

There are two ways to write, with one kind of change (:class:`.diff.ObjectChange`):

- A reconciler knows the observed objects, so :func:`.diff.diff` plans without I/O. An update
  replaces the object that was observed (:func:`apply_one`, PUT with its ``resourceVersion``).
- An import has rights that are not known beforehand, and objects to which the cluster adds fields
  (service accounts, Secrets). :func:`plan_install` applies each object as a server-side dry run: it
  finds missing rights and rejections by admission before anything changes. :func:`apply_install`
  then applies the objects server-side.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from management.desired_state.diff import ObjectAction, ObjectChange, is_up_to_date
from management.kubernetes.client import POLL_SECONDS, ClusterClient
from management.kubernetes.errors import (
    ApiConflict,
    ApiRequestFailed,
    ApiUnreachable,
    ClusterApiError,
    NotManagedError,
)
from management.kubernetes.manifests import (
    MANAGED_BY,
    NAMESPACE,
    Manifest,
    collection_path,
    is_managed,
    path_of,
    title,
)

TERMINATING_SECONDS = 30.0
"""How long to wait for a namespace that is being deleted."""

_VOLATILE = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")
"""Fields of the metadata that each write changes."""


@dataclass(slots=True)
class ApplyResult:
    """The result of a number of changes.

    ``done`` lists the changes made, ``failed`` those that failed, each as a sentence.
    ``unreachable``: the cluster does not respond, so the remaining changes were not tried.
    ``conflict``: another client wrote at the same time, so the cluster must be observed again.
    """

    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    unreachable: bool = False
    conflict: bool = False


async def sekisho_namespace_uid(client: ClusterClient) -> str:
    """Return the uid of ``sekisho-system``, the owner of Sekisho's objects.

    Raises:
        ApiNotFound: the namespace does not exist.
    """
    found = await client.get_object(f"/api/v1/namespaces/{NAMESPACE}")
    return str(found["metadata"]["uid"])


def with_owner_reference(manifest: Manifest, namespace_uid: str) -> Manifest:
    """Return the manifest with ``sekisho-system`` as its owner, so that it is deleted with it."""
    owner = {"apiVersion": "v1", "kind": "Namespace", "name": NAMESPACE, "uid": namespace_uid}
    return {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": [owner]}}


async def apply_all(
    client: ClusterClient, changes: Iterable[ObjectChange], namespace_uid: str
) -> ApplyResult:
    """Make changes. A change that the cluster rejects does not prevent the others.

    Raises:
        ApiUnreachable: the cluster does not respond, so the remaining changes would fail as well.
    """
    result = ApplyResult()
    for change in changes:
        try:
            await apply_one(client, change, namespace_uid)
        except ApiUnreachable:
            raise
        except ClusterApiError as exc:
            # Another client wrote first, or the namespace is being deleted. The caller retries.
            result.failed.append(f"{change.action} {change.title}: {exc}")
            result.conflict = result.conflict or isinstance(exc, ApiConflict)
        else:
            result.done.append(f"{change.action} {change.title}")
    return result


async def apply_one(
    client: ClusterClient, change: ObjectChange, namespace_uid: str
) -> Manifest | None:
    """Make one change. Return the object as stored, or None after a deletion.

    Raises:
        ClusterApiError: the cluster rejects the change or does not respond.
    """
    manifest = with_owner_reference(change.manifest, namespace_uid)
    if change.action in {ObjectAction.DELETE, ObjectAction.RECREATE} and change.current is not None:
        await client.delete(path_of(manifest), change.current["metadata"].get("uid"))
        if change.action is ObjectAction.DELETE:
            return None
    if change.action is ObjectAction.UPDATE and change.current is not None:
        return await _replace(client, manifest, change.current)
    return await _create(client, manifest)


async def _create(client: ClusterClient, manifest: Manifest) -> Manifest:
    collection = collection_path(manifest["kind"], manifest["metadata"].get("namespace"))
    try:
        return await client.create(collection, manifest)
    except ApiConflict:
        current = await client.get_object(path_of(manifest))
    if not is_managed(current) and not _has_same_owner(current, manifest):
        raise _not_managed(manifest)
    if current.get("roleRef") != manifest.get("roleRef"):
        await client.delete(path_of(manifest), current["metadata"]["uid"])
        return await client.create(collection, manifest)
    if is_up_to_date(manifest, current):
        return current
    return await _replace(client, manifest, current)


async def _replace(client: ClusterClient, manifest: Manifest, current: Manifest) -> Manifest:
    """Replace an object unless it has changed since it was observed.

    Labels, annotations and finalizers of other clients are kept.
    """
    actual, desired = current["metadata"], manifest["metadata"]
    metadata = {
        **{key: value for key, value in actual.items() if key != "managedFields"},
        "labels": {**(actual.get("labels") or {}), **desired["labels"]},
        "ownerReferences": desired["ownerReferences"],
    }
    return await client.put(path_of(manifest), {**manifest, "metadata": metadata})


def _has_same_owner(current: Manifest, manifest: Manifest) -> bool:
    """Return whether an object without Sekisho's label has ``sekisho-system`` as its owner.

    Only Sekisho's objects have that owner.
    """
    owners = {one.get("uid") for one in current["metadata"].get("ownerReferences") or []}
    return bool(owners & {one["uid"] for one in manifest["metadata"]["ownerReferences"]})


def _not_managed(manifest: Manifest) -> NotManagedError:
    return NotManagedError(
        f"{title(manifest)} exists and was not made by Sekisho, so it is left alone; "
        f"delete it, or label it {MANAGED_BY}=sekisho to hand it over"
    )


async def plan_install(client: ClusterClient, manifests: Sequence[Manifest]) -> list[ObjectChange]:
    """Return the changes that create or update ``manifests``. Changes nothing in the cluster.

    The first manifest may be the namespace ``sekisho-system``. It then owns cluster-wide objects.

    Raises:
        NotManagedError: an object exists and Sekisho does not manage it.
        ClusterApiError: the cluster rejects an object or does not respond.
    """
    namespace = await _live_namespace(client)
    uid = namespace["metadata"]["uid"] if namespace else None
    return [await _plan_one(client, one, uid) for one in manifests]


async def apply_install(
    client: ClusterClient, changes: Sequence[ObjectChange], created: list[Manifest]
) -> None:
    """Make planned changes. Add each new object to ``created``, so that it can be rolled back.

    Raises:
        ApiRequestFailed: an object could not be made.
    """
    uid: str | None = None
    for change in changes:
        if change.action is ObjectAction.UNCHANGED:
            continue
        manifest = _owned(change.manifest, uid)
        if change.action is ObjectAction.CREATE:
            # Before the attempt: a request that timed out may have succeeded.
            created.append(manifest)
        try:
            stored = await client.apply(path_of(manifest), manifest)
        except ClusterApiError as exc:
            if change.action is ObjectAction.CREATE and not isinstance(exc, ApiUnreachable):
                created.pop()
            raise ApiRequestFailed(f"{change.title} could not be made: {exc}") from exc
        if manifest["kind"] == "Namespace":
            uid = stored["metadata"]["uid"]


async def install_object(client: ClusterClient, manifest: Manifest) -> bool:
    """Create or update one object. Return whether it is new. Raises as :func:`plan_install`."""
    [change] = await plan_install(client, [manifest])
    if change.action is not ObjectAction.UNCHANGED:
        await client.apply(path_of(change.manifest), change.manifest)
    return change.action is ObjectAction.CREATE


async def _live_namespace(client: ClusterClient) -> Manifest | None:
    """Return ``sekisho-system``, or None. Wait for one that is being deleted."""
    deadline = asyncio.get_running_loop().time() + TERMINATING_SECONDS
    while True:
        found = await client.find(f"/api/v1/namespaces/{NAMESPACE}")
        if found is None or (found.get("status") or {}).get("phase") != "Terminating":
            return found
        if asyncio.get_running_loop().time() > deadline:
            raise ApiRequestFailed(
                f"the namespace {NAMESPACE} is still being deleted; try again later"
            )
        await asyncio.sleep(POLL_SECONDS)


async def _plan_one(
    client: ClusterClient, manifest: Manifest, namespace_uid: str | None
) -> ObjectChange:
    manifest = _owned(manifest, namespace_uid)
    path = path_of(manifest)
    if "namespace" in manifest["metadata"] and namespace_uid is None:
        # Neither the object nor the namespace for a dry run exists.
        return ObjectChange(ObjectAction.CREATE, manifest)
    current = await client.find(path)
    if current is not None and not is_managed(current):
        raise _not_managed(manifest)
    result = await client.apply(path, manifest, dry_run=True)
    if current is None:
        return ObjectChange(ObjectAction.CREATE, manifest)
    same = _without_volatile(current) == _without_volatile(result)
    action = ObjectAction.UNCHANGED if same else ObjectAction.UPDATE
    return ObjectChange(action, manifest, current)


def _owned(manifest: Manifest, namespace_uid: str | None) -> Manifest:
    """Return a cluster-wide manifest with its owner. Others are deleted with their namespace."""
    cluster_wide = manifest["kind"] != "Namespace" and "namespace" not in manifest["metadata"]
    if namespace_uid is None or not cluster_wide:
        return manifest
    return with_owner_reference(manifest, namespace_uid)


def _without_volatile(manifest: Manifest) -> Manifest:
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in _VOLATILE}
    return {**manifest, "metadata": metadata}
