"""Roles, built-in and custom."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, Field, model_validator

from config.text_patterns import NO_SPACES, WORD, WORD_OR_NONE, described
from management.api import response_models
from management.api.authentication import Caller, caller_of
from management.api.grants import require_all_of
from management.api.listing import Item, Listing
from management.api.openapi_metadata import FLAG, openapi
from management.api.preconditions import check_match, conflict, json_with_etag, read_patch
from management.api.request_models import Labels, Line, Name, Reference, RequestModel, query_flag
from management.api.role_responses import grantable, require_may_change, role_json
from management.api.services import Services, services_of
from management.authorization.permissions import PERMISSIONS
from management.authorization.role_catalog import InvalidRole, RoleCatalog
from management.http.body import read_body
from management.http.problem import ApiProblem
from management.http.request_notes import add_audit_note
from management.identity.users import random_id
from store.access_records import PolicyRule, Role, Scope
from store.errors import Conflict, StaleRevision


def _segment(value: str) -> str:
    if value in {".", ".."}:
        raise ValueError("must not be . or ..")
    return value


_SEGMENT = described(r"^[!-$&-.0-~]+$", f"{NO_SPACES}, %, and /")

Word = Annotated[str, Field(min_length=1, max_length=253, pattern=WORD)]
Words = Annotated[list[Word], Field(max_length=64)]
ClusterRoleName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=_SEGMENT), AfterValidator(_segment)
]
"""A name that RBAC accepts: a path segment."""


class RuleModel(RequestModel):
    """A rule of Kubernetes RBAC: verbs on resources, or on URLs."""

    verbs: Annotated[list[Word], Field(min_length=1, max_length=64)]
    api_groups: Annotated[
        list[Annotated[str, Field(max_length=253, pattern=WORD_OR_NONE)]], Field(max_length=64)
    ] = Field(default_factory=list)
    resources: Words = Field(default_factory=list)
    resource_names: Words = Field(default_factory=list)
    non_resource_urls: Words = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_or_the_other(self) -> "RuleModel":
        if self.non_resource_urls:
            if self.api_groups or self.resources or self.resource_names:
                raise ValueError("a rule has resources or non_resource_urls, not both")
        elif not (self.api_groups and self.resources):
            raise ValueError(
                'a rule without non_resource_urls needs api_groups ("" is the core group) '
                "and resources"
            )
        return self

    def record(self) -> PolicyRule:
        """Return the rule as it is stored."""
        return PolicyRule(**{key: tuple(value) for key, value in self.model_dump().items()})


class RoleSpec(RequestModel):
    """The fields of a role that can be changed."""

    name: Name
    description: Line = ""
    permissions: Annotated[list[Reference], Field(max_length=64)] = Field(default_factory=list)
    rules: Annotated[list[RuleModel], Field(max_length=256)] = Field(default_factory=list)
    cluster_roles: Annotated[list[ClusterRoleName], Field(max_length=64)] = Field(
        default_factory=list
    )
    inherits: Annotated[list[Reference], Field(max_length=32)] = Field(default_factory=list)
    labels: Labels = Field(default_factory=dict)


class NewRole(RoleSpec):
    """A role to create."""

    scope: Scope


async def collect(request: web.Request) -> Sequence[Item]:
    """List all roles. ``?grantable_in=``: those that the caller may grant in a place.

    The place is a cluster, the id of a project, or ``everywhere``, as for global roles.
    """
    catalog, caller = await _catalog(services_of(request)), caller_of(request)
    wanted = await grantable(request, catalog)
    return [role_json(one, catalog, caller) for one in catalog if wanted(one)]


LIST = Listing(
    collect,
    response=response_models.RoleResponse,
    sorts=("name", "id", "scope"),
    filters=("scope", "name", "built_in"),
    searched=("name", "description", "id"),
    kinds=frozenset({"role", "user", "group", "access"}),
    own_parameters=("grantable_in",),
    labelled=True,
)


@openapi(response=response_models.RoleResponse)
async def get_role(request: web.Request) -> web.Response:
    """Return a role, and its effective grants with what it inherits."""
    catalog = await _catalog(services_of(request))
    role = _asked(request, catalog)
    return json_with_etag(role_json(role, catalog, caller_of(request)), role.revision)


@openapi(
    body=NewRole,
    response=response_models.RoleResponse,
    status=201,
    others=(200,),
    query={"dry_run": FLAG},
)
async def create_role(request: web.Request) -> web.Response:
    """Create a role. It may not grant more than the caller holds everywhere.

    With ``?dry_run=true`` the role is checked and returned with 200, and nothing is stored.
    """
    services, caller = services_of(request), caller_of(request)
    dry_run = query_flag(request, "dry_run")
    body = await read_body(request, NewRole)
    catalog = await _catalog(services)
    role = _role(random_id("r"), body.scope, body, datetime.now(UTC))
    _check(role, catalog, caller)
    shown = role_json(role, RoleCatalog([*_made(catalog), role]), caller)
    if dry_run:
        return web.json_response(shown)
    await services.store.roles.create(role)
    add_audit_note(request, created=role.id)
    return json_with_etag(shown, role.revision, 201)


@openapi(
    body=RoleSpec,
    response=response_models.RoleResponse,
    revised=True,
    query={"dry_run": FLAG},
)
async def change_role(request: web.Request) -> web.Response:
    """Change a role for all who hold or inherit it.

    The caller must hold all that the role grants, before and after the change, everywhere. With
    ``?dry_run=true`` the change is checked, and nothing is stored.
    """
    services, caller = services_of(request), caller_of(request)
    dry_run = query_flag(request, "dry_run")
    catalog = await _catalog(services)
    role = _asked(request, catalog)
    require_may_change(role, catalog, caller)
    check_match(request, role.revision)
    body = await read_patch(request, _spec(role))
    wanted = replace(_role(role.id, role.scope, body, role.created_at), revision=role.revision)
    _check(wanted, catalog, caller)
    others = [one for one in _made(catalog) if one.id != role.id]
    if dry_run:
        return json_with_etag(
            role_json(wanted, RoleCatalog([*others, wanted]), caller), role.revision
        )
    try:
        changed = await services.store.roles.replace(wanted, revision=role.revision)
    except StaleRevision:
        raise conflict(request) from None
    add_audit_note(request, changed=role.id)
    return json_with_etag(
        role_json(changed, RoleCatalog([*others, changed]), caller), changed.revision
    )


@openapi(status=204, revised=True)
async def delete_role(request: web.Request) -> web.Response:
    """Delete a role that is neither bound nor inherited.

    The caller must hold all that the role grants.
    """
    services = services_of(request)
    catalog = await _catalog(services)
    role = _asked(request, catalog)
    require_may_change(role, catalog, caller_of(request))
    check_match(request, role.revision)
    try:
        await services.store.roles.delete(role.id, revision=role.revision)
    except StaleRevision:
        raise conflict(request) from None
    add_audit_note(request, deleted=role.id)
    return web.Response(status=204)


def _role(role_id: str, scope: Scope, body: RoleSpec, created_at: datetime | None) -> Role:
    unknown = sorted(set(body.permissions) - PERMISSIONS[scope])
    if unknown:
        known = ", ".join(sorted(PERMISSIONS[scope]))
        raise ApiProblem(422, f"permissions: {unknown[0]} is not one of {known}")
    if scope == "global" and (body.rules or body.cluster_roles):
        raise ApiProblem(
            422,
            "rules: a global role has permissions only; use a cluster or project role for rules",
        )
    return Role(
        id=role_id,
        scope=scope,
        name=body.name,
        description=body.description,
        permissions=tuple(dict.fromkeys(body.permissions)),
        rules=tuple(one.record() for one in body.rules),
        cluster_roles=tuple(dict.fromkeys(body.cluster_roles)),
        inherits=tuple(dict.fromkeys(body.inherits)),
        labels=body.labels,
        created_at=created_at,
    )


def _spec(role: Role) -> RoleSpec:
    return RoleSpec.model_construct(
        name=role.name,
        description=role.description,
        permissions=list(role.permissions),
        rules=[
            RuleModel(**{key: list(value) for key, value in asdict(one).items()})
            for one in role.rules
        ],
        cluster_roles=list(role.cluster_roles),
        inherits=list(role.inherits),
        labels=dict(role.labels),
    )


def _check(role: Role, catalog: RoleCatalog, caller: Caller) -> None:
    """Raise ApiProblem if the role is not valid, or grants more than the caller holds."""
    named = catalog.named(role.scope, role.name)
    if named is not None and named.id != role.id:
        raise Conflict(f'a {role.scope} role "{role.name}" exists already')
    try:
        catalog.check(role)
    except InvalidRole as exc:
        raise ApiProblem(422, str(exc)) from None
    others = [one for one in _made(catalog) if one.id != role.id]
    require_all_of(role, RoleCatalog([*others, role]), caller)


def _made(catalog: RoleCatalog) -> list[Role]:
    return [one for one in catalog if not one.built_in]


async def _catalog(services: Services) -> RoleCatalog:
    return RoleCatalog(await services.store.roles.list_all())


def _asked(request: web.Request, catalog: RoleCatalog) -> Role:
    role = catalog.get(request.match_info["role"])
    if role is None:
        raise ApiProblem(404, "role not found")
    return role
