"""What a caller must hold to call an endpoint. Checked before the endpoint runs.

A resource that does not exist and one that the caller may not see get the same response.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from management.api.authentication import Caller, caller_of
from management.api.order_visibility import caller_after_import, refuse_order
from management.api.services import services_of
from management.api.user_management import require_reach
from management.authorization.permissions import (
    CLUSTER_MEMBERS,
    PROJECT_MEMBERS,
    READ_TOKENS,
    SEARCH,
    SEE_PROJECT,
    USERS,
)
from management.errors import no_cluster
from management.http.problem import ApiProblem
from store.access_records import Project
from store.records import Cluster, Token, User

CLUSTER = web.RequestKey("cluster", Cluster)
PROJECT = web.RequestKey("project", Project)
USER = web.RequestKey("user", User)
TOKEN = web.RequestKey("token", Token)


class Requirement(Protocol):
    """A condition for calling an endpoint."""

    async def check(self, request: web.Request) -> None:
        """Raise ApiProblem unless the condition holds."""


REQUIREMENTS = web.AppKey("requirements", tuple[tuple[str, str, Requirement], ...])
"""Method, path, and requirement of every endpoint, in matching order."""


@dataclass(frozen=True, slots=True)
class Public:
    """No condition: not even a credential is needed."""

    def __str__(self) -> str:
        return "nothing"

    async def check(self, request: web.Request) -> None:
        """Check nothing."""


@dataclass(frozen=True, slots=True)
class AnyUser:
    """Any valid credential. The response has the caller's own data, or what the caller may see."""

    def __str__(self) -> str:
        return "a credential"

    async def check(self, request: web.Request) -> None:
        """Check nothing: authentication has run already."""


@dataclass(frozen=True, slots=True)
class GlobalPermission:
    """A permission of a global role."""

    permission: str

    def __str__(self) -> str:
        return self.permission

    async def check(self, request: web.Request) -> None:
        """Raise ApiProblem with 403 if the caller lacks the permission."""
        self.require(caller_of(request))

    def require(self, caller: Caller) -> None:
        """Raise ApiProblem with 403 if the caller lacks the permission."""
        if self.permission not in caller.access.global_permissions:
            raise ApiProblem(
                403, f"this needs the permission {self.permission}: ask an administrator for it"
            )


@dataclass(frozen=True, slots=True)
class OverUser:
    """The permission to manage users, and all grants that the user of the path holds.

    An endpoint that acts on another user has this requirement or one of the next two. Its change in
    the store runs with the check of :func:`management.api.user_management.reach_of`.
    """

    def __str__(self) -> str:
        return f"{USERS}, and every grant that the user holds"

    async def check(self, request: web.Request) -> None:
        """Store the user in the request. Raise ApiProblem with 403 or 404."""
        await GlobalPermission(USERS).check(request)
        request[USER] = await _reachable(request, request.match_info["id"])


@dataclass(frozen=True, slots=True)
class OverToken:
    """Ownership of the token of the path, or :class:`OverUser` over its owner."""

    def __str__(self) -> str:
        return f"a credential; for others' tokens {USERS}, and every grant that their owner holds"

    async def check(self, request: web.Request) -> None:
        """Store the token in the request. Raise ApiProblem with 403 or 404."""
        caller = caller_of(request)
        token = await services_of(request).store.tokens.get(request.match_info["name"])
        mine = token is not None and token.user_id == caller.user.id
        if token is None or not (mine or {USERS, READ_TOKENS} & caller.access.global_permissions):
            raise ApiProblem(404, "you have no such token; see /v1/tokens")
        if not mine:
            await GlobalPermission(USERS).check(request)
        await _reachable(request, token.user_id)
        request[TOKEN] = token


@dataclass(frozen=True, slots=True)
class OverTokensOf:
    """Being the user that ``?user=`` names (default: the caller), :class:`OverUser`, or the
    permission to read all tokens.
    """

    def __str__(self) -> str:
        return (
            f"a credential; for others' tokens {READ_TOKENS}, or {USERS} and every grant that the "
            "user holds"
        )

    async def check(self, request: web.Request) -> None:
        """Store the user in the request. Raise ApiProblem with 403 or 404."""
        caller = caller_of(request)
        user_id = request.query.get("user", caller.user.id)
        if READ_TOKENS in caller.access.global_permissions:
            request[USER] = await _existing(request, user_id)
            return
        if user_id != caller.user.id and USERS not in caller.access.global_permissions:
            raise ApiProblem(
                403, f"this needs the permission {USERS}: only your own tokens are listed"
            )
        request[USER] = await _reachable(request, user_id)


