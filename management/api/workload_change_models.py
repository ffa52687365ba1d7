"""Bodies and responses of the endpoints that change workloads."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from management.api.request_models import DnsLabel, Reference, RequestModel
from management.api.response_model import ResponseModel
from management.workload_changes.apply import ObjectResult
from management.workload_changes.field_changes import FieldChanges

MAX_CLUSTERS = 100
"""Clusters of one request."""

MAX_CONCURRENCY = 10
"""Clusters to which one request applies a manifest at a time."""

MAX_REPLICAS = 2**31 - 1
"""The largest number of pods that Kubernetes' API can express."""


def _no_white_space(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be the reference of an image, without spaces")
    return text


ManifestText = Annotated[str, Field(min_length=1)]
"""YAML documents. The limit of the body limits their length, too."""

ImageReference = Annotated[
    str, Field(min_length=1, max_length=512), AfterValidator(_no_white_space)
]
"""The reference of an image, which the cluster's container runtime interprets."""


class WorkloadAction(RequestModel):
    """A change without parameters. ``dry_run``: the cluster checks it and stores nothing."""

    dry_run: bool = False


class NewManifest(WorkloadAction):
    """A manifest. ``namespace`` is that of its objects without one."""

    manifest: ManifestText
    namespace: DnsLabel | None = None


class ManifestForClusters(NewManifest):
    """A manifest for clusters: those that are listed by id or name, or those with labels.

    ``stop_on_failure``: after the first failure, no other cluster is begun.
    """

    clusters: Annotated[list[Reference], Field(min_length=1, max_length=MAX_CLUSTERS)] | None = None
    selector: Reference | None = None
    concurrency: Annotated[int, Field(ge=1, le=MAX_CONCURRENCY)] = 4
    stop_on_failure: bool = True

    @model_validator(mode="after")
    def _one_choice(self) -> "ManifestForClusters":
        if (self.clusters is None) == (self.selector is None):
            raise ValueError("must have either clusters or selector")
        return self


class NewReplicas(WorkloadAction):
    """The number of pods of a workload."""

    replicas: Annotated[int, Field(ge=0, le=MAX_REPLICAS)]


class NewImage(WorkloadAction):
    """The image of one container."""

    container: DnsLabel
    image: ImageReference


class RollbackTarget(WorkloadAction):
    """The revision to return to; by default, the one before the present."""

    revision: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None


class PermittedActionsResponse(ResponseModel):
    """What the caller may do with a workload."""

    actions: list[
        Literal["scale", "image", "pause", "resume", "restart", "rollback", "delete", "logs"]
    ]


class FieldChangeResponse(ResponseModel):
    """A field that differs. ``before`` and ``after`` are JSON, cut; null if the field is absent."""

    field: str
    before: str | None
    after: str | None


class FieldConflictResponse(ResponseModel):
    """A field that the manifest sets and another field manager owns."""

    field: str
    owner: str


class AppliedObjectResponse(ResponseModel):
    """The result for one object.

    ``action``: ``create``, ``change``, and ``unchanged`` were done, or would be in a dry run;
    ``refused`` by the cluster, with ``detail``; ``not_applied`` because of another object;
    ``unknown`` if the cluster did not respond.
    """

    kind: str
    namespace: str
    name: str
    action: Literal["create", "change", "unchanged", "refused", "not_applied", "unknown"]
    detail: str | None
    conflicts: list[FieldConflictResponse]
    changes: list[FieldChangeResponse]
    more_changes: bool


class AppliedManifestResponse(ResponseModel):
    """The results of a manifest's objects, in the order in which they are applied."""

    dry_run: bool
    items: list[AppliedObjectResponse]


class WorkloadChangeResponse(ResponseModel):
    """The fields that a change set, or would set. ``revision``: that of a rollback."""

    kind: str
    namespace: str
    name: str
    dry_run: bool
    changed: bool
    revision: int | None
    changes: list[FieldChangeResponse]
    more_changes: bool


class ClusterResultResponse(ResponseModel):
    """The result of one cluster. ``cluster`` is its id; null if the caller may enter none such.

    ``status`` is the HTTP status that the cluster alone would have had; null: not begun.
    """

    cluster: str | None
    name: str
    outcome: Literal[
        "changed",
        "unchanged",
        "conflict",
        "forbidden",
        "rejected",
        "unavailable",
        "unknown_cluster",
        "not_begun",
    ]
    status: int | None
    detail: str | None
    items: list[AppliedObjectResponse]


class ClusterResultsResponse(ResponseModel):
    """The results of all clusters, in the order in which they are begun.

    ``failed`` is the number of clusters that are neither changed nor unchanged. ``stopped`` is why
    some were not begun.
    """

    dry_run: bool
    failed: int
    stopped: str | None
    items: list[ClusterResultResponse]


def changes_json(changes: FieldChanges, most: int | None = None) -> dict[str, Any]:
    """Return changes as the API shows them; the first ``most``, if it is given."""
    shown = changes.items[:most]
    return {
        "changes": [
            {"field": one.field, "before": one.before, "after": one.after} for one in shown
        ],
        "more_changes": changes.more or len(shown) < len(changes.items),
    }


def object_json(result: ObjectResult, most: int | None = None) -> dict[str, Any]:
    """Return the result of an object as the API shows it, with ``most`` changes."""
    return {
        "kind": result.one.kind.kind,
        "namespace": result.one.namespace,
        "name": result.one.name,
        "action": result.action.value,
        "detail": str(result.refusal) if result.refusal is not None else None,
        "conflicts": [{"field": one.field, "owner": one.owner} for one in result.conflicts],
        **changes_json(result.changes, most),
    }
