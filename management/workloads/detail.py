"""One workload with its parts: pods, revisions, jobs, events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from management.caller_client.client import CallerClient
from management.caller_client.errors import CallerRequestError, RequestRefused, TooMuch
from management.kubernetes.manifests import Manifest
from management.workloads.cluster_events import event_rows
from management.workloads.history import (
    owned_by,
    revisions_of_controller,
    revisions_of_replica_sets,
)
from management.workloads.kinds import (
    CRON_JOB,
    DEPLOYMENT,
    JOB,
    POD,
    STATEFUL_SET,
    WorkloadKind,
    collection,
)
from management.workloads.pods import containers_of, pod_row
from management.workloads.reader import selected
from management.workloads.rows import REVISION, Row, row_of, template_of
from management.workloads.selectors import selector_of

MAX_PODS = 1_000
MAX_REPLICA_SETS = 1_000
MAX_JOBS = 1_000
MAX_EVENTS = 2_000
"""Objects that are read at most for one workload. More are a gap."""

SHOWN_PODS = 200
SHOWN_JOBS = 20


@dataclass(slots=True)
class Parts:
    """The objects that belong to a workload. ``gaps`` is what could not be read."""

    pods: list[Manifest] = field(default_factory=list)
    replica_sets: list[Manifest] = field(default_factory=list)
    controller_revisions: list[Manifest] = field(default_factory=list)
    jobs: list[Manifest] = field(default_factory=list)
    events: list[Manifest] = field(default_factory=list)
    gaps: list[Row] = field(default_factory=list)


class PartsReader:
    """Reads the parts of one workload. A part that cannot be read does not hide the others."""

    def __init__(self, client: CallerClient, kind: WorkloadKind, workload: Manifest) -> None:
        self._client = client
        self._kind = kind
        self._workload = workload
        self._namespace = str(workload["metadata"].get("namespace") or "")
        self._uid = str(workload["metadata"].get("uid") or "")
        self._gaps: list[Row] = []

    async def all(self) -> Parts:
        """Return all parts. Raises CallerRequestError if the cluster does not respond."""
        if self._kind is POD:
            events = await self._list("events", "v1", None, MAX_EVENTS)
            return Parts(pods=[self._workload], events=events, gaps=self._gaps)
        parts = await self.revisions()
        # One after the other: the caller may have few requests at a time.
        parts.pods = await self._pods(parts)
        parts.events = await self._list("events", "v1", None, MAX_EVENTS)
        parts.gaps = self._gaps
        return parts

    async def pods(self) -> list[Manifest]:
        """Return the pods alone."""
        if self._kind is POD:
            return [self._workload]
        return await self._pods(await self.revisions())

    async def revisions(self) -> Parts:
        """Return ReplicaSets, ControllerRevisions, or Jobs, as far as the kind has them."""
        parts = Parts(gaps=self._gaps)
        selector = selector_of(self._workload)
        if self._kind is DEPLOYMENT:
            found = await self._list("replicasets", "apps/v1", selector, MAX_REPLICA_SETS)
            parts.replica_sets = owned_by(self._uid, found)
        elif self._kind is CRON_JOB:
            found = await self._list("jobs", "batch/v1", None, MAX_JOBS)
            parts.jobs = owned_by(self._uid, found)
        elif self._kind is not JOB:
            found = await self._list("controllerrevisions", "apps/v1", selector, MAX_REPLICA_SETS)
            parts.controller_revisions = owned_by(self._uid, found)
        return parts

    async def _pods(self, parts: Parts) -> list[Manifest]:
        owners = {self._uid, *map(uid_of, parts.replica_sets), *map(uid_of, parts.jobs)}
        selector = selector_of(self._workload)
        if self._kind is CRON_JOB:
            if not parts.jobs:
                return []
            names = ",".join(
                str(one["metadata"]["name"]) for one in newest(parts.jobs)[:SHOWN_JOBS]
            )
            selector = f"batch.kubernetes.io/job-name in ({names})"
        if selector is None:
            return []
        found = await self._list("pods", "v1", selector, MAX_PODS)
        return [one for owner in owners for one in owned_by(owner, found)]

    async def _list(
        self, plural: str, group: str, selector: str | None, most: int
    ) -> list[Manifest]:
        path = collection(group, plural, self._namespace)
        try:
            return await self._client.list_all(path, selected(selector), most=most)
        except CallerRequestError as exc:
            self._gaps.append(self._gap(plural, exc))
            return []

    def _gap(self, plural: str, error: CallerRequestError) -> Row:
        if isinstance(error, TooMuch):
            reason = "TooMany"
        elif isinstance(error, RequestRefused) and error.status in {403, 404}:
            reason = "Forbidden" if error.status == 403 else "NotFound"
        else:
            raise error
        shown = {"kind": plural, "reason": reason, "message": str(error)}
        return {**shown, "namespaces": [self._namespace]}


def detail_of(kind: WorkloadKind, workload: Manifest, parts: Parts) -> Row:
    """Return a workload as the API shows it, without its project."""
    pods = sorted(map(pod_row, parts.pods), key=lambda one: (one["ready"], one["name"]))
    about = {uid_of(workload), *map(uid_of, parts.pods), *map(uid_of, parts.replica_sets)}
    about |= set(map(uid_of, parts.jobs))
    gaps = list(parts.gaps)
    if len(pods) > SHOWN_PODS:
        message = f"{len(pods) - SHOWN_PODS} more pods are not shown: those are ready"
        gaps.append({"kind": "pods", "reason": "TooMany", "message": message, "namespaces": []})
    return {
        **row_of(kind, workload),
        "containers": containers_of(template_of(kind, workload)),
        "pods": pods[:SHOWN_PODS],
        "revisions": revisions_of(kind, workload, parts),
        "jobs": [row_of(JOB, one) for one in newest(parts.jobs)[:SHOWN_JOBS]],
        "events": event_rows(parts.events, about),
        "incomplete": gaps,
    }


def revisions_of(kind: WorkloadKind, workload: Manifest, parts: Parts) -> list[Row]:
    """Return the revisions of a workload, the newest first."""
    if kind is DEPLOYMENT:
        current = (workload["metadata"].get("annotations") or {}).get(REVISION)
        return revisions_of_replica_sets(parts.replica_sets, current)
    current = (workload.get("status") or {}).get("updateRevision") if kind is STATEFUL_SET else None
    return revisions_of_controller(parts.controller_revisions, current)


def newest(manifests: Sequence[Manifest]) -> list[Manifest]:
    """Return objects in the order of their creation, the newest first."""
    return sorted(
        manifests, key=lambda one: str(one["metadata"].get("creationTimestamp")), reverse=True
    )


def uid_of(manifest: Mapping[str, Any]) -> str:
    """Return the uid of an object; empty if it has none."""
    return str(manifest["metadata"].get("uid") or "")
