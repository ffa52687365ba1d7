"""One's principals: refreshed, linked, unlinked; and the end of all one's tokens."""

from datetime import UTC, datetime, timedelta

from aiohttp import web
from pydantic import BaseModel, ConfigDict, SecretStr

from management.authentication import Caller, caller_of
from management.problems import Problem, read_body
from management.refresh import IdentityRefresh
from management.services import Services, services_of
from management.session_endpoints import user_json
from management.telling import address_of, note
from management.vouched import check_vouched
from providers.base import Attempt, ExternalIdentity
from store.interfaces import Conflict, Principal

RECENT = timedelta(minutes=15)
"""How long ago the sign-in may be with which somebody changes who they are."""


class Link(BaseModel):
    """The proof of the second principal."""

    model_config = ConfigDict(extra="forbid")

    provider: str
    username: str
    password: SecretStr


async def refresh_own(request: web.Request) -> web.Response:
    """POST /v1/me/refresh: ask one's providers again, now."""
    return await _refreshed(request, caller_of(request).user.id)


async def refresh_user(request: web.Request) -> web.Response:
    """POST /v1/users/{id}/refresh: the same of anybody, for administrators."""
    user_id = request.match_info["id"]
    if not caller_of(request).administrator:
        raise Problem(403, "only administrators may do this")
    if await services_of(request).store.users.get(user_id) is None:
        raise Problem(404, "there is no such user")
    return await _refreshed(request, user_id)


async def link(request: web.Request) -> web.Response:
    """POST /v1/me/principals: be known in one more way. Needs both proofs, and both fresh."""
    services, caller = services_of(request), caller_of(request)
    _recently(caller)
    body = await read_body(request, Link)
    if services.providers is None or (door := services.providers.get(body.provider)) is None:
        raise Problem(404, "there is no such provider; see /v1/providers")
    attempt = Attempt(body.username, body.password.get_secret_value(), address_of(request))
    outcome = await door.authenticator.authenticate(attempt)
    note(request, provider=body.provider)
    if not isinstance(outcome, ExternalIdentity):
        note(request, refused=outcome.reason if outcome else "refused")
        raise Problem(403, "the user name or the password is not right, or may not sign in")
    check_vouched(body.provider, door.schemes, outcome)
    principal = Principal(outcome.principal_id, body.provider, outcome.username)
    try:
        await services.store.identities.link(caller.user.id, principal, outcome.secret)
    except Conflict:
        raise Problem(409, "somebody is known by that already: unlink it there first") from None
    await services.store.identities.seen(principal.id, datetime.now(UTC), outcome.secret)
    return await _own(services, caller, 201)


async def unlink(request: web.Request) -> web.Response:
    """DELETE /v1/me/principals/{id}: its tokens end with it. Never the last, nor that in use."""
    services, caller = services_of(request), caller_of(request)
    _recently(caller)
    principal_id = request.match_info["id"]
    if principal_id == caller.resolved.identity.principal_id:
        raise Problem(409, "this is how you have signed in; sign in another way to unlink it")
    await services.store.identities.unlink(caller.user.id, principal_id)
    note(request, unlinked=principal_id)
    return web.Response(status=204)


async def revoke_all(request: web.Request) -> web.Response:
    """DELETE /v1/me/tokens: end every token and session of one's own, but the one in use."""
    caller = caller_of(request)
    revoked = await services_of(request).store.identities.revoke_tokens(
        user_id=caller.user.id, keep=caller.resolved.token.name
    )
    return web.json_response({"revoked": revoked})


def _recently(caller: Caller) -> None:
    token = caller.resolved.token
    if token.kind != "session" or datetime.now(UTC) - token.created_at > RECENT:
        raise Problem(403, "sign in again first: this needs a sign-in of the last 15 minutes")


async def _refreshed(request: web.Request, user_id: str) -> web.Response:
    refresh: IdentityRefresh | None = services_of(request).refresh
    if refresh is None:
        raise Problem(404, "nobody is refreshed here")
    results = await refresh.user(user_id)
    note(request, refreshed=" ".join(f"{principal}={result}" for principal, result in results))
    return web.json_response(
        {"items": [{"principal": principal, "result": result} for principal, result in results]}
    )


async def _own(services: Services, caller: Caller, status: int) -> web.Response:
    user = await services.store.users.get(caller.user.id)
    if user is None:
        raise Problem(404, "there is no such user")
    return web.json_response(user_json(user), status=status)


routes = [
    web.post("/v1/me/refresh", refresh_own),
    web.post("/v1/users/{id}/refresh", refresh_user),
    web.post("/v1/me/principals", link),
    web.delete("/v1/me/principals/{id:.+}", unlink),
    web.delete("/v1/me/tokens", revoke_all),
]
