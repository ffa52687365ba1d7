"""Change or delete one workload, as the calling user."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from management.caller_client.client import CallerClient
from management.kubernetes.validation import mapping
from management.workload_changes.apply import FIELD_MANAGER
from management.workload_changes.field_changes import (
    NO_CHANGES,
    FieldChanges,
    field_changes,
)
from management.workload_changes.patches import Patch, WorkloadChange
from management.workload_changes.rollback import revisions_path, rollback
from management.workloads.kinds import WorkloadKind

PROPAGATIONS = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}
"""Ways to delete what a workload owns: later, before the workload, or not."""


@dataclass(frozen=True, slots=True)
class WorkloadTarget:
    """A workload of a cluster. Both names must be valid."""

    kind: WorkloadKind
    namespace: str
    name: str

    @property
    def path(self) -> str:
        """Return the workload's API path."""
        return self.kind.path(self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """The fields that a change set. ``revision`` is the one to which a rollback returned."""

    changes: FieldChanges
    revision: int | None = None


class WorkloadOperations:
    """Operations on one workload. Methods raise CallerRequestError.

    With ``dry_run``, the cluster checks an operation and stores nothing.
    """

    def __init__(self, client: CallerClient, target: WorkloadTarget, *, dry_run: bool) -> None:
        self._client = client
        self._target = target
        self._dry_run = dry_run

    async def change(self, change: WorkloadChange) -> ChangeResult:
        """Read the workload and patch it. Raises InvalidChange, too."""
        path = self._target.path + (f"/{change.subresource}" if change.subresource else "")
        found = await self._client.get(path)
        return ChangeResult(await self._patched(path, found, change.patch_of(found)))

    async def roll_back(self, revision: int | None) -> ChangeResult:
        """Return to a revision, or to the one before the present. Raises InvalidChange, too."""
        kind = self._target.kind.name
        path = revisions_path(kind, self._target.namespace)
        found = await self._client.get(self._target.path)
        revisions = await self._client.list_all(path, _selector(found))
        chosen = rollback(kind, found, revisions, revision)
        if chosen.patch is None:
            return ChangeResult(NO_CHANGES, chosen.revision)
        changes = await self._patched(self._target.path, found, chosen.patch)
        return ChangeResult(changes, chosen.revision)

    async def delete(self, propagation: str, uid: str | None = None) -> None:
        """Delete the workload. ``propagation`` is a key of PROPAGATIONS.

        ``uid``: delete only the object with that uid; the cluster refuses with 409 otherwise.
        """
        options: dict[str, Any] = {"propagationPolicy": PROPAGATIONS[propagation]}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if self._dry_run:
            options["dryRun"] = ["All"]
        await self._client.request("DELETE", self._target.path, body=options)

    async def _patched(self, path: str, found: Mapping[str, Any], patch: Patch) -> FieldChanges:
        query = {"fieldManager": FIELD_MANAGER}
        if self._dry_run:
            query["dryRun"] = "All"
        after = await self._client.request(
            "PATCH", path, body=patch.body, content_type=patch.content_type, query=query
        )
        return field_changes(found, after)


def _selector(found: Mapping[str, Any]) -> dict[str, str]:
    """Return a query for the objects that can belong to a workload.

    Its expressions are left out: they only narrow the list, and the owner decides.
    """
    labels = mapping(mapping(mapping(found.get("spec")).get("selector")).get("matchLabels"))
    return {"labelSelector": ",".join(f"{key}={one}" for key, one in labels.items())}
