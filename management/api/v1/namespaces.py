"""The namespaces of a project."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

import structlog
from aiohttp import web
from pydantic import Field

from management.api import answers
from management.api.bodies import Body, DnsLabel
from management.api.described import FLAG, described
from management.api.listing import Item, Listing
from management.api.projects import Quota
from management.api.requirements import (
    cluster_of,
    project_of,
    require_in_cluster,
    require_in_project,
)
from management.api.revisions import read_patch
from management.authentication import caller_of
from management.authorization.permissions import ALL_PROJECTS, NAMESPACES
from management.cluster_errors import AlreadyThere, BadRequest, DownstreamFailed
from management.problems import Problem, read_body
from management.projects import Placed, ProjectNamespaces, is_system
from management.quantities import parse_quantity
from management.services import services_of
from management.telling import note
from management.wanted.namespaces import namespace_quotas
from store.access_records import Project, ProjectNamespace

_LOG = structlog.get_logger("sekisho.projects")

_PART = r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
_LABEL = Annotated[str, Field(max_length=63, pattern=rf"^({_PART})?$")]
_KEY = Annotated[str, Field(max_length=317, pattern=rf"^([a-z0-9.-]{{1,253}}/)?{_PART}$")]
_OWN_LABELS = ("sekisho.io/", "app.kubernetes.io/managed-by", "pod-security.kubernetes.io/")


class NewNamespace(Body):
    """A namespace to make in the project, or (``existing``) to move into it."""

    name: DnsLabel
    existing: bool = False
    labels: Annotated[dict[_KEY, _LABEL], Field(max_length=64)] = Field(default_factory=dict)
    annotations: Annotated[
        dict[_KEY, Annotated[str, Field(max_length=4096)]], Field(max_length=64)
    ] = Field(default_factory=dict)
    quota: Quota = Field(default_factory=dict)


class NamespaceSpec(Body):
    """What can be changed here of a namespace: what it asks for of the project's quota."""

    quota: Quota = Field(default_factory=dict)


async def collect(request: web.Request) -> Sequence[Item]:
    """The namespaces of the project of the path."""
    project = project_of(request)
    inside = await services_of(request).store.projects.namespaces(project_ids=[project.id])
    return [namespace_json(one, project, inside) for one in inside]


LIST = Listing(
    collect,
    answer=answers.NamespaceAnswer,
    key="name",
    sorts=("name",),
    kinds=frozenset({"project", "access", "user", "group"}),
)


@described(body=NewNamespace, answer=answers.NamespaceAnswer, status=201)
async def create_namespace(request: web.Request) -> web.Response:
    """Make a namespace in the project, or move one into it.

    When this answers, the project's people may use it. Moving takes ``project.namespaces`` in the
    project it is in now, too; one that is in none is for those who manage all of the cluster's.
    """
    project, cluster = project_of(request), cluster_of(request)
    body = await read_body(request, NewNamespace)
    await _check_quota(request, project, body.name, body.quota)
    namespaces = ProjectNamespaces(services_of(request).store, cluster)
    async with _answered(request):
        if body.existing:
            placed = await _moved(request, namespaces, project, body.name)
        else:
            _check_labels(body)
            placed = await namespaces.create(
                project,
                body.name,
                labels=body.labels,
                annotations=body.annotations,
                quota=body.quota,
            )
    note(request, namespace=body.name, project=project.id)
    return await _shown(request, project, placed, 201)


@described(body=NamespaceSpec, answer=answers.NamespaceAnswer)
async def change_namespace(request: web.Request) -> web.Response:
    """Change what a namespace asks for of the project's quota."""
    project, cluster = project_of(request), cluster_of(request)
    found = await _asked(request)
    body = await read_patch(request, NamespaceSpec(quota=dict(found.quota)))
    await _check_quota(request, project, found.namespace, body.quota)
    namespaces = ProjectNamespaces(services_of(request).store, cluster)
    async with _answered(request):
        placed = await namespaces.change_quota(found, body.quota)
    return await _shown(request, project, placed, 200)


