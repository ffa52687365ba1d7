"""What callers see of a cluster that rejected a request or could not be reached.

Where a cluster is, and what responds at an address, is shown only to users who may change the
cluster, and for imports only to administrators. Otherwise an import would be a probe of the
internal network.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from config.loggers import get_logger
from management.api.authentication import caller_of
from management.clusters.cluster_identity import ClusterKnown, NameTaken
from management.clusters.kubeconfig_import import InvalidKubeconfig
from management.errors import AlreadyExists, ClusterOperationFailed, InvalidRequest
from management.http.problem import REQUEST_ID, ApiProblem
from management.kubernetes.cluster_client import unreadable
from management.kubernetes.errors import ApiAgentUnavailable, ApiUnreachable, refused_by_policy
from management.provisioning.suitability import UnsuitableCluster
from store.records import Cluster


@dataclass(frozen=True, slots=True)
class ClusterOperation:
    """What callers see of an operation on a cluster that failed.

    ``event`` is the message of the log, which has the reason. ``failed`` is the detail for callers
    who may not see the reason. ``exists`` is the detail if the cluster or its name exists already;
    None: the detail is that of the error. ``repeatable``: 503, and not 502, for a cluster that does
    not respond.
    """

    event: str
    failed: str
    exists: str | None = None
    shown_to_administrators: bool = False
    repeatable: bool = False
    shows_policies: bool = False


IMPORT = ClusterOperation(
    "cluster import failed",
    "Sekisho cannot install itself in a cluster at that address with that credential: check both; "
    "administrators see the reason, and the log has it under the request id",
    shown_to_administrators=True,
)
"""The caller chose the address and the credential."""

REGISTRATION = ClusterOperation(
    "registration failed",
    "Sekisho cannot enter the cluster at the given servers: check them and create another manifest",
    exists=ClusterKnown.hidden,
)
"""The cluster itself is the caller, and is not authenticated."""

AGENT_CHANGE = ClusterOperation(
    "agent not changed",
    "the cluster does not respond or refused to change the agent: apply a new manifest of the "
    "agent, or try again later; the log has the reason under the request id",
)
"""The caller may change the cluster."""

PROVISIONING = ClusterOperation(
    "management cluster not changed",
    "the cluster does not respond or rejected the change: the log has the reason under the request "
    "id",
    shown_to_administrators=True,
    repeatable=True,
)
"""Only administrators may do it."""

NAMESPACE_CHANGE = ClusterOperation(
    "cluster refused a change",
    "the cluster does not respond or rejected the change: try again later",
    shows_policies=True,
)
"""The caller may use the cluster. Its policies address their messages to the caller."""

_AGENT = {
    True: "no agent of the cluster is connected: check the pods sekisho-agent in its namespace "
    "sekisho-system, and their logs",
    False: "the cluster's agent cannot connect to its API server: check the agent's log",
}
_RETRY = {"Retry-After": "2"}

_LOG = get_logger(__name__)


def shown_status(data: dict[str, Any]) -> dict[str, Any]:
    """Return a cluster's status without the messages that contain its address."""
    conditions = [{**one, "message": ""} for one in data.get("conditions") or []]
    return {**data, "conditions": conditions}


def with_unreadable(cluster: Cluster, data: dict[str, Any]) -> dict[str, Any]:
    """Return a cluster's status with the condition that its credential cannot be decrypted."""
    condition = {
        "type": "CredentialReadable",
        "status": "False",
        "reason": "Undecryptable",
        "message": unreadable(cluster),
    }
    return {**data, "conditions": [condition, *(data.get("conditions") or [])]}


@asynccontextmanager
async def cluster_problems(
    request: web.Request, operation: ClusterOperation
) -> AsyncIterator[None]:
    """Map the errors of an operation on a cluster to problems. Raises ApiProblem."""
    try:
        yield
    except (ClusterKnown, NameTaken) as exc:
        visible = operation.shown_to_administrators and _sees_conflict(request, exc)
        raise ApiProblem(409, str(exc) if visible else exc.hidden) from exc
    except AlreadyExists as exc:
        raise ApiProblem(409, operation.exists or str(exc)) from exc
    except UnsuitableCluster as exc:
        raise ApiProblem(409, str(exc)) from exc
    except (InvalidRequest, InvalidKubeconfig) as exc:
        raise ApiProblem(422, str(exc)) from exc
    except ClusterOperationFailed as exc:
        # The error names the address and its response: for the log, under the request id.
        _LOG.warning(
            operation.event,
            path=request.path,
            request_id=request[REQUEST_ID],
            error=str(exc),
        )
        raise _failure(request, operation, exc) from exc


def _sees_conflict(request: web.Request, exc: ClusterKnown | NameTaken) -> bool:
    access = caller_of(request).access
    return access.owns_clusters or (
        isinstance(exc, ClusterKnown) and access.can_enter(exc.cluster.id)
    )


def _failure(
    request: web.Request, operation: ClusterOperation, exc: ClusterOperationFailed
) -> ApiProblem:
    refusal = refused_by_policy(exc.__cause__) if operation.shows_policies else None
    if refusal is not None:
        return ApiProblem(
            409, f"the cluster rejected the change, and nothing was changed: {refusal}"
        )
    if isinstance(exc.__cause__, ApiAgentUnavailable):
        return ApiProblem(503, _AGENT[exc.__cause__.kind == "no_agent"], headers=_RETRY)
    away = operation.repeatable and isinstance(exc.__cause__, ApiUnreachable)
    status, headers = (503, _RETRY) if away else (502, {})
    if operation.shown_to_administrators and caller_of(request).access.owns_clusters:
        return ApiProblem(status, str(exc), headers=headers)
    return ApiProblem(status, operation.failed, headers=headers)
