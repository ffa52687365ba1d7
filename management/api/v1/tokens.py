"""API tokens: the caller's own, and other users' for managers of users."""

from collections.abc import Sequence

from aiohttp import web
from pydantic import Field

from management.api import response_models
from management.api.access_requirements import TOKEN, managed_user, sees
from management.api.authentication import Caller, caller_of
from management.api.listing import Item, Listing
from management.api.openapi_metadata import openapi
from management.api.request_models import Line, Reference, RequestModel, Ttl
from management.api.services import Services, services_of
from management.api.user_management import reach_of
from management.errors import no_cluster
from management.http.body import read_body
from management.http.problem import ApiProblem
from management.http.request_notes import add_audit_note
from management.identity.tokens import TokenSpec, is_over
from store.pieces import in_pieces
from store.records import Token


class NewToken(RequestModel):
    """A new token. ``ttl`` such as ``8h``; ``clusters`` by id or name; empty: no limit.

    ``projects`` (ids) limits the token to their namespaces. ``read_only`` allows reading the API;
    ``proxy_read`` additionally allows GET and HEAD on what services and pods
    serve, and on the metrics of nodes.
    """

    description: Line = ""
    ttl: Ttl = None
    clusters: list[Reference] = Field(default_factory=list, max_length=100)
    projects: list[Reference] = Field(default_factory=list, max_length=100)
    read_only: bool = False
    proxy_read: bool = False


@openapi(body=NewToken, response=response_models.NewTokenResponse, status=201)
async def create(request: web.Request) -> web.Response:
    """Create a token; no other response contains its secret.

    It acts as the principal that the caller signed in with. A token created in a session may
    outlive it. A token created with another token ends no later, is revoked with it, and has at
    most its scope.
    """
    services, caller = services_of(request), caller_of(request)
    body = await read_body(request, NewToken)
    used = caller.authenticated.token
    issued = await services.tokens.issue(
        caller.user,
        TokenSpec(
            kind="token",
            principal_id=caller.authenticated.identity.principal_id,
            ttl=body.ttl,
            clusters=await _clusters(services, caller, body),
            projects=body.projects,
            read_only=body.read_only,
            proxy_read=body.proxy_read,
            description=body.description,
        ),
        made_with=used,
    )
    return web.json_response(
        {"token": issued.bearer, **token_json(issued.token)},
        status=201,
        headers={"Cache-Control": "no-store"},
    )


async def collect(request: web.Request) -> Sequence[Item]:
    """List the caller's tokens; with ``?user=`` another user's, for those who may read them."""
    store = services_of(request).store
    tokens = await store.tokens.list_for(managed_user(request).id)
    return [token_json(one) async for one in in_pieces(tokens)]


LIST = Listing(
    collect,
    response=response_models.TokenResponse,
    key="name",
    sorts=("-created_at", "name", "last_used_at", "expires_at"),
    filters=("kind", "expired", "read_only", "proxy_read"),
    searched=("name", "description"),
    kinds=frozenset({"user", "token-created"}),
    about=lambda request: managed_user(request).id,
    own_parameters=("user",),
)


@openapi(status=204)
async def revoke(request: web.Request) -> web.Response:
    """Revoke a token and all tokens that were created with it, within a second.

    For a session: every session of the same sign-in, and all tokens that were created in them.
    """
    token = request[TOKEN]
    check = reach_of(caller_of(request), token.user_id)
    await services_of(request).store.tokens.revoke(token.name, check=check)
    add_audit_note(request, revoked=token.name)
    return web.Response(status=204)


async def _clusters(services: Services, caller: Caller, body: NewToken) -> list[str]:
    """Return the token's clusters: the named ones and those of its projects.

    Raises:
        ApiProblem: 422 for a cluster or project that the caller may not see.
    """
    ids = await cluster_ids(services, caller, body.clusters)
    for name in body.projects:
        project = await services.store.projects.get(name)
        if project is None or not sees(caller, project):
            raise ApiProblem(422, f'project "{name}" not found, or you have no access to it')
        if ids and body.clusters and project.cluster_id not in ids:
            raise ApiProblem(422, f'project "{name}" is in none of the given clusters')
        if project.cluster_id not in ids:
            ids.append(project.cluster_id)
    return ids


async def cluster_ids(services: Services, caller: Caller, names: Sequence[str]) -> list[str]:
    """Return the ids of clusters that the caller may enter; raise ApiProblem for any other."""
    ids = []
    for name in names:
        cluster = await services.store.clusters.get(name)
        if cluster is None or not caller.access.can_enter(cluster.id):
            raise ApiProblem(422, no_cluster(name))
        ids.append(cluster.id)
    return ids


def token_json(token: Token) -> Item:
    """Return a token as the API shows it, without its secret."""
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
        "proxy_read": token.proxy_read,
        "parent": token.parent,
    }
