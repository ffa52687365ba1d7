"""Carrying out what the difference says: each object by itself, none that isn't ours."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from management.downstream.client import ClusterClient
from management.downstream.errors import Clash, DownstreamError, ForeignObject, Unreachable
from management.downstream.objects import (
    MANAGED_BY,
    NAMESPACE,
    Manifest,
    collection_path,
    is_ours,
    path_of,
    title,
)
from management.wanted.difference import Change, Verb, is_as_wanted


@dataclass(slots=True)
class Outcome:
    """What came of it. ``failed`` are sentences; ``done`` the titles of what was changed.

    ``away``: the cluster didn't answer, so the rest wasn't tried. ``clashed``: somebody else wrote
    at the same time, so what there is must be looked at again.
    """

    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    away: bool = False
    clashed: bool = False


async def our_namespace(client: ClusterClient) -> str:
    """The uid of our namespace, which owns what is ours. Raises Missing where it is gone."""
    found = await client.get(f"/api/v1/namespaces/{NAMESPACE}")
    return str(found["metadata"]["uid"])


async def carry_out_all(
    client: ClusterClient, changes: Iterable[Change], namespace_uid: str
) -> Outcome:
    """Carry changes out. What the cluster refuses doesn't keep the others from being done.

    Raises Unreachable: then the rest would fail as well.
    """
    outcome = Outcome()
    for change in changes:
        try:
            await carry_out_one(client, change, namespace_uid)
        except Unreachable:
            raise
        except DownstreamError as exc:
            # Somebody was quicker, or the namespace is going away: it is looked at again.
            outcome.failed.append(f"{change.verb} {change.title}: {exc}")
            outcome.clashed = outcome.clashed or isinstance(exc, Clash)
        else:
            outcome.done.append(f"{change.verb} {change.title}")
    return outcome


async def carry_out_one(
    client: ClusterClient, change: Change, namespace_uid: str
) -> Manifest | None:
    """Do one thing; the object as it is then, or None. Raises DownstreamError."""
    manifest = with_owner(change.manifest, namespace_uid)
    if change.verb in {Verb.DELETE, Verb.RECREATE} and change.current is not None:
        await client.delete(path_of(manifest), change.current["metadata"].get("uid"))
        if change.verb is Verb.DELETE:
            return None
    if change.verb is Verb.REPLACE and change.current is not None:
        return await _replace(client, manifest, change.current)
    return await _create(client, manifest)


async def _create(client: ClusterClient, manifest: Manifest) -> Manifest:
    collection = collection_path(manifest["kind"], manifest["metadata"].get("namespace"))
    try:
        return await client.post(collection, manifest)
    except Clash:
        current = await client.get(path_of(manifest))
    if not is_ours(current) and not _owned_as(current, manifest):
        raise ForeignObject(
            f"{title(manifest)} exists and was not made by Sekisho, so it is left alone; "
            f"delete it, or label it {MANAGED_BY}=sekisho to hand it over"
        )
    if current.get("roleRef") != manifest.get("roleRef"):
        await client.delete(path_of(manifest), current["metadata"]["uid"])
        return await client.post(collection, manifest)
    if is_as_wanted(manifest, current):
        return current
    return await _replace(client, manifest, current)


async def _replace(client: ClusterClient, manifest: Manifest, current: Manifest) -> Manifest:
    """Put ours in the place of what there is, if that is still the one that was looked at.

    Others' labels, annotations and finalizers stay.
    """
    theirs, mine = current["metadata"], manifest["metadata"]
    metadata = {
        **{key: value for key, value in theirs.items() if key != "managedFields"},
        "labels": {**(theirs.get("labels") or {}), **mine["labels"]},
        "ownerReferences": mine["ownerReferences"],
    }
    return await client.put(path_of(manifest), {**manifest, "metadata": metadata})


def with_owner(manifest: Manifest, namespace_uid: str) -> Manifest:
    """The manifest, to be collected with our namespace, wherever it is itself."""
    owner = {"apiVersion": "v1", "kind": "Namespace", "name": NAMESPACE, "uid": namespace_uid}
    return {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": [owner]}}


def _owned_as(current: Manifest, manifest: Manifest) -> bool:
    """Whether an object that lost our label has our namespace for an owner, as only ours do."""
    owners = {one.get("uid") for one in current["metadata"].get("ownerReferences") or []}
    return bool(owners & {one["uid"] for one in manifest["metadata"]["ownerReferences"]})
