"""Members of clusters and projects, and their roles."""

from collections.abc import Awaitable, Mapping, Sequence
from functools import cache

from aiohttp import web

from management.api import response_models
from management.api.access_requirements import (
    CLUSTER,
    PROJECT,
    require_in_cluster,
    require_in_project,
)
from management.api.authentication import caller_of
from management.api.grants import denial, require_may_grant, require_may_take
from management.api.listing import Item, Listing
from management.api.openapi_metadata import TEXT, openapi
from management.api.request_models import Reference, RequestModel
from management.api.services import services_of
from management.api.v1.role_bindings import (
    NewBinding,
    binding_json,
    requested_role,
    requested_subject,
    users_by_id,
)
from management.authorization.permissions import CLUSTER_MEMBERS, PROJECT_MEMBERS
from management.authorization.role_catalog import RoleCatalog
from management.clusters.members import GrantResult, MemberService
from management.errors import InvalidRequest, UserNotFound
from management.http.body import read_body
from management.http.problem import ApiProblem
from management.http.request_notes import add_audit_note
from management.identity.subjects import RoleSubject, find_role_subject
from store.access_interfaces import Taking
from store.access_records import Binding, Project
from store.interfaces import Store
from store.pieces import in_pieces
from store.records import Cluster, User


class MemberRole(RequestModel):
    """The new role of a member, by id or name."""

    role: Reference


async def collect(request: web.Request) -> Sequence[Item]:
    """List the members of the cluster or project."""
    store, (cluster, project) = services_of(request).store, _place(request)
    catalog = RoleCatalog(await store.roles.list_all())
    held = await MemberService(store).members(cluster, project)
    users, owners = await users_by_id(store, held), await store.claims.owners()
    denied = _denials(request, catalog, held)
    return [
        member_json(one, catalog, users, owners, denied[one.subject])
        async for one in in_pieces(held)
    ]


LIST = Listing(
    collect,
    response=response_models.MemberResponse,
    sorts=("name", "id", "role", "created_at"),
    filters=("role", "user", "group", "kind"),
    searched=("name", "username", "display_name", "group"),
    kinds=frozenset({"user", "group", "role", "access"}),
    labelled=True,
)


@openapi(body=NewBinding, response=response_models.NewMemberResponse, status=201)
async def add_member(request: web.Request) -> web.Response:
    """Grant a role to a user or a group, in addition to the roles that they hold there.

    ``bound`` is false if the cluster does not have the change yet; ``pending`` has the reason.
    """
    services = services_of(request)
    body = await read_body(request, NewBinding)
    holder = await requested_subject(services, body)
    return await _grant(request, holder, body.role, instead=False, status=201, labels=body.labels)


@openapi(body=MemberRole, response=response_models.NewMemberResponse)
async def put_member(request: web.Request) -> web.Response:
    """Replace the roles of a user or a known group there with this role."""
    services = services_of(request)
    body = await read_body(request, MemberRole)
    holder = await _find_member(services.store, request.match_info["member"])
    return await _grant(request, holder, body.role, instead=True, status=200)


@openapi(status=204, query={"role": TEXT})
async def remove_member(request: web.Request) -> web.Response:
    """Remove all roles that a member holds there; with ``?role=``, only that one."""
    services, (cluster, project) = services_of(request), _place(request)
    holder = await _find_member(services.store, request.match_info["member"])
    catalog = RoleCatalog(await services.store.roles.list_all())
    role_id, name = None, request.query.get("role")
    if name is not None:
        role_id = requested_role(catalog, "project" if project else "cluster", name).id
    revoked = await MemberService(services.store).remove(
        cluster, holder, project, role_id=role_id, check=_may_take(request, catalog)
    )
    if not revoked.existed:
        what = "is not a member" if name is None else f"does not hold {name!r}"
        raise ApiProblem(404, f'"{holder.name}" {what}')
    add_audit_note(request, holder=holder.id)
    return web.Response(status=204)


