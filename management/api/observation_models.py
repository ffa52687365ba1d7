"""Models of what the controllers observed in a cluster."""

from typing import Literal

from pydantic import BaseModel

from management.api.response_model import ResponseModel


class NodeResponse(BaseModel):
    """A node, as last observed."""

    uid: str
    name: str
    cluster: str
    cluster_name: str
    appeared_at: str
    left_at: str | None
    ready: bool | None = None


class EventResponse(ResponseModel):
    """An event of a cluster. ``kind``, ``namespace``, and ``name`` are those of its object.

    ``count``: how often it happened. ``message`` is cut to 200 characters.
    """

    id: str
    type: str | None
    reason: str | None
    kind: str | None
    namespace: str | None
    name: str | None
    message: str
    count: int
    last_at: str | None


class NodeUsage(ResponseModel):
    """What a node uses, as Kubernetes quantities."""

    name: str
    cpu: str
    memory: str


class NamespaceFigures(NodeUsage):
    """What the pods of a namespace use, and their number."""

    pods: int


class ReadProblem(ResponseModel):
    """Something that Sekisho could not read in the cluster, and the reason."""

    type: str
    status: Literal["False"]
    reason: str
    message: str
    since: str


class ClusterUsageResponse(ResponseModel):
    """What a cluster uses by its metrics-server; null: not known, and ``problems`` says why."""

    read_at: str | None
    nodes: list[NodeUsage] | None
    namespaces: list[NamespaceFigures] | None
    problems: list[ReadProblem]


class DeprecatedApiResponse(ResponseModel):
    """A deprecated API of which an API server had requests since it started.

    ``removed_release``: the release without it, such as ``1.37``; empty: not decided.
    ``removed_next``: the minor release after the cluster's does not have it. ``seen_at``: when an
    API server reported it last.
    """

    id: str
    group: str
    version: str
    resource: str
    subresource: str
    removed_release: str
    removed_next: bool
    seen_at: str
