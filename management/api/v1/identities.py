"""The caller's principals and tokens, and the same of other users for managers."""

from aiohttp import web
from pydantic import SecretStr

from config.loggers import get_logger
from management.api import response_models
from management.api.access_requirements import managed_user
from management.api.authentication import Caller, caller_of
from management.api.openapi_metadata import openapi
from management.api.request_models import RequestModel
from management.api.services import Services, services_of
from management.api.user_management import reach_of
from management.api.v1.users import user_json
from management.http.body import read_body
from management.http.problem import ApiProblem
from management.http.request_notes import add_audit_note, address_of, describe_rejection
from management.identity.browser_sign_in import SignInPurpose
from management.identity.identity_refresh import IdentityRefresher
from management.identity.principal_linking import link_principal, signed_in_recently
from management.identity.sign_in import UnknownProvider
from management.identity.sign_in_cookies import set_cookie
from management.tracing.provider_calls import provider_span
from providers.base import ExternalIdentity, PasswordAttempt, ProviderUnavailable, Rejected

_LOG = get_logger(__name__)
_NO_SUCH = "provider not found; see /v1/providers"


class Link(RequestModel):
    """The proof of another principal; for a provider with browser sign-in, its name alone."""

    provider: str
    username: str | None = None
    password: SecretStr | None = None


async def refresh_own(request: web.Request) -> web.Response:
    """Refresh the caller's principals at their providers now."""
    return await _refreshed(request, caller_of(request).user.id)


async def refresh_user(request: web.Request) -> web.Response:
    """Refresh a user's principals at their providers now."""
    return await _refreshed(request, managed_user(request).id)


class PasswordReset(RequestModel):
    """A password to hand over; the user must change it at the next sign-in, within 24 hours."""

    new_password: SecretStr
    revoke_tokens: bool = False


@openapi(body=PasswordReset, status=204)
async def reset_password(request: web.Request) -> web.Response:
    """Set a user's password. The user's sessions end."""
    services, user = services_of(request), managed_user(request)
    body = await read_body(request, PasswordReset)
    ended = await services.passwords.reset(
        user,
        body.new_password.get_secret_value(),
        revoke_tokens=body.revoke_tokens,
        check=reach_of(caller_of(request), user.id),
    )
    add_audit_note(request, revoked_count=str(ended))
    return web.Response(status=204)


@openapi(body=Link, status=201, others=(200,))
async def link(request: web.Request) -> web.StreamResponse:
    """Link another principal to the caller. Needs both proofs, and both recent.

    Without a password, the response has the URL where the browser, with the cookie that is set,
    gives the other proof.
    """
    services, caller = services_of(request), caller_of(request)
    _require_recent_sign_in(caller)
    body = await read_body(request, Link)
    add_audit_note(request, provider=body.provider)
    if body.username is None or body.password is None:
        return await _link_in_browser(request, caller, body.provider)
    capabilities = services.sign_in.providers.get(body.provider)
    if capabilities is None or capabilities.password is None:
        raise ApiProblem(404, _NO_SUCH)
    attempt = PasswordAttempt(body.username, body.password.get_secret_value(), address_of(request))
    with provider_span(body.provider, "password"):
        outcome = await capabilities.password.authenticate(attempt)
    if not isinstance(outcome, ExternalIdentity):
        add_audit_note(request, rejected=describe_rejection(outcome or Rejected("refused")))
        raise ApiProblem(403, "the username or password is wrong, or the user may not sign in")
    await link_principal(services.store, caller.user.id, body.provider, capabilities, outcome)
    return await _own_user(services, caller, 201)


async def _link_in_browser(
    request: web.Request, caller: Caller, provider: str
) -> web.StreamResponse:
    token = caller.authenticated.token.name
    purpose = SignInPurpose(link_user=caller.user.id, link_token=token)
    try:
        url, cookie = await services_of(request).browser.begin(provider, purpose)
    except UnknownProvider:
        raise ApiProblem(404, _NO_SUCH) from None
    response = web.json_response({"url": url}, headers={"Cache-Control": "no-store"})
    set_cookie(request, response, cookie)
    return response


@openapi(status=204)
async def unlink(request: web.Request) -> web.Response:
    """Unlink a principal; its tokens end. The last one and the one in use cannot be unlinked."""
    services, caller = services_of(request), caller_of(request)
    _require_recent_sign_in(caller)
    principal_id = request.match_info["id"]
    if principal_id == caller.authenticated.identity.principal_id:
        raise ApiProblem(
            409, "you have signed in with this principal: sign in with another one to unlink it"
        )
    known = await services.store.identities.get(principal_id)
    await services.store.identities.unlink(caller.user.id, principal_id)
    add_audit_note(request, unlinked=principal_id)
    if known is not None and known.secret is not None:
        await _revoke_grant(services, known.provider, principal_id, known.secret)
    return web.Response(status=204)


async def _revoke_grant(services: Services, provider: str, principal_id: str, secret: str) -> None:
    """Revoke the provider's grant. A failure does not undo the unlinking."""
    capabilities = services.sign_in.providers.get(provider)
    if capabilities is None or capabilities.grants is None:
        return
    try:
        await capabilities.grants.revoke_grant(principal_id, secret)
    except ProviderUnavailable as exc:
        _LOG.warning("grant not revoked", provider=provider, error=str(exc))


@openapi(response=response_models.RevokedResponse)
async def revoke_all(request: web.Request) -> web.Response:
    """Revoke all of the caller's tokens and sessions, except the one in use."""
    caller = caller_of(request)
    revoked = await services_of(request).store.identities.revoke_tokens(
        user_id=caller.user.id, keep=caller.authenticated.token.name
    )
    return web.json_response({"revoked": revoked})


def _require_recent_sign_in(caller: Caller) -> None:
    if not signed_in_recently(caller.authenticated.token):
        raise ApiProblem(403, "this needs a sign-in within the last 15 minutes: sign in again")


async def _refreshed(request: web.Request, user_id: str) -> web.Response:
    refresh: IdentityRefresher | None = services_of(request).refresh
    if refresh is None:
        raise ApiProblem(404, "this server does not refresh identities")
    results = await refresh.user(user_id)
    add_audit_note(
        request, refreshed=" ".join(f"{principal}={result}" for principal, result in results)
    )
    return web.json_response(
        {"items": [{"principal": principal, "result": result} for principal, result in results]}
    )


async def _own_user(services: Services, caller: Caller, status: int) -> web.Response:
    user = await services.store.users.get(caller.user.id)
    if user is None:
        raise ApiProblem(404, "user not found")
    return web.json_response(user_json(user), status=status)
