"""One's principals: refreshed, linked, unlinked; and the end of all one's tokens."""

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, SecretStr

from management.accounts import end_sign_ins
from management.api import answers
from management.api.described import described
from management.api.users import require_managed
from management.authentication import Caller, caller_of
from management.browser_sign_in import Errand, set_cookie
from management.linking import link_principal, signed_in_recently
from management.problems import Problem, read_body
from management.refresh import IdentityRefresh
from management.services import Services, services_of
from management.session_endpoints import user_json
from management.sign_in import UnknownProvider
from management.telling import address_of, note, told
from providers.base import Attempt, ExternalIdentity, ProviderUnavailable, Refused

_LOG = structlog.get_logger("sekisho.identities")
_NO_SUCH = "there is no such provider; see /v1/providers"


class Link(BaseModel):
    """The proof of the second principal; of a provider in the browser, its name alone."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    provider: str
    username: str | None = None
    password: SecretStr | None = None


async def refresh_own(request: web.Request) -> web.Response:
    """POST /v1/me/refresh: ask one's providers again, now."""
    return await _refreshed(request, caller_of(request).user.id)


async def refresh_user(request: web.Request) -> web.Response:
    """POST /v1/users/{id}/refresh: the same of anybody, for those who manage users."""
    user = await require_managed(request, request.match_info["id"])
    return await _refreshed(request, user.id)


class PasswordReset(BaseModel):
    """A password to hand over; it must be changed at the next sign-in."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    new_password: SecretStr
    revoke_tokens: bool = False


@described(body=PasswordReset, status=204)
async def reset_password(request: web.Request) -> web.Response:
    """POST /v1/users/{id}/password: for those who manage users. The user's sessions end."""
    services = services_of(request)
    user = await require_managed(request, request.match_info["id"])
    body = await read_body(request, PasswordReset)
    await services.passwords.reset(user, body.new_password.get_secret_value())
    ended = await end_sign_ins(services.store, user.id, tokens=body.revoke_tokens)
    note(request, ended=str(ended))
    return web.Response(status=204)


@described(body=Link, status=201, others=(200,))
async def link(request: web.Request) -> web.StreamResponse:
    """POST /v1/me/principals: be known in one more way. Needs both proofs, and both fresh.

    Without a password: the URL at which the browser, with the cookie that is set, gives the other.
    """
    services, caller = services_of(request), caller_of(request)
    _recently(caller)
    body = await read_body(request, Link)
    note(request, provider=body.provider)
    if body.username is None or body.password is None:
        return await _link_in_browser(services, caller, body.provider)
    door = services.sign_in.doors.get(body.provider)
    if door is None or door.password is None:
        raise Problem(404, _NO_SUCH)
    attempt = Attempt(body.username, body.password.get_secret_value(), address_of(request))
    outcome = await door.password.authenticate(attempt)
    if not isinstance(outcome, ExternalIdentity):
        note(request, refused=told(outcome or Refused("refused")))
        raise Problem(403, "the user name or the password is not right, or may not sign in")
    await link_principal(services.store, caller.user.id, body.provider, door, outcome)
    return await _own(services, caller, 201)


async def _link_in_browser(services: Services, caller: Caller, provider: str) -> web.Response:
    token = caller.resolved.token.name
    errand = Errand(link_user=caller.user.id, link_token=token)
    try:
        url, cookie = await services.browser.begin(provider, errand)
    except UnknownProvider:
        raise Problem(404, _NO_SUCH) from None
    response = web.json_response({"url": url}, headers={"Cache-Control": "no-store"})
    set_cookie(response, cookie)
    return response


@described(status=204)
async def unlink(request: web.Request) -> web.Response:
    """DELETE /v1/me/principals/{id}: its tokens end with it. Never the last, nor that in use."""
    services, caller = services_of(request), caller_of(request)
    _recently(caller)
    principal_id = request.match_info["id"]
    if principal_id == caller.resolved.identity.principal_id:
        raise Problem(409, "this is how you have signed in; sign in another way to unlink it")
    known = await services.store.identities.get(principal_id)
    await services.store.identities.unlink(caller.user.id, principal_id)
    note(request, unlinked=principal_id)
    if known is not None and known.secret is not None:
        await _give_back(services, known.provider, principal_id, known.secret)
    return web.Response(status=204)


async def _give_back(services: Services, provider: str, principal_id: str, secret: str) -> None:
    """Have the provider revoke what it gave us. It is unlinked here whatever comes of that."""
    door = services.sign_in.doors.get(provider)
    if door is None or door.grants is None:
        return
    try:
        await door.grants.revoke_grant(principal_id, secret)
    except ProviderUnavailable as exc:
        _LOG.warning("grant not revoked", provider=provider, error=str(exc))


@described(answer=answers.RevokedAnswer)
async def revoke_all(request: web.Request) -> web.Response:
    """DELETE /v1/me/tokens: end every token and session of one's own, but the one in use."""
    caller = caller_of(request)
    revoked = await services_of(request).store.identities.revoke_tokens(
        user_id=caller.user.id, keep=caller.resolved.token.name
    )
    return web.json_response({"revoked": revoked})


def _recently(caller: Caller) -> None:
    if not signed_in_recently(caller.resolved.token):
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
