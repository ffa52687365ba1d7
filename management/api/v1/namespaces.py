"""The namespaces of projects."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from aiohttp import web
from pydantic import Field

from config.namespace_settings import RESERVED_PREFIX
from management.api import response_models
from management.api.access_requirements import (
    cluster_of,
    project_of,
    require_in_cluster,
    require_in_project,
    sees,
)
from management.api.authentication import caller_of
from management.api.cluster_failures import NAMESPACE_CHANGE, cluster_problems
from management.api.grants import denial
from management.api.listing import Item, Listing
from management.api.openapi_metadata import FLAG, openapi
from management.api.preconditions import read_patch
from management.api.request_models import DnsLabel, LabelKey, LabelValue, RequestModel
from management.api.services import services_of
from management.api.v1.projects import Quota
from management.authorization.permissions import ALL_PROJECTS, NAMESPACES
from management.clusters.project_namespaces import PlacementResult, ProjectNamespaces
from management.desired_state.namespace_objects import namespace_quotas
from management.desired_state.quota_checks import refusal
from management.http.body import read_body
from management.http.problem import ApiProblem
from management.http.request_notes import add_audit_note
from store.access_records import Project, ProjectNamespace
from store.pieces import in_pieces

_PENDING = (
    "the cluster does not respond or rejects the change; Sekisho retries, or undoes a change that "
    "the cluster rejects"
)

_OWN_KEYS = (RESERVED_PREFIX, "app.kubernetes.io/managed-by")


class NewNamespace(RequestModel):
    """A namespace to create in the project, or (``existing``) to move into it."""

    name: DnsLabel
    existing: bool = False
    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=64)] = Field(
        default_factory=dict
    )
    annotations: Annotated[
        dict[LabelKey, Annotated[str, Field(max_length=4096)]], Field(max_length=64)
    ] = Field(default_factory=dict)
    quota: Quota = Field(default_factory=dict)


class NamespaceSpec(RequestModel):
    """The fields of a namespace that can be changed: its request to the project's quota."""

    quota: Quota = Field(default_factory=dict)


async def collect(request: web.Request) -> Sequence[Item]:
    """List the namespaces of a project."""
    project = project_of(request)
    inside = await services_of(request).store.projects.namespaces(project_ids=[project.id])
    return namespaces_json(request, project, inside)


LIST = Listing(
    collect,
    response=response_models.NamespaceResponse,
    key="name",
    sorts=("name",),
    kinds=frozenset({"project", "access", "user", "group"}),
)


async def collect_all(request: web.Request) -> Sequence[Item]:
    """List the namespaces of every project that the caller may see, in all clusters.

    With kubectl, users can get these namespaces by name but not list them: RBAC cannot list a
    subset.
    """
    store, caller = services_of(request).store, caller_of(request)
    clusters = {one.id: one.name for one in await store.clusters.list_all()}
    seen = {one.id: one for one in await store.projects.list_all() if sees(caller, one)}
    inside: dict[str, list[ProjectNamespace]] = {key: [] for key in seen}
    for one in await store.projects.namespaces():
        if one.project_id in inside:
            inside[one.project_id].append(one)
    return [
        {
            **shown,
            "cluster_name": clusters.get(project.cluster_id),
            "project_name": project.name,
        }
        async for key, project in in_pieces(seen.items())
        for shown in namespaces_json(request, project, inside[key])
    ]


LIST_ALL = Listing(
    collect_all,
    response=response_models.ListedNamespaceResponse,
    key="uid",
    sorts=("name", "cluster_name", "project_name", "uid"),
    filters=("name", "cluster", "cluster_name", "project", "project_name"),
    searched=("name", "project_name", "cluster_name"),
    kinds=frozenset({"project", "cluster", "user", "group", "role", "access"}),
)


@openapi(body=NewNamespace, response=response_models.NamespaceResponse, status=201)
async def create_namespace(request: web.Request) -> web.Response:
    """Create a namespace in the project, or move one into it.

    When the response arrives, members of the project may use it. Moving also needs
    ``project.namespaces`` in the project that it is in now. ``cluster.projects`` is needed for a
    namespace that is in no project, for system namespaces (``kube-…``), and for guarded labels and
    annotations.
    """
    project, cluster = project_of(request), cluster_of(request)
    body = await read_body(request, NewNamespace)
    _check_name(request, body.name, cluster.id)
    await _check_quota(request, project, body.name, body.quota)
    namespaces = ProjectNamespaces(services_of(request).store, cluster)
    async with cluster_problems(request, NAMESPACE_CHANGE):
        if body.existing:
            placed = await _moved(request, namespaces, project, body.name)
        else:
            _check_keys(request, body)
            placed = await namespaces.create(
                project,
                body.name,
                labels=body.labels,
                annotations=body.annotations,
                quota=body.quota,
            )
    add_audit_note(request, namespace=body.name, project=project.id)
    return await _shown(request, project, placed, 201)


@openapi(body=NamespaceSpec, response=response_models.NamespaceResponse)
async def change_namespace(request: web.Request) -> web.Response:
    """Change a namespace's request to the project's quota."""
    project, cluster = project_of(request), cluster_of(request)
    found = await _asked(request)
    body = await read_patch(request, NamespaceSpec.model_construct(quota=dict(found.quota)))
    await _check_quota(request, project, found.namespace, body.quota)
    namespaces = ProjectNamespaces(services_of(request).store, cluster)
    async with cluster_problems(request, NAMESPACE_CHANGE):
        placed = await namespaces.change_quota(found, body.quota)
    return await _shown(request, project, placed, 200)


