"""API tokens: one's own; administrators may see and revoke others'."""

import re
from collections.abc import Sequence
from datetime import timedelta

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, field_validator

from config.durations import parse_duration
from management.api import answers
from management.api.described import described
from management.api.listing import Item, Listing
from management.api.requirements import sees
from management.api.users import require_managed
from management.authentication import Caller, caller_of
from management.authorization.permissions import USERS
from management.problems import Problem, read_body
from management.services import Services, services_of
from management.session_endpoints import is_over
from store.interfaces import Token

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class NewToken(BaseModel):
    """What a new token is for. ``ttl`` like ``8h``; ``clusters`` by id or name; none: no limit.

    ``projects`` (ids): for their namespaces only.
    """

    model_config = ConfigDict(extra="forbid", defer_build=True)

    description: str = Field(default="", max_length=256)
    ttl: timedelta | None = None
    clusters: list[str] = Field(default_factory=list, max_length=100)
    projects: list[str] = Field(default_factory=list, max_length=100)
    read_only: bool = False

    @field_validator("description")
    @classmethod
    def _one_line(cls, value: str) -> str:
        # Lists of tokens are shown in terminals, and databases can't hold every character.
        if _CONTROL.search(value):
            raise ValueError("must be one line, without control characters")
        return value

    @field_validator("ttl", mode="before")
    @classmethod
    def _duration(cls, value: object) -> object:
        if value is None:
            return None
        if not isinstance(value, str):
            raise ValueError("must be text like 30m, 8h or 90d")
        return parse_duration(value)


@described(body=NewToken, answer=answers.NewTokenAnswer, status=201)
async def create(request: web.Request) -> web.Response:
    """POST /v1/tokens: a new token; the only answer that ever holds it.

    It acts as the principal that the caller signed in with, and ends no later than the token that
    made it would let it: a read-only one can't make any, and a session's makes long-lived ones.
    """
    services, caller = services_of(request), caller_of(request)
    body = await read_body(request, NewToken)
    used = caller.resolved.token
    issued = await services.tokens.issue(
        caller.user,
        kind="token",
        principal_id=caller.resolved.identity.principal_id,
        ttl=body.ttl,
        # A sign-in may make tokens that outlive it; a token that leaked must not live on in others.
        not_after=used.expires_at if used.kind != "session" else None,
        clusters=await _clusters(services, caller, body),
        projects=body.projects,
        read_only=body.read_only,
        description=body.description,
    )
    return web.json_response(
        {"token": issued.bearer, **token_json(issued.token)},
        status=201,
        headers={"Cache-Control": "no-store"},
    )


async def collect(request: web.Request) -> Sequence[Item]:
    """The caller's tokens; ``?user=``: another's, for those who manage users."""
    services, caller = services_of(request), caller_of(request)
    user_id = request.query.get("user", caller.user.id)
    if user_id != caller.user.id:
        if USERS not in caller.access.overall:
            raise Problem(403, "only those who manage users may see others' tokens")
        await require_managed(request, user_id)
    tokens = await services.store.tokens.list_for(user_id)
    return [token_json(one) for one in tokens]


LIST = Listing(
    collect,
    answer=answers.TokenAnswer,
    key="name",
    sorts=("-created_at", "name", "last_used_at", "expires_at"),
    filters=("kind", "expired", "read_only"),
    searched=("name", "description"),
    kinds=frozenset({"user"}),
    own_parameters=("user",),
)


@described(status=204)
async def revoke(request: web.Request) -> web.Response:
    """DELETE /v1/tokens/{name}: revoke one; every replica knows within a second."""
    services, caller = services_of(request), caller_of(request)
    name = request.match_info["name"]
    token = await services.store.tokens.get(name)
    others = token is not None and token.user_id != caller.user.id
    if token is None or (others and USERS not in caller.access.overall):
        raise Problem(404, "you have no such token")
    if others:
        await require_managed(request, token.user_id)
    await services.store.tokens.revoke(name)
    return web.Response(status=204)


async def _clusters(services: Services, caller: Caller, body: NewToken) -> list[str]:
    """The clusters that a token is for: those named, and those of its projects. Raises Problem."""
    ids = await cluster_ids(services, caller, body.clusters)
    for name in body.projects:
        project = await services.store.projects.get(name)
        if project is None or not sees(caller, project):
            raise Problem(422, f'there is no project "{name}" that you may see')
        if ids and body.clusters and project.cluster_id not in ids:
            raise Problem(422, f'project "{name}" is in none of the clusters')
        if project.cluster_id not in ids:
            ids.append(project.cluster_id)
    return ids


async def cluster_ids(services: Services, caller: Caller, names: Sequence[str]) -> list[str]:
    """The ids of clusters that the caller may enter. Raises Problem for any other."""
    ids = []
    for name in names:
        cluster = await services.store.clusters.get(name)
        if cluster is None or not caller.access.enters(cluster.id):
            raise Problem(422, f'there is no cluster "{name}" that you may enter')
        ids.append(cluster.id)
    return ids


def token_json(token: Token) -> Item:
    """A token as the API shows one: everything but what makes it one."""
    return {
        "name": token.name,
        "kind": token.kind,
        "user": token.user_id,
        "principal": token.principal_id,
        "description": token.description,
        "created_at": token.created_at.isoformat(),
        "expires_at": token.expires_at.isoformat() if token.expires_at else None,
        "last_used_at": token.last_used_at.isoformat() if token.last_used_at else None,
        "expired": is_over(token.expires_at),
        "clusters": list(token.clusters),
        "projects": list(token.projects),
        "read_only": token.read_only,
    }
