"""Bindings of global roles."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache

from aiohttp import web
from pydantic import model_validator

from management.api import response_models
from management.api.access_requirements import GlobalPermission
from management.api.authentication import Caller, caller_of
from management.api.grants import denial, require_may_grant, require_may_take
from management.api.listing import Item, Listing
from management.api.openapi_metadata import openapi
from management.api.request_models import Labels, Line, Reference, RequestModel
from management.api.services import Services, services_of
from management.authorization.permissions import OVERALL_BINDINGS
from management.authorization.role_catalog import RoleCatalog
from management.errors import InvalidRequest, UserNotFound
from management.http.body import read_body
from management.http.problem import ApiProblem
from management.http.request_notes import add_audit_note
from management.identity.subjects import RoleSubject, find_group, find_user
from management.identity.users import random_id
from store.access_records import Binding, Role, Scope
from store.interfaces import Store
from store.pieces import in_pieces
from store.records import User


class NewBinding(RequestModel):
    """A user (by id, principal or username) or a group principal, and a role by id or name.

    ``provider`` selects the provider if several could be meant. ``labels`` replace those of the
    binding if it exists; without them, it keeps its labels.
    """

    role: Reference
    user: Reference | None = None
    group: Reference | None = None
    provider: Reference | None = None
    name: Line = ""
    """The display name of the group."""
    labels: Labels | None = None

    @model_validator(mode="after")
    def _one(self) -> "NewBinding":
        if (self.user is None) == (self.group is None):
            raise ValueError("send either user or group")
        return self


async def collect(request: web.Request) -> Sequence[Item]:
    """List the bindings of global roles."""
    services = services_of(request)
    catalog = RoleCatalog(await services.store.roles.list_all())
    held = await services.store.bindings.overall()
    owners, users = await services.store.claims.owners(), await users_by_id(services.store, held)
    denied = _denials(caller_of(request), catalog)
    return [
        binding_json(one, catalog, owners, users, denied(one.role_id))
        async for one in in_pieces(held)
    ]


LIST = Listing(
    collect,
    response=response_models.BindingResponse,
    sorts=("name", "id", "role", "created_at"),
    filters=("role", "user", "group"),
    searched=("name", "user", "group"),
    kinds=frozenset({"user", "group", "role"}),
    labelled=True,
)


@openapi(body=NewBinding, response=response_models.BindingResponse, status=201)
async def create_binding(request: web.Request) -> web.Response:
    """Grant a global role, in addition to the roles already held."""
    services = services_of(request)
    body = await read_body(request, NewBinding)
    catalog = RoleCatalog(await services.store.roles.list_all())
    role = requested_role(catalog, "global", body.role)
    holder = await requested_subject(services, body)
    require_may_grant(caller_of(request), role, catalog)
    binding = await services.store.bindings.create(
        Binding(
            id=random_id("b"),
            role_id=role.id,
            user_id=holder.user.id if holder.user is not None else None,
            group_id=None if holder.user is not None else holder.id,
            name=holder.name,
            created_at=datetime.now(UTC),
            labels=body.labels or {},
        ),
        relabel=body.labels is not None,
    )
    add_audit_note(request, role=role.id, holder=holder.id)
    owners, users = (
        await services.store.claims.owners(),
        await users_by_id(services.store, [binding]),
    )
    return web.json_response(binding_json(binding, catalog, owners, users), status=201)


@openapi(status=204)
async def delete_binding(request: web.Request) -> web.Response:
    """Remove a global role, of which the caller holds all grants.

    The last administrator keeps the role.
    """
    services = services_of(request)
    found = await services.store.bindings.get(request.match_info["binding"])
    if found is None or found.target:
        raise ApiProblem(404, "binding not found")
    catalog = RoleCatalog(await services.store.roles.list_all())
    require_may_take(caller_of(request), found.role_id, catalog)
    await services.store.bindings.delete(found.id)
    add_audit_note(request, role=found.role_id, holder=found.subject)
    return web.Response(status=204)


async def users_by_id(store: Store, held: Sequence[Binding]) -> Mapping[str, User]:
    """Return the users of bindings, by id."""
    ids = sorted({one.user_id for one in held if one.user_id is not None})
    return {user.id: user for user in await store.users.get_many(ids)}


def _denials(caller: Caller, catalog: RoleCatalog) -> Callable[[str], str | None]:
    """Return a function that returns why the caller may not remove bindings of a role."""

    @cache
    def denied(role_id: str) -> str | None:
        def check() -> None:
            GlobalPermission(OVERALL_BINDINGS).require(caller)
            require_may_take(caller, role_id, catalog)

        return denial(check)

    return denied


def binding_json(
    binding: Binding,
    catalog: RoleCatalog,
    owners: Mapping[str, str],
    users: Mapping[str, User],
    denied: str | None = None,
) -> Item:
    """Return a binding as the API shows it; ``provider`` is the group's or the user's.

    ``denied`` is why the caller may not remove it.
    """
    role = catalog.get(binding.role_id)
    user = users.get(binding.user_id or "")
    provider = owners.get((binding.group_id or "").partition("://")[0])
    if user is not None:
        provider = ", ".join(sorted({one.provider for one in user.principals})) or None
    return {
        "id": binding.id,
        "role": role.name if role is not None else binding.role_id,
        "role_id": binding.role_id,
        "kind": "user" if binding.user_id is not None else "group",
        "user": binding.user_id,
        "group": binding.group_id,
        "provider": provider,
        "name": binding.name,
        "cluster": binding.cluster_id,
        "project": binding.project_id,
        "labels": dict(binding.labels),
        "created_at": binding.created_at.isoformat(),
        "denied": denied,
    }


def requested_role(catalog: RoleCatalog, scope: Scope, name: str) -> Role:
    """Return the role with that id or name in the scope, or raise ApiProblem with 422."""
    role = catalog.named(scope, name)
    if role is None:
        known = ", ".join(sorted(one.name for one in catalog if one.scope == scope))
        raise ApiProblem(422, f"role: {scope} role {name[:64]!r} not found; the roles are {known}")
    return role


async def requested_subject(services: Services, body: NewBinding) -> RoleSubject:
    """Return the user or group that a body names.

    Raises:
        ApiProblem: 404 if it is not found, 422 if it is ambiguous or not valid.
    """
    try:
        if body.group is not None:
            running = services.providers.everything() if services.providers is not None else []
            trusted = [one.name for one in running if one.spec.origin == "config"]
            return await find_group(
                services.store, body.group, body.name, body.provider, trusted=trusted
            )
        user = await find_user(services.store, body.user or "", body.provider)
    except UserNotFound as exc:
        raise ApiProblem(404, str(exc)) from None
    except InvalidRequest as exc:
        raise ApiProblem(422, str(exc)) from None
    return RoleSubject(user.id, user.username, user)
