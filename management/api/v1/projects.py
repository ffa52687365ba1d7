"""Projects: namespaces of one cluster with one access policy."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from aiohttp import web
from pydantic import Field

from management.api import answers
from management.api.bodies import Body, Line, Name, Quantity, ResourceName
from management.api.described import described
from management.api.listing import Item, Listing
from management.api.requirements import (
    cluster_of,
    no_such_cluster,
    project_of,
    require_in_cluster,
    sees,
)
from management.api.revisions import check_match, lost_race, read_patch, shown
from management.authentication import caller_of
from management.authorization.built_in import OWNER_OF
from management.authorization.permissions import ALL_PROJECTS, CREATE_PROJECTS
from management.members import MemberService
from management.problems import Problem, read_body
from management.quantities import parse_quantity
from management.services import Services, services_of
from management.telling import note
from management.users import random_id
from store.access_records import Binding, Project, ProjectNamespace
from store.interfaces import StaleRevision, User

Quota = Annotated[dict[ResourceName, Quantity], Field(max_length=64)]


class ContainerLimits(Body):
    """For containers that say nothing themselves."""

    default: Quota = Field(default_factory=dict)
    default_request: Quota = Field(default_factory=dict)


class ProjectSpec(Body):
    """What can be changed of a project.

    ``quota`` is for all its namespaces together, ``namespace_quota`` for each that asks for nothing
    else; both are a ResourceQuota's ``hard``. ``isolated``: only pods of the project, and those of
    namespaces labelled ``sekisho.io/reaches-projects: "true"``, reach its pods.
    """

    name: Name
    description: Line = ""
    quota: Quota = Field(default_factory=dict)
    namespace_quota: Quota = Field(default_factory=dict)
    container_limits: ContainerLimits = Field(default_factory=ContainerLimits)
    isolated: bool = False


class NewProject(ProjectSpec):
    """A project to make in a cluster (id or name)."""

    cluster: str


async def collect(request: web.Request) -> Sequence[Item]:
    """The projects that the caller may see."""
    services, caller = services_of(request), caller_of(request)
    names = {one.id: one.name for one in await services.store.clusters.list_all()}
    inside: dict[str, list[ProjectNamespace]] = {}
    for one in await services.store.projects.namespaces():
        inside.setdefault(one.project_id or "", []).append(one)
    return [
        {**project_json(one, inside.get(one.id, [])), "cluster_name": names.get(one.cluster_id)}
        for one in await services.store.projects.list_all()
        if sees(caller, one)
    ]


LIST = Listing(
    collect,
    answer=answers.ProjectAnswer,
    sorts=("name", "id", "cluster", "created_at"),
    filters=("cluster", "cluster_name", "name"),
    searched=("name", "description", "id"),
    kinds=frozenset({"project", "cluster", "user", "group", "role", "access"}),
)


@described(answer=answers.ProjectAnswer)
async def get_project(request: web.Request) -> web.Response:
    """One project, with its namespaces."""
    return await _shown(services_of(request), project_of(request))


@described(body=NewProject, answer=answers.ProjectAnswer, status=201)
async def create_project(request: web.Request) -> web.Response:
    """Make a project; who makes it owns it, unless they own all of the cluster's."""
    services, caller = services_of(request), caller_of(request)
    body = await read_body(request, NewProject)
    cluster = await services.store.clusters.get(body.cluster)
    if cluster is None or not caller.access.enters(cluster.id):
        raise no_such_cluster(body.cluster)
    held = caller.access.in_cluster(cluster.id).permissions
    if ALL_PROJECTS not in held:
        require_in_cluster(caller, cluster, CREATE_PROJECTS)
    _check(body)
    project = _project(random_id("p"), cluster.id, body, datetime.now(UTC))
    owner = None if ALL_PROJECTS in held else _owner(project, caller.user)
    await services.store.projects.create(project, owner)
    if owner is not None:
        await MemberService(services.store).settle(cluster, project)
    note(request, made=project.id)
    return await _shown(services, project, 201)


@described(body=ProjectSpec, answer=answers.ProjectAnswer, revised=True)
async def change_project(request: web.Request) -> web.Response:
    """Change a project."""
    services, project = services_of(request), project_of(request)
    check_match(request, project.revision)
    body = await read_patch(request, _spec(project))
    _check(body)
    wanted = replace(
        _project(project.id, project.cluster_id, body, project.created_at),
        revision=project.revision,
    )
    try:
        changed = await services.store.projects.replace(wanted, revision=project.revision)
    except StaleRevision:
        raise lost_race(request) from None
    await MemberService(services.store).settle(cluster_of(request), changed)
    note(request, changed=project.id)
    return await _shown(services, changed)


@described(status=204, revised=True)
async def delete_project(request: web.Request) -> web.Response:
    """Delete a project that has no namespaces."""
    services, project = services_of(request), project_of(request)
    check_match(request, project.revision)
    await services.store.projects.delete(project.id)
    await MemberService(services.store).settle(cluster_of(request))
    note(request, deleted=project.id)
    return web.Response(status=204)


def project_json(project: Project, inside: Sequence[ProjectNamespace]) -> Item:
    """A project as the API shows one."""
    return {
        "id": project.id,
        "cluster": project.cluster_id,
        "name": project.name,
        "description": project.description,
        "quota": dict(project.quota),
        "namespace_quota": dict(project.namespace_quota),
        "container_limits": {key: dict(value) for key, value in project.container_limits.items()},
        "isolated": project.isolated,
        "namespaces": [one.namespace for one in inside],
        "created_at": project.created_at.isoformat(),
    }


async def _shown(services: Services, project: Project, status: int = 200) -> web.Response:
    inside = await services.store.projects.namespaces(project_ids=[project.id])
    return shown(project_json(project, inside), project.revision, status)


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
    )


def _spec(project: Project) -> ProjectSpec:
    return ProjectSpec(
        name=project.name,
        description=project.description,
        quota=dict(project.quota),
        namespace_quota=dict(project.namespace_quota),
        container_limits=ContainerLimits(
            **{key: dict(value) for key, value in project.container_limits.items()}
        ),
        isolated=project.isolated,
    )


def _check(body: ProjectSpec) -> None:
    """Raise Problem where a namespace would get more than the project has."""
    for resource, share in body.namespace_quota.items():
        whole = body.quota.get(resource)
        if whole is not None and parse_quantity(share) > parse_quantity(whole):
            raise Problem(422, f"namespace_quota: {resource} is more than the project's quota")