@dataclass(frozen=True, slots=True)
class InCluster:
    """Access to the cluster of the path; with a permission there, if one is given.

    ``entering``: to the cluster itself, and not only to what Sekisho stores about it.
    """

    permission: str | None = None
    entering: bool = False

    def __str__(self) -> str:
        if self.permission:
            return f"{self.permission} in the cluster"
        return "entering the cluster" if self.entering else "access to the cluster"

    async def check(self, request: web.Request) -> None:
        """Store the cluster in the request. Raise ApiProblem with 404 or 403."""
        name = request.match_info["cluster"]
        caller = caller_of(request)
        store = services_of(request).store
        cluster = await store.clusters.get(name)
        if cluster is None:
            await refuse_order(request, name)
            raise no_such_cluster(name)
        if not caller.access.sees_cluster(cluster.id):
            order = await store.orders.summary(cluster.id)
            caller = await caller_after_import(request, *([order] if order is not None else ()))
        access = caller.access.can_enter if self.entering else caller.access.sees_cluster
        if not access(cluster.id):
            raise no_such_cluster(name)
        # First, so that the audit log has the cluster of a refused request.
        request[CLUSTER] = cluster
        require_token_for(caller, cluster)
        require_in_cluster(caller, cluster, self.permission)


@dataclass(frozen=True, slots=True)
class InProject:
    """A permission in the project of the path, by a role there or in its cluster."""

    permission: str

    def __str__(self) -> str:
        return f"{self.permission}, in the project"

    async def check(self, request: web.Request) -> None:
        """Store the project and its cluster in the request. Raise ApiProblem with 404 or 403."""
        project, cluster = await visible_project(request, request.match_info["project"])
        request[PROJECT], request[CLUSTER] = project, cluster
        require_in_project(caller_of(request), project, self.permission)


@dataclass(frozen=True, slots=True)
class MayManageMembers:
    """The permission to manage members of any cluster or project, or to search principals."""

    def __str__(self) -> str:
        return f"{SEARCH}, or managing members of a cluster or project"

    async def check(self, request: web.Request) -> None:
        """Raise ApiProblem with 403 if the caller lacks the permission."""
        access = caller_of(request).access
        held = [*access.in_clusters.values(), *access.in_projects.values()]
        if SEARCH in access.global_permissions or any(
            one.permissions & {CLUSTER_MEMBERS, PROJECT_MEMBERS} for one in held
        ):
            return
        raise ApiProblem(
            403,
            "this needs the permission to manage members of a cluster or project; ask its owner",
        )


def managed_user(request: web.Request) -> User:
    """Return the user whom the requirement has found."""
    return request[USER]


async def _reachable(request: web.Request, user_id: str) -> User:
    """Return the user if the caller may act on them; raise ApiProblem otherwise."""
    user = await _existing(request, user_id)
    await require_reach(services_of(request).store, caller_of(request), user)
    return user


async def _existing(request: web.Request, user_id: str) -> User:
    user = await services_of(request).store.users.get(user_id)
    if user is None:
        raise ApiProblem(404, "user not found")
    return user


def require_token_for(caller: Caller, cluster: Cluster) -> None:
    """Raise ApiProblem with 403 if the caller's token is for other clusters, as the gate does."""
    token = caller.authenticated.token
    if token.clusters and cluster.id not in token.clusters:
        raise ApiProblem(403, f'the token "{token.name}" is not for cluster "{cluster.name}"')


def no_such_cluster(name: str) -> ApiProblem:
    """Return the same problem for a missing cluster and for one that the caller may not see."""
    return ApiProblem(404, no_cluster(name))


def cluster_of(request: web.Request) -> Cluster:
    """Return the cluster that the requirement has found."""
    return request[CLUSTER]


def project_of(request: web.Request) -> Project:
    """Return the project that the requirement has found."""
    return request[PROJECT]


async def visible_project(request: web.Request, project_id: str) -> tuple[Project, Cluster]:
    """Return a project that the caller may see, and its cluster.

    Raises:
        ApiProblem: 404 if there is no such project, or the caller may not see it.
    """
    store = services_of(request).store
    project = await store.projects.get(project_id)
    cluster = await store.clusters.get(project.cluster_id) if project is not None else None
    if project is None or cluster is None or not sees(caller_of(request), project):
        raise ApiProblem(404, f'project "{project_id}" not found, or you have no access to it')
    return project, cluster


def sees(caller: Caller, project: Project) -> bool:
    """Return whether the caller may see a project."""
    held = caller.access.in_project(project.id, project.cluster_id)
    return SEE_PROJECT in held.permissions


def require_in_project(caller: Caller, project: Project, permission: str) -> None:
    """Raise ApiProblem with 403 unless the caller holds a permission in a project."""
    if permission not in caller.access.in_project(project.id, project.cluster_id).permissions:
        raise ApiProblem(403, f"this needs the permission {permission} in the project")


def require_in_cluster(caller: Caller, cluster: Cluster, permission: str | None) -> None:
    """Raise ApiProblem with 403 unless the caller holds a permission in a cluster."""
    require_held_in_cluster(caller.access.in_cluster(cluster.id).permissions, permission)


def require_held_in_cluster(held: Collection[str], permission: str | None) -> None:
    """Raise ApiProblem with 403 unless a permission in a cluster is among those held."""
    if permission is not None and permission not in held:
        raise ApiProblem(403, f"this needs the permission {permission} in the cluster")
