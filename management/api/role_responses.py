"""Roles as the API shows them, and what a caller may do with them."""

from collections.abc import Callable
from dataclasses import asdict

from aiohttp import web

from management.api.access_requirements import GlobalPermission, visible_project
from management.api.authentication import Caller, caller_of
from management.api.grants import denial, require_all_of, require_may_grant
from management.api.listing import Item
from management.api.services import services_of
from management.authorization.permissions import ROLES
from management.authorization.role_catalog import RoleCatalog
from management.http.problem import ApiProblem
from store.access_records import Role

EVERYWHERE = "everywhere"
"""The place of global roles, and of a role that is put into another role."""


def role_json(role: Role, catalog: RoleCatalog, caller: Caller) -> Item:
    """Return a role as the API shows it; ``effective`` includes what it inherits."""
    content = catalog.content(role.id)
    return {
        "id": role.id,
        "scope": role.scope,
        "name": role.name,
        "description": role.description,
        "built_in": role.built_in,
        "permissions": list(role.permissions),
        "rules": [asdict(one) for one in role.rules],
        "cluster_roles": list(role.cluster_roles),
        "inherits": list(role.inherits),
        "labels": dict(role.labels),
        "effective": {
            "permissions": sorted(content.permissions),
            "rules": [asdict(one) for one in content.rules],
            "cluster_roles": sorted(content.cluster_roles),
        },
        "created_at": role.created_at.isoformat() if role.created_at else None,
        "denied": denial(lambda: require_may_change(role, catalog, caller)),
    }


def require_may_change(role: Role, catalog: RoleCatalog, caller: Caller) -> None:
    """Raise ApiProblem unless the caller may change and delete a role: 403, or 409 if built in."""
    GlobalPermission(ROLES).require(caller)
    if role.built_in:
        raise ApiProblem(409, "built-in roles cannot be changed: create a role that inherits it")
    require_all_of(role, catalog, caller)


async def grantable(request: web.Request, catalog: RoleCatalog) -> Callable[[Role], bool]:
    """Return a condition: whether the caller may grant a role in the place of ``?grantable_in=``.

    The place is a cluster, by id or name, the id of a project, or :data:`EVERYWHERE`.

    Raises:
        ApiProblem: 404 if there is no such place, or the caller may not see it.
    """
    place, caller = request.query.get("grantable_in"), caller_of(request)
    if place is None:
        return lambda role: True
    cluster_id = project_id = None
    if place != EVERYWHERE:
        cluster = await services_of(request).store.clusters.get(place)
        if cluster is None or not caller.access.sees_cluster(cluster.id):
            project, cluster = await visible_project(request, place)
            project_id = project.id
        cluster_id = cluster.id
    scope = None if place == EVERYWHERE else "project" if project_id else "cluster"

    def may(role: Role) -> bool:
        if scope is not None and role.scope != scope:
            return False
        return not denial(
            lambda: require_may_grant(
                caller, role, catalog, cluster_id=cluster_id, project_id=project_id
            )
        )

    return may
