"""Bringing our objects into a cluster: first a plan that changes nothing, then the changes.

The plan finds out as much as can be known beforehand (objects that aren't ours, rights that are
missing, what the cluster's admission makes of each object), so that carrying it out has little
left to fail at. What fails all the same is taken back.
"""

import asyncio
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from management.downstream.client import ClusterClient
from management.downstream.errors import DownstreamError, Failed, ForeignObject, Unreachable
from management.downstream.objects import MANAGED_BY, NAMESPACE, Manifest, is_ours, owned, path_of
from management.downstream.objects import title as title_of

TERMINATING_SECONDS = 30.0
"""How long a namespace that is being deleted is waited for."""

POLL_SECONDS = 0.25
"""How often something that can't be watched is looked at."""

_VOLATILE = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")


class Action(enum.StrEnum):
    """What happens to an object."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Step:
    """One object as it shall be, and what that takes."""

    action: Action
    manifest: Manifest

    @property
    def title(self) -> str:
        """What people call the object."""
        return title_of(self.manifest)


async def plan(client: ClusterClient, manifests: Sequence[Manifest]) -> list[Step]:
    """What it takes to make ``manifests`` true. Changes nothing.

    The first one may be our namespace; cluster-wide objects are then owned by it. Raises
    ForeignObject for an object that isn't ours, and every other DownstreamError.
    """
    namespace = await _live_namespace(client)
    uid = namespace["metadata"]["uid"] if namespace else None
    return [await _step(client, one, uid) for one in manifests]


async def carry_out(client: ClusterClient, steps: Sequence[Step], created: list[Manifest]) -> None:
    """Do what was planned. What is new is added to ``created``, for :func:`take_back`."""
    uid: str | None = None
    for step in steps:
        if step.action is Action.UNCHANGED:
            continue
        manifest = owned(step.manifest, uid) if uid else step.manifest
        if step.action is Action.CREATE:
            # Before the attempt: one that timed out may have succeeded.
            created.append(manifest)
        try:
            answer = await client.apply(path_of(manifest), manifest)
        except DownstreamError as exc:
            if step.action is Action.CREATE and not isinstance(exc, Unreachable):
                created.pop()
            raise Failed(f"{step.title} could not be made: {exc}") from exc
        if manifest["kind"] == "Namespace":
            uid = answer["metadata"]["uid"]


async def ensure(client: ClusterClient, manifest: Manifest) -> bool:
    """Make one object true; whether it is new. Raises as :func:`plan` does."""
    [step] = await plan(client, [manifest])
    if step.action is not Action.UNCHANGED:
        await client.apply(path_of(step.manifest), step.manifest)
    return step.action is Action.CREATE


async def take_back(client: ClusterClient, created: Sequence[Manifest]) -> list[str]:
    """Delete what was created, last first; the titles of what could not be deleted."""
    left = []
    for manifest in reversed(created):
        try:
            await client.delete(path_of(manifest))
        except DownstreamError:
            left.append(title_of(manifest))
    return left


def leftovers(left: Sequence[str]) -> str:
    """The end of a message about something that was taken back."""
    if not left:
        return "nothing was left behind"
    return f"could not be taken back, delete by hand: {', '.join(left)}"


async def _live_namespace(client: ClusterClient) -> dict[str, Any] | None:
    """Our namespace; one that is being deleted is waited for, and then is none."""
    deadline = asyncio.get_running_loop().time() + TERMINATING_SECONDS
    while True:
        found = await client.find(f"/api/v1/namespaces/{NAMESPACE}")
        if found is None or (found.get("status") or {}).get("phase") != "Terminating":
            return found
        if asyncio.get_running_loop().time() > deadline:
            raise Failed(f"the namespace {NAMESPACE} is still being deleted; try again later")
        await asyncio.sleep(POLL_SECONDS)


async def _step(client: ClusterClient, manifest: Manifest, namespace_uid: str | None) -> Step:
    manifest = owned(manifest, namespace_uid) if namespace_uid else manifest
    path = path_of(manifest)
    if "namespace" in manifest["metadata"] and namespace_uid is None:
        # Neither it nor a place to try it in exists.
        return Step(Action.CREATE, manifest)
    current = await client.find(path)
    if current is not None and not is_ours(current):
        name = title_of(manifest)
        raise ForeignObject(
            f"{name} exists and was not made by Sekisho, so it is left alone; "
            f"delete it, or label it {MANAGED_BY}=sekisho to hand it over"
        )
    tried = await client.apply(path, manifest, dry_run=True)
    if current is None:
        return Step(Action.CREATE, manifest)
    same = _essence(current) == _essence(tried)
    return Step(Action.UNCHANGED if same else Action.UPDATE, manifest)


def _essence(manifest: Manifest) -> Manifest:
    """The object without what every write changes."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in _VOLATILE}
    return {**manifest, "metadata": metadata}
