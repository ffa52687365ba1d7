"""Changes of workloads in one cluster, as the calling user.

Every request goes through the gate with the caller's credential: what the caller may change is
decided by the token's scope and by the cluster's RBAC, and by nothing here.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel

from management.api.access_requirements import cluster_of
from management.api.authentication import caller_of
from management.api.caller_requests import caller_client, while_client_stays
from management.api.manifest_problems import manifest_objects, manifest_problem
from management.api.openapi_metadata import FLAG, TEXT, openapi
from management.api.request_models import query_flag
from management.api.workload_change_models import (
    AppliedManifestResponse,
    NewImage,
    NewManifest,
    NewReplicas,
    PermittedActionsResponse,
    RollbackTarget,
    WorkloadAction,
    WorkloadChangeResponse,
    changes_json,
    object_json,
)
from management.api.workload_requests import target_of
from management.http.body import body_of, read_body
from management.http.problem import ApiProblem
from management.workload_changes import patches
from management.workload_changes.apply import ManifestApplication
from management.workload_changes.operations import (
    PROPAGATIONS,
    ChangeResult,
    WorkloadOperations,
    WorkloadTarget,
)
from management.workload_changes.patches import InvalidChange, WorkloadChange
from management.workload_changes.permitted import permitted_actions

_MAX_UID = 64

_Model = TypeVar("_Model", bound=BaseModel)


@openapi(body=NewManifest, response=AppliedManifestResponse)
async def apply_manifest(request: web.Request) -> web.Response:
    """Apply a manifest server-side. Fields that other field managers own are never overwritten.

    Every object is tried first; if the cluster refuses one, nothing is changed. 409 if another
    field manager owns a field: ``errors`` has all fields with their owners.
    """
    body = await read_body(request, NewManifest)
    objects = await manifest_objects(body)
    async with caller_client(request, cluster_of(request).id) as client:
        result = await ManifestApplication(client, objects).run(dry_run=body.dry_run)
    problem = manifest_problem(result)
    if problem is not None:
        raise problem
    items = [object_json(one) for one in result.results]
    return web.json_response({"dry_run": body.dry_run, "items": items})


@openapi(body=NewReplicas, response=WorkloadChangeResponse)
async def scale(request: web.Request) -> web.Response:
    """Set the number of pods of a Deployment or StatefulSet."""
    target = _target(request)
    body = await read_body(request, NewReplicas)
    return await _change(request, body, lambda: patches.scale(target.kind.name, body.replicas))


@openapi(body=NewImage, response=WorkloadChangeResponse)
async def set_image(request: web.Request) -> web.Response:
    """Set the image of one container. Deployments and others roll out new pods."""
    target = _target(request)
    body = await read_body(request, NewImage)
    return await _change(
        request, body, lambda: patches.set_image(target.kind.name, body.container, body.image)
    )


@openapi(body=WorkloadAction, response=WorkloadChangeResponse)
async def pause(request: web.Request) -> web.Response:
    """Pause the rollouts of a Deployment, or suspend a Job or CronJob. The body is optional."""
    target = _target(request)
    body = await _optional(request, WorkloadAction)
    return await _change(request, body, lambda: patches.pause(target.kind.name, paused=True))


@openapi(body=WorkloadAction, response=WorkloadChangeResponse)
async def resume(request: web.Request) -> web.Response:
    """Resume a Deployment, Job, or CronJob. The body is optional."""
    target = _target(request)
    body = await _optional(request, WorkloadAction)
    return await _change(request, body, lambda: patches.pause(target.kind.name, paused=False))


@openapi(body=WorkloadAction, response=WorkloadChangeResponse)
async def restart(request: web.Request) -> web.Response:
    """Replace all pods of a workload by a rollout. The body is optional."""
    target = _target(request)
    body = await _optional(request, WorkloadAction)
    return await _change(
        request, body, lambda: patches.restart(target.kind.name, datetime.now(UTC))
    )


@openapi(body=RollbackTarget, response=WorkloadChangeResponse)
async def roll_back(request: web.Request) -> web.Response:
    """Return a workload to an earlier revision of its pods. The body is optional."""
    target = _target(request)
    body = await _optional(request, RollbackTarget)
    return await _operate(request, target, body, lambda on: on.roll_back(body.revision))


@openapi(status=204, query={"propagation": TEXT, "uid": TEXT, "dry_run": FLAG})
async def delete(request: web.Request) -> web.Response:
    """Delete a workload, and in the background what it owns.

    ``propagation=foreground`` deletes what it owns first; ``orphan`` keeps it. With ``uid``, only
    the workload with that uid is deleted, or the response is 409.
    """
    target = _target(request)
    propagation, uid = request.query.get("propagation", "background"), request.query.get("uid")
    if propagation not in PROPAGATIONS:
        raise ApiProblem(422, f"propagation must be {', '.join(PROPAGATIONS)}")
    if uid is not None and not 1 <= len(uid) <= _MAX_UID:
        raise ApiProblem(422, f"uid must have 1 to {_MAX_UID} characters")
    dry_run = query_flag(request, "dry_run")
    async with caller_client(request, cluster_of(request).id) as client:
        await WorkloadOperations(client, target, dry_run=dry_run).delete(propagation, uid)
    return web.Response(status=204)


@openapi(response=PermittedActionsResponse)
async def permitted(request: web.Request) -> web.Response:
    """Return what the caller may do with a workload: the last parts of paths, and ``delete``.

    The cluster's RBAC and the scope of the token decide, now and again with each request.
    """
    target = _target(request)
    read_only = caller_of(request).authenticated.token.read_only
    async with caller_client(request, cluster_of(request).id) as client:
        work = permitted_actions(client, target, read_only=read_only)
        return web.json_response({"actions": await while_client_stays(request, work)})


def _target(request: web.Request) -> WorkloadTarget:
    """Return the workload of the path. Raises ApiProblem with 404."""
    found = target_of(request)
    return WorkloadTarget(found.kind, found.namespace, found.name)


async def _optional(request: web.Request, model: type[_Model]) -> _Model:
    """Return the request's body, which may be absent."""
    return await read_body(request, model) if await body_of(request) else model()


async def _change(
    request: web.Request, body: WorkloadAction, change: Callable[[], WorkloadChange]
) -> web.Response:
    return await _operate(request, _target(request), body, lambda on: on.change(change()))


async def _operate(
    request: web.Request,
    target: WorkloadTarget,
    body: WorkloadAction,
    operate: Callable[[WorkloadOperations], Awaitable[ChangeResult]],
) -> web.Response:
    async with caller_client(request, cluster_of(request).id) as client:
        try:
            result = await operate(WorkloadOperations(client, target, dry_run=body.dry_run))
        except InvalidChange as exc:
            raise ApiProblem(exc.status, str(exc)) from None
    return web.json_response(
        {
            "kind": target.kind.name,
            "namespace": target.namespace,
            "name": target.name,
            "dry_run": body.dry_run,
            "changed": bool(result.changes),
            "revision": result.revision,
            **changes_json(result.changes),
        }
    )