def _denials(
    request: web.Request, catalog: RoleCatalog, held: Sequence[Binding]
) -> Mapping[str, str | None]:
    """Return for each member why the caller may not remove or change them; None if they may.

    A member is removed, and gets another role, with all roles that they hold there.
    """
    caller, (cluster, project) = caller_of(request), _place(request)
    ids = _place_ids(request)
    take = cache(lambda role: denial(lambda: require_may_take(caller, role, catalog, **ids)))

    def may_change() -> None:
        if project is not None:
            require_in_project(caller, project, PROJECT_MEMBERS)
        else:
            require_in_cluster(caller, cluster, CLUSTER_MEMBERS)

    general = denial(may_change)
    found: dict[str, str | None] = {}
    for one in held:
        found[one.subject] = general or found.get(one.subject) or take(one.role_id)
    return found


def member_json(
    binding: Binding,
    catalog: RoleCatalog,
    users: Mapping[str, User],
    owners: Mapping[str, str],
    denied: str | None = None,
) -> Item:
    """Return a member as the API shows it; ``denied`` is why the caller may not change them."""
    user = users.get(binding.user_id or "")
    return {
        **binding_json(binding, catalog, owners, users, denied),
        "username": user.username if user is not None else None,
        "display_name": user.display_name if user is not None else binding.name,
    }


async def _grant(
    request: web.Request,
    holder: RoleSubject,
    role_name: str,
    *,
    instead: bool,
    status: int,
    labels: Mapping[str, str] | None = None,
) -> web.Response:
    store, (cluster, project) = services_of(request).store, _place(request)
    catalog = RoleCatalog(await store.roles.list_all())
    role = requested_role(catalog, "project" if project is not None else "cluster", role_name)
    require_may_grant(caller_of(request), role, catalog, **_place_ids(request))
    check = _may_take(request, catalog)
    granted = await _granted(
        MemberService(store).add(
            cluster, holder, role, project, instead=instead, labels=labels, check=check
        )
    )
    add_audit_note(request, role=role.id, holder=holder.id)
    users = {holder.user.id: holder.user} if holder.user is not None else {}
    body = member_json(granted.binding, catalog, users, await store.claims.owners())
    body |= {"bound": granted.bound, "pending": _pending_reason(request, granted)}
    return web.json_response(body, status=status)


async def _granted(adding: Awaitable[GrantResult]) -> GrantResult:
    """Return the result, or raise ApiProblem with 422 for a grant that is not possible."""
    try:
        return await adding
    except InvalidRequest as exc:
        raise ApiProblem(422, str(exc)) from None


def _may_take(request: web.Request, catalog: RoleCatalog) -> Taking:
    """Return a check for the store: a caller may remove only what the caller may grant."""
    caller, ids = caller_of(request), _place_ids(request)

    def check(taken: Sequence[Binding]) -> None:
        for one in taken:
            require_may_take(caller, one.role_id, catalog, **ids)

    return check


def _place_ids(request: web.Request) -> dict[str, str | None]:
    """Return the place of the members as the checks of :mod:`management.api.grants` take it."""
    cluster, project = _place(request)
    return {"cluster_id": cluster.id, "project_id": project.id if project is not None else None}


def _pending_reason(request: web.Request, granted: GrantResult) -> str | None:
    """Return why the cluster does not have the change yet; the audit log has the details."""
    if granted.pending is None or granted.cluster.controller_token is None:
        return granted.pending
    add_audit_note(request, pending=granted.pending)
    return "the cluster does not respond or rejects the change; Sekisho retries until it succeeds"


def _place(request: web.Request) -> tuple[Cluster, Project | None]:
    return request[CLUSTER], request.get(PROJECT)


async def _find_member(store: Store, name: str) -> RoleSubject:
    try:
        return await find_role_subject(store, name)
    except UserNotFound as exc:
        raise ApiProblem(404, str(exc)) from None
