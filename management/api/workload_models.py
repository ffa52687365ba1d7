"""Response models of workloads."""

from typing import Literal

from management.api.response_model import ResponseModel
from management.workloads.states import State


class Condition(ResponseModel):
    """A condition of an object, as the cluster reports it."""

    type: str
    status: str
    reason: str
    message: str


class WorkloadResponse(ResponseModel):
    """A workload. Numbers that its kind does not have are null.

    For a Job, ``ready`` are the completions, and ``desired`` those that are needed. For a CronJob,
    ``ready`` are the active jobs.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    project: str | None
    project_name: str | None
    desired: int | None
    ready: int | None
    updated: int | None
    available: int | None
    images: list[str]
    state: State
    conditions: list[Condition]
    labels: dict[str, str]
    created_at: str | None
    revision: str | None
    schedule: str | None = None
    last_scheduled_at: str | None = None


class Gap(ResponseModel):
    """A part that could not be read, and why. ``namespaces`` is empty for the whole cluster."""

    kind: str
    reason: Literal["Forbidden", "NotFound", "TooMany"]
    message: str
    namespaces: list[str]


class ContainerStatus(ResponseModel):
    """A container of a pod. ``state``: ``running``, ``waiting``, ``terminated``, or unknown."""

    name: str
    image: str
    init: bool
    ready: bool
    restarts: int
    state: str
    reason: str
    message: str
    exit_code: int | None


class WorkloadPod(ResponseModel):
    """A pod of a workload."""

    name: str
    uid: str
    phase: str
    state: State
    reason: str
    message: str
    ready: bool
    restarts: int
    node: str | None
    ip: str | None
    created_at: str | None
    containers: list[ContainerStatus]


class Revision(ResponseModel):
    """A revision of a Deployment (a ReplicaSet), a StatefulSet or a DaemonSet."""

    revision: int
    name: str
    uid: str
    created_at: str | None
    change_cause: str | None
    images: list[str]
    desired: int | None
    ready: int | None
    current: bool


class TemplateContainer(ResponseModel):
    """A container of a workload's template."""

    name: str
    image: str
    init: bool
    ports: list[int]
    requests: dict[str, str]
    limits: dict[str, str]


class EventSubject(ResponseModel):
    """The object that an event is about."""

    kind: str
    name: str


class WorkloadEvent(ResponseModel):
    """An event about a workload or one of its parts."""

    type: str
    reason: str
    message: str
    count: int
    first_seen: str | None
    last_seen: str | None
    object: EventSubject


class WorkloadDetailResponse(WorkloadResponse):
    """A workload with its parts. ``jobs`` are those of a CronJob, the newest first."""

    containers: list[TemplateContainer]
    pods: list[WorkloadPod]
    revisions: list[Revision]
    jobs: list[WorkloadResponse]
    events: list[WorkloadEvent]
    incomplete: list[Gap]
