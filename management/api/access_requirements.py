"""What a caller must hold to call an endpoint. Checked before the endpoint runs.

What isn't there and what the caller may not know of give the same answer.
"""

from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from management.authentication import Caller, caller_of
from management.authorization.permissions import (
    CLUSTER_MEMBERS,
    PROJECT_MEMBERS,
    SEARCH,
    SEE_PROJECT,
)
from management.problems import Problem
from management.services import services_of
from store.access_records import Project
from store.interfaces import Cluster

CLUSTER = web.RequestKey("cluster", Cluster)
PROJECT = web.RequestKey("project", Project)


class Requirement(Protocol):
    """What must be so."""

    async def check(self, request: web.Request) -> None:
        """Raise Problem unless it is so."""


@dataclass(frozen=True, slots=True)
class Anybody:
    """Nothing, not even a credential."""

    def __str__(self) -> str:
        return "nothing"

    async def check(self, request: web.Request) -> None:
        """Nothing to check."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A credential. What is answered is the caller's own, or what the caller may see."""

    def __str__(self) -> str:
        return "a credential"

    async def check(self, request: web.Request) -> None:
        """Authentication has checked it."""


@dataclass(frozen=True, slots=True)
class Overall:
    """A permission of a global role."""

    permission: str

    def __str__(self) -> str:
        return self.permission

    async def check(self, request: web.Request) -> None:
        """Raises Problem with 403."""
        if self.permission not in caller_of(request).access.overall:
            raise Problem(403, f"this takes the permission {self.permission}; ask an administrator")


@dataclass(frozen=True, slots=True)
class InCluster:
    """To be let into the cluster of the path; with a permission there, if one is named."""

    permission: str | None = None

    def __str__(self) -> str:
        return (
            f"{self.permission} in the cluster" if self.permission else "to be let into the cluster"
        )

    async def check(self, request: web.Request) -> None:
        """Raises Problem with 404 or 403. The cluster is kept with the request."""
        name = request.match_info["cluster"]
        caller = caller_of(request)
        cluster = await services_of(request).store.clusters.get(name)
        if cluster is None or not caller.access.enters(cluster.id):
            raise no_such_cluster(name)
        require_in_cluster(caller, cluster, self.permission)
        request[CLUSTER] = cluster


@dataclass(frozen=True, slots=True)
class InProject:
    """A permission in the project of the path, by a role there or in its cluster."""

    permission: str

    def __str__(self) -> str:
        return f"{self.permission}, in the project"

    async def check(self, request: web.Request) -> None:
        """Raises Problem with 404 or 403. The project and its cluster are kept."""
        project, cluster = await visible_project(request, request.match_info["project"])
        require_in_project(caller_of(request), project, self.permission)
        request[PROJECT], request[CLUSTER] = project, cluster


@dataclass(frozen=True, slots=True)
class LetsPeopleIn:
    """To be somebody who says who may come in: anywhere."""

    def __str__(self) -> str:
        return f"{SEARCH}, or to let people in somewhere"

    async def check(self, request: web.Request) -> None:
        """Raises Problem with 403."""
        access = caller_of(request).access
        held = [*access.in_clusters.values(), *access.in_projects.values()]
        if SEARCH in access.overall or any(
            one.permissions & {CLUSTER_MEMBERS, PROJECT_MEMBERS} for one in held
        ):
            return
        raise Problem(403, "this is for those who let people into a cluster or a project")


def no_such_cluster(name: str) -> Problem:
    """The same for one that isn't there and one that is none of the caller's business."""
    return Problem(404, f'cluster "{name}" not found, or you have no access to it')


def cluster_of(request: web.Request) -> Cluster:
    """The cluster that the requirement has found."""
    return request[CLUSTER]


def project_of(request: web.Request) -> Project:
    """The project that the requirement has found."""
    return request[PROJECT]


async def visible_project(request: web.Request, project_id: str) -> tuple[Project, Cluster]:
    """A project that the caller may see, and its cluster. Raises Problem."""
    store = services_of(request).store
    project = await store.projects.get(project_id)
    cluster = await store.clusters.get(project.cluster_id) if project is not None else None
    if project is None or cluster is None or not sees(caller_of(request), project):
        raise Problem(404, f'project "{project_id}" not found, or you have no access to it')
    return project, cluster


def sees(caller: Caller, project: Project) -> bool:
    """Whether a project is the caller's business."""
    held = caller.access.in_project(project.id, project.cluster_id)
    return SEE_PROJECT in held.permissions


def require_in_project(caller: Caller, project: Project, permission: str) -> None:
    """Raise Problem with 403 unless the caller holds a permission in a project."""
    if permission not in caller.access.in_project(project.id, project.cluster_id).permissions:
        raise Problem(403, f"this takes the permission {permission} in the project")


def require_in_cluster(caller: Caller, cluster: Cluster, permission: str | None) -> None:
    """Raise Problem with 403 unless the caller holds a permission in a cluster."""
    if permission is not None and (
        permission not in caller.access.in_cluster(cluster.id).permissions
    ):
        raise Problem(403, f"this takes the permission {permission} in the cluster")