@described(status=204, query={"delete": FLAG})
async def remove_namespace(request: web.Request) -> web.Response:
    """Take a namespace out of the project; with ``?delete=true`` delete it with all it holds."""
    wanted = request.query.get("delete", "false")
    if wanted not in {"true", "false"}:
        raise Problem(422, "delete must be true or false")
    found = await _asked(request)
    namespaces = ProjectNamespaces(services_of(request).store, cluster_of(request))
    async with _answered(request):
        if wanted == "true":
            await namespaces.delete(found)
        else:
            current, before = await namespaces.current(found.namespace)
            await namespaces.move(None, current, before)
    note(request, namespace=found.namespace, deleted=wanted)
    return web.Response(status=204)


async def _moved(
    request: web.Request, namespaces: ProjectNamespaces, project: Project, name: str
) -> Placed:
    """Move one in, if the caller may take it from where it is. Raises Problem."""
    store, caller, cluster = services_of(request).store, caller_of(request), cluster_of(request)
    found, before = await namespaces.current(name)
    source = None
    if before is not None and before.project_id is not None:
        source = await store.projects.get(before.project_id)
    if source is None or is_system(name):
        require_in_cluster(caller, cluster, ALL_PROJECTS)
    else:
        require_in_project(caller, source, NAMESPACES)
    return await namespaces.move(project, found, before)


def namespace_json(
    one: ProjectNamespace, project: Project, inside: Sequence[ProjectNamespace]
) -> Item:
    """A namespace as the API shows one. ``quota`` is what it asks for, ``hard`` what it gets."""
    return {
        "name": one.namespace,
        "uid": one.uid,
        "cluster": one.cluster_id,
        "project": one.project_id,
        "quota": dict(one.quota),
        "hard": namespace_quotas(project, inside).get(one.namespace, {}),
    }


async def _shown(
    request: web.Request, project: Project, placed: Placed, status: int
) -> web.Response:
    inside = await services_of(request).store.projects.namespaces(project_ids=[project.id])
    body = namespace_json(placed.namespace, project, inside) | {"pending": placed.pending}
    return web.json_response(body, status=status)


async def _asked(request: web.Request) -> ProjectNamespace:
    name, project = request.match_info["namespace"], project_of(request)
    inside = await services_of(request).store.projects.namespaces(project_ids=[project.id])
    found = next((one for one in inside if one.namespace == name), None)
    if found is None:
        raise Problem(404, "the project has no such namespace")
    return found


async def _check_quota(
    request: web.Request, project: Project, name: str, quota: dict[str, str]
) -> None:
    """Raise Problem where the namespaces ask for more, all together, than the project has."""
    inside = await services_of(request).store.projects.namespaces(project_ids=[project.id])
    for resource, wanted in quota.items():
        whole = project.quota.get(resource)
        if whole is None:
            continue
        others = [
            one.quota[resource] for one in inside if one.namespace != name and resource in one.quota
        ]
        if sum(map(parse_quantity, others), parse_quantity(wanted)) > parse_quantity(whole):
            raise Problem(
                422, f"quota: {resource} is more than what is left of the project's {whole}"
            )


def _check_labels(body: NewNamespace) -> None:
    for key in {**body.labels, **body.annotations}:
        if key.startswith(_OWN_LABELS):
            raise Problem(422, f"labels: {key} isn't for you to set here")


@asynccontextmanager
async def _answered(request: web.Request) -> AsyncIterator[None]:
    """What a cluster says no to, as answers. Its address and words are for the log."""
    try:
        yield
    except AlreadyThere as exc:
        raise Problem(409, str(exc)) from exc
    except BadRequest as exc:
        raise Problem(422, str(exc)) from exc
    except DownstreamFailed as exc:
        _LOG.warning("cluster refused a change", path=request.path, error=str(exc))
        raise Problem(502, "the cluster is away, or refused") from exc