@openapi(status=204, query={"delete": FLAG})
async def remove_namespace(request: web.Request) -> web.Response:
    """Remove a namespace from the project; with ``?delete=true`` delete it and its contents."""
    wanted = request.query.get("delete", "false")
    if wanted not in {"true", "false"}:
        raise ApiProblem(422, "delete must be true or false")
    found = await _asked(request)
    _check_name(request, found.namespace, found.cluster_id)
    namespaces = ProjectNamespaces(services_of(request).store, cluster_of(request))
    async with cluster_problems(request, NAMESPACE_CHANGE):
        if wanted == "true":
            await namespaces.delete(found)
        else:
            current, before = await namespaces.current(found.namespace)
            await namespaces.move(None, current, before)
    add_audit_note(request, namespace=found.namespace, deleted=wanted)
    return web.Response(status=204)


async def _moved(
    request: web.Request, namespaces: ProjectNamespaces, project: Project, name: str
) -> PlacementResult:
    """Move a namespace in, if the caller may take it from where it is.

    Raises:
        ApiProblem: 403 if the caller may not.
    """
    store, caller, cluster = services_of(request).store, caller_of(request), cluster_of(request)
    found, before = await namespaces.current(name)
    source = None
    if before is not None and before.project_id is not None:
        source = await store.projects.get(before.project_id)
    if source is None:
        require_in_cluster(caller, cluster, ALL_PROJECTS)
    else:
        require_in_project(caller, source, NAMESPACES)
    return await namespaces.move(project, found, before)


def namespaces_json(
    request: web.Request, project: Project, inside: Sequence[ProjectNamespace]
) -> list[Item]:
    """Return a project's namespaces as the API shows them."""
    hard = namespace_quotas(project, inside)
    return [_namespace_json(request, project, one, hard) for one in inside]


def _namespace_json(
    request: web.Request,
    project: Project,
    one: ProjectNamespace,
    hard: Mapping[str, Mapping[str, str]],
) -> Item:
    """Return a namespace as the API shows it: ``quota`` is its request, ``hard`` what it gets."""

    def may_remove() -> None:
        require_in_project(caller_of(request), project, NAMESPACES)
        _check_name(request, one.namespace, one.cluster_id)

    return {
        "name": one.namespace,
        "uid": one.uid,
        "cluster": one.cluster_id,
        "project": one.project_id,
        "quota": dict(one.quota),
        "hard": dict(hard.get(one.namespace, {})),
        "pending": None if one.agreed == one.project_id else _PENDING,
        "denied": denial(may_remove),
    }


async def _shown(
    request: web.Request, project: Project, placed: PlacementResult, status: int
) -> web.Response:
    inside = await services_of(request).store.projects.namespaces(project_ids=[project.id])
    body = _namespace_json(request, project, placed.namespace, namespace_quotas(project, inside))
    if placed.pending is not None:
        add_audit_note(request, pending=placed.pending)
        body["pending"] = _PENDING
    return web.json_response(body, status=status)


async def _asked(request: web.Request) -> ProjectNamespace:
    name, project = request.match_info["namespace"], project_of(request)
    inside = await services_of(request).store.projects.namespaces(project_ids=[project.id])
    found = next((one for one in inside if one.namespace == name), None)
    if found is None:
        raise ApiProblem(404, "the project has no namespace of that name")
    return found


async def _check_quota(
    request: web.Request, project: Project, name: str, quota: dict[str, str]
) -> None:
    """Raise ApiProblem if the quota cannot satisfy the request, or would leave nothing."""
    inside = await services_of(request).store.projects.namespaces(project_ids=[project.id])
    why = refusal(project, inside, name, quota)
    if why is not None:
        raise ApiProblem(422, why)


def _manages_all(request: web.Request, cluster_id: str) -> bool:
    """Return whether the caller manages all projects of the cluster."""
    held = caller_of(request).access.in_cluster(cluster_id)
    return ALL_PROJECTS in held.permissions


def _check_name(request: web.Request, name: str, cluster_id: str) -> None:
    """Raise ApiProblem for a system namespace, unless the caller manages all projects."""
    if services_of(request).namespaces.is_system(name) and not _manages_all(request, cluster_id):
        raise ApiProblem(
            403,
            f"{name} is a system namespace: choose another name, or ask for the permission "
            f"{ALL_PROJECTS} in the cluster",
        )


def _check_keys(request: web.Request, body: NewNamespace) -> None:
    """Raise ApiProblem for labels and annotations that the caller may not set."""
    settings = services_of(request).namespaces
    manages = _manages_all(request, cluster_of(request).id)
    for field, keys in (("labels", body.labels), ("annotations", body.annotations)):
        for key in keys:
            if key.startswith(_OWN_KEYS):
                raise ApiProblem(422, f"{field}: {key} is set by Sekisho: leave it out")
            if settings.is_guarded(key) and not manages:
                raise ApiProblem(
                    422,
                    f"{field}: {key} is guarded, because policies may depend on it: leave it out, "
                    f"or ask for the permission {ALL_PROJECTS} in the cluster",
                )
