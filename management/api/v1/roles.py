"""Roles: those that are always there, and those that people make."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Annotated

from aiohttp import web
from pydantic import Field, model_validator

from management.api import answers
from management.api.bodies import Body, Line, Name
from management.api.described import described
from management.api.listing import Item, Listing
from management.api.revisions import check_match, lost_race, read_patch, shown
from management.authentication import Caller, caller_of
from management.authorization.book import BadRole, RoleBook
from management.authorization.escalation import lacking_for
from management.authorization.permissions import PERMISSIONS
from management.problems import Problem, read_body
from management.services import Services, services_of
from management.telling import note
from management.users import random_id
from store.access_records import PolicyRule, Role, Scope
from store.interfaces import Conflict, StaleRevision

Word = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[!-~]+$")]
Words = Annotated[list[Word], Field(max_length=64)]


class Rule(Body):
    """A rule of Kubernetes RBAC: verbs on resources, or on URLs."""

    verbs: Annotated[list[Word], Field(min_length=1, max_length=64)]
    api_groups: Annotated[
        list[Annotated[str, Field(max_length=253, pattern=r"^[!-~]*$")]], Field(max_length=64)
    ] = Field(default_factory=list)
    resources: Words = Field(default_factory=list)
    resource_names: Words = Field(default_factory=list)
    non_resource_urls: Words = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_or_the_other(self) -> "Rule":
        if self.non_resource_urls:
            if self.api_groups or self.resources or self.resource_names:
                raise ValueError("a rule is about resources or about URLs, not both")
        elif not (self.api_groups and self.resources):
            raise ValueError('without URLs a rule has api_groups ("" is the core) and resources')
        return self

    def record(self) -> PolicyRule:
        """The rule as it is stored."""
        return PolicyRule(**{key: tuple(value) for key, value in self.model_dump().items()})


class RoleSpec(Body):
    """What can be changed of a role."""

    name: Name
    description: Line = ""
    permissions: Annotated[list[str], Field(max_length=64)] = Field(default_factory=list)
    rules: Annotated[list[Rule], Field(max_length=256)] = Field(default_factory=list)
    cluster_roles: Annotated[list[Word], Field(max_length=64)] = Field(default_factory=list)
    inherits: Annotated[list[str], Field(max_length=32)] = Field(default_factory=list)


class NewRole(RoleSpec):
    """A role to make."""

    scope: Scope


async def collect(request: web.Request) -> Sequence[Item]:
    """Every role."""
    book = await _book(services_of(request))
    return [role_json(one, book) for one in book]


LIST = Listing(
    collect,
    answer=answers.RoleAnswer,
    sorts=("name", "id", "scope"),
    filters=("scope", "name", "built_in"),
    searched=("name", "description", "id"),
    kinds=frozenset({"role"}),
)


@described(answer=answers.RoleAnswer)
async def get_role(request: web.Request) -> web.Response:
    """One role, and what it comes to with what it inherits."""
    book = await _book(services_of(request))
    role = _asked(request, book)
    return shown(role_json(role, book), role.revision)


@described(body=NewRole, answer=answers.RoleAnswer, status=201)
async def create_role(request: web.Request) -> web.Response:
    """Make a role. It can't hold more than who makes it does everywhere."""
    services = services_of(request)
    body = await read_body(request, NewRole)
    book = await _book(services)
    role = _role(random_id("r"), body.scope, body, datetime.now(UTC))
    _check(role, book, caller_of(request))
    await services.store.roles.create(role)
    note(request, made=role.id)
    return shown(role_json(role, RoleBook([*_made(book), role])), role.revision, 201)


@described(body=RoleSpec, answer=answers.RoleAnswer, revised=True)
async def change_role(request: web.Request) -> web.Response:
    """Change a role for everybody who holds it, or inherits it."""
    services, caller = services_of(request), caller_of(request)
    book = await _book(services)
    role = _changeable(_asked(request, book))
    check_match(request, role.revision)
    body = await read_patch(request, _spec(role))
    wanted = replace(_role(role.id, role.scope, body, role.created_at), revision=role.revision)
    _check(wanted, book, caller)
    try:
        changed = await services.store.roles.replace(wanted, revision=role.revision)
    except StaleRevision:
        raise lost_race(request) from None
    note(request, changed=role.id)
    others = [one for one in _made(book) if one.id != role.id]
    return shown(role_json(changed, RoleBook([*others, changed])), changed.revision)


@described(status=204, revised=True)
async def delete_role(request: web.Request) -> web.Response:
    """Delete a role that nobody holds and none inherits."""
    services = services_of(request)
    role = _changeable(_asked(request, await _book(services)))
    check_match(request, role.revision)
    await services.store.roles.delete(role.id)
    note(request, deleted=role.id)
    return web.Response(status=204)


def role_json(role: Role, book: RoleBook) -> Item:
    """A role as the API shows one; ``effective`` is with what it inherits."""
    content = book.content(role.id)
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
        "effective": {
            "permissions": sorted(content.permissions),
            "rules": [asdict(one) for one in content.rules],
            "cluster_roles": sorted(content.cluster_roles),
        },
        "created_at": role.created_at.isoformat() if role.created_at else None,
    }


def _role(role_id: str, scope: Scope, body: RoleSpec, created_at: datetime | None) -> Role:
    unknown = sorted(set(body.permissions) - PERMISSIONS[scope])
    if unknown:
        known = ", ".join(sorted(PERMISSIONS[scope]))
        raise Problem(422, f"permissions: {unknown[0]} is not one of {known}")
    if scope == "global" and (body.rules or body.cluster_roles):
        raise Problem(422, "rules: a global role has permissions; rules hold in clusters")
    return Role(
        id=role_id,
        scope=scope,
        name=body.name,
        description=body.description,
        permissions=tuple(dict.fromkeys(body.permissions)),
        rules=tuple(one.record() for one in body.rules),
        cluster_roles=tuple(dict.fromkeys(body.cluster_roles)),
        inherits=tuple(dict.fromkeys(body.inherits)),
        created_at=created_at,
    )


def _spec(role: Role) -> RoleSpec:
    return RoleSpec(
        name=role.name,
        description=role.description,
        permissions=list(role.permissions),
        rules=[
            Rule(**{key: list(value) for key, value in asdict(one).items()}) for one in role.rules
        ],
        cluster_roles=list(role.cluster_roles),
        inherits=list(role.inherits),
    )


def _check(role: Role, book: RoleBook, caller: Caller) -> None:
    """Raise Problem for what can't be, or is more than the caller holds."""
    named = book.named(role.scope, role.name)
    if named is not None and named.id != role.id:
        raise Conflict(f'there is a {role.scope} role "{role.name}" already')
    try:
        book.check(role)
    except BadRole as exc:
        raise Problem(422, str(exc)) from None
    others = [one for one in _made(book) if one.id != role.id]
    missing = lacking_for(role, RoleBook([*others, role]), caller.access)
    if missing:
        raise Problem(403, f"you don't hold this yourself, everywhere: {', '.join(missing[:5])}")


def _made(book: RoleBook) -> list[Role]:
    return [one for one in book if not one.built_in]


async def _book(services: Services) -> RoleBook:
    return RoleBook(await services.store.roles.list_all())


def _asked(request: web.Request, book: RoleBook) -> Role:
    role = book.get(request.match_info["role"])
    if role is None:
        raise Problem(404, "there is no such role")
    return role


def _changeable(role: Role) -> Role:
    if role.built_in:
        raise Problem(409, "the role is always there as it is: make one that inherits it")
    return role
