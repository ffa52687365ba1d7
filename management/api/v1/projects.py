"""Projects: namespaces of one cluster with one access policy."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from management.api import response_models
from management.api.access_requirements import (
    cluster_of,
    no_such_cluster,
    project_of,
    require_in_cluster,
    sees,
)
from management.api.authentication import Caller, caller_of
from management.api.listing import Item, Listing
from management.api.openapi_metadata import openapi
from management.api.preconditions import check_match, conflict, json_with_etag, read_patch
from management.api.request_models import (
    Labels,
    Line,
    Name,
    Quantity,
    Reference,
    RequestModel,
    ResourceName,
)
from management.api.services import services_of
from management.authorization.builtin_roles import OWNER_OF
from management.authorization.permissions import ALL_PROJECTS, CREATE_PROJECTS, PERMISSIONS
from management.clusters.members import MemberService
from management.desired_state.quota_resources import check_container, check_quota, check_request
from management.http.body import read_body
from management.http.problem import ApiProblem
from management.http.request_notes import add_audit_note
from management.identity.users import random_id
from management.kubernetes.quantity import format_quantity, parse_quantity
from store.access_records import Binding, Project, ProjectNamespace
from store.errors import StaleRevision
from store.pieces import in_pieces
from store.records import User

Amounts = dict[str, str]


def _quota(value: Amounts) -> Amounts:
    check_quota(value)
    return value


def _of_container(value: Amounts) -> Amounts:
    check_container(value)
    return value


Quota = Annotated[dict[ResourceName, Quantity], Field(max_length=64), AfterValidator(_quota)]
"""The ``hard`` of a ResourceQuota."""

ContainerAmounts = Annotated[
    dict[ResourceName, Quantity], Field(max_length=64), AfterValidator(_of_container)
]
"""The requests or limits of a container."""


class ContainerLimits(RequestModel):
    """Defaults for containers that declare no requests or limits."""

    default: ContainerAmounts = Field(default_factory=dict)
    default_request: ContainerAmounts = Field(default_factory=dict)

    @field_validator("default_request")
    @classmethod
    def _within(cls, value: Amounts, info: ValidationInfo) -> Amounts:
        check_request(value, info.data.get("default") or {})
        return value


class ProjectSpec(RequestModel):
    """The fields of a project that can be changed.

    ``quota`` applies to all namespaces together, ``namespace_quota`` to each namespace without a
    request of its own; both are the ``hard`` of a ResourceQuota. ``isolated``: only pods of the
    project, and of namespaces labelled ``sekisho.io/reaches-projects: "true"``, can connect to its
    pods.
    """

    name: Name
    description: Line = ""
    quota: Quota = Field(default_factory=dict)
    namespace_quota: Quota = Field(default_factory=dict)
    container_limits: ContainerLimits = Field(default_factory=ContainerLimits)
    isolated: bool = False
    labels: Labels = Field(default_factory=dict)


class NewProject(ProjectSpec):
    """A project to create in a cluster (id or name)."""

    cluster: Reference


async def collect(request: web.Request) -> Sequence[Item]:
    """List the projects that the caller may see."""
    services, caller = services_of(request), caller_of(request)
    names = {one.id: one.name for one in await services.store.clusters.list_all()}
    inside: dict[str, list[ProjectNamespace]] = {}
    for one in await services.store.projects.namespaces():
        inside.setdefault(one.project_id or "", []).append(one)
    return [
        {
            **project_json(one, inside.get(one.id, []), _held(caller, one)),
            "cluster_name": names.get(one.cluster_id),
        }
        async for one in in_pieces(await services.store.projects.list_all())
        if sees(caller, one)
    ]


LIST = Listing(
    collect,
    response=response_models.ProjectResponse,
    sorts=("name", "id", "cluster", "created_at"),
    filters=("cluster", "cluster_name", "name"),
    searched=("name", "description", "id"),
    kinds=frozenset({"project", "cluster", "user", "group", "role", "access"}),
    labelled=True,
)


@openapi(response=response_models.ProjectResponse)
async def get_project(request: web.Request) -> web.Response:
    """Return a project with its namespaces."""
    return await _shown(request, project_of(request))


@openapi(body=NewProject, response=response_models.ProjectResponse, status=201)
async def create_project(request: web.Request) -> web.Response:
    """Create a project. The caller becomes its owner, unless they own all projects there."""
    services, caller = services_of(request), caller_of(request)
    body = await read_body(request, NewProject)
    cluster = await services.store.clusters.get(body.cluster)
    if cluster is None or not caller.access.sees_cluster(cluster.id):
        raise no_such_cluster(body.cluster)
    held = caller.access.in_cluster(cluster.id).permissions
    if ALL_PROJECTS not in held:
        require_in_cluster(caller, cluster, CREATE_PROJECTS)
    _check(body)
    project = _project(random_id("p"), cluster.id, body, datetime.now(UTC))
    owner = None if ALL_PROJECTS in held else _owner(project, caller.user)
    await services.store.projects.create(project, owner)
    if owner is not None:
        await MemberService(services.store).reconcile(cluster, project)
    add_audit_note(request, created=project.id)
    # The caller owns it from now on, by a binding that is newer than the authenticated access.
    return await _shown(request, project, 201, held=PERMISSIONS["project"])


@openapi(body=ProjectSpec, response=response_models.ProjectResponse, revised=True)
async def change_project(request: web.Request) -> web.Response:
    """Change a project."""
    services, project = services_of(request), project_of(request)
    check_match(request, project.revision)
    body = await read_patch(request, _spec(project))
    _check(body)
    if body.quota != project.quota:
        _check_requests(body, await services.store.projects.namespaces(project_ids=[project.id]))
    wanted = replace(
        _project(project.id, project.cluster_id, body, project.created_at),
        revision=project.revision,
    )
    try:
        changed = await services.store.projects.replace(wanted, revision=project.revision)
    except StaleRevision:
        raise conflict(request) from None
    await MemberService(services.store).reconcile(cluster_of(request), changed)
    add_audit_note(request, changed=project.id)
    return await _shown(request, changed)


@openapi(status=204, revised=True)
async def delete_project(request: web.Request) -> web.Response:
    """Delete a project without namespaces."""
    services, project = services_of(request), project_of(request)
    check_match(request, project.revision)
    await services.store.projects.delete(project.id)
    await MemberService(services.store).reconcile(cluster_of(request))
    add_audit_note(request, deleted=project.id)
    return web.Response(status=204)


def project_json(
    project: Project, inside: Sequence[ProjectNamespace], held: frozenset[str]
) -> Item:
    """Return a project as the API shows it to a caller who holds these permissions there."""
    return {
        "id": project.id,
        "cluster": project.cluster_id,
        "name": project.name,
        "description": project.description,
        "quota": dict(project.quota),
        "namespace_quota": dict(project.namespace_quota),
        "container_limits": {key: dict(value) for key, value in project.container_limits.items()},
        "isolated": project.isolated,
        "labels": dict(project.labels),
        "namespaces": [one.namespace for one in inside],
        "permissions": sorted(held),
        "created_at": project.created_at.isoformat(),
    }


def _held(caller: Caller, project: Project) -> frozenset[str]:
    held = caller.access.in_project(project.id, project.cluster_id).permissions
    return held & PERMISSIONS["project"]


async def _shown(
    request: web.Request,
    project: Project,
    status: int = 200,
    *,
    held: frozenset[str] | None = None,
) -> web.Response:
    inside = await services_of(request).store.projects.namespaces(project_ids=[project.id])
    held = _held(caller_of(request), project) if held is None else held
    body = project_json(project, inside, held)
    return json_with_etag(body, project.revision, status)


def _owner(project: Project, user: User) -> Binding:
    return Binding(
        id=random_id("b"),
        role_id=OWNER_OF["project"],
        user_id=user.id,
        group_id=None,
        name=user.username,
        created_at=project.created_at,
        cluster_id=project.cluster_id,
        project_id=project.id,
    )


def _project(project_id: str, cluster_id: str, body: ProjectSpec, created_at: datetime) -> Project:
    limits = body.container_limits.model_dump()
    return Project(
        id=project_id,
        cluster_id=cluster_id,
        name=body.name,
        created_at=created_at,
        description=body.description,
        quota=body.quota,
        namespace_quota=body.namespace_quota,
        container_limits={key: value for key, value in limits.items() if value},
        isolated=body.isolated,
        labels=body.labels,
    )


def _spec(project: Project) -> ProjectSpec:
    # Not validated: a stored value that violates a newer rule must not block other changes.
    return ProjectSpec.model_construct(
        name=project.name,
        description=project.description,
        quota=dict(project.quota),
        namespace_quota=dict(project.namespace_quota),
        container_limits=ContainerLimits.model_construct(
            None, **{key: dict(value) for key, value in project.container_limits.items()}
        ),
        isolated=project.isolated,
        labels=dict(project.labels),
    )


def _check(body: ProjectSpec) -> None:
    """Raise ApiProblem if a namespace would get more than the project has."""
    for resource, share in body.namespace_quota.items():
        whole = body.quota.get(resource)
        if whole is not None and parse_quantity(share) > parse_quantity(whole):
            raise ApiProblem(
                422,
                f"namespace_quota.{resource}: {share} is more than the project's quota, {whole}",
            )


def _check_requests(body: ProjectSpec, inside: Sequence[ProjectNamespace]) -> None:
    """Raise ApiProblem if the namespaces' requests together exceed the new quota."""
    for resource, whole in body.quota.items():
        requested = [parse_quantity(one.quota[resource]) for one in inside if resource in one.quota]
        if sum(requested) > parse_quantity(whole):
            raise ApiProblem(
                422,
                f"quota.{resource}: {whole} is less than the namespaces request together, "
                f"{format_quantity(sum(requested, Decimal(0)))}",
            )
