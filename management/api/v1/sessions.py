"""Sign in and out, and the caller's own data."""

from aiohttp import web
from aiohttp_session import get_session
from pydantic import SecretStr

from management.api import caller_response_models
from management.api.authentication import caller_of
from management.api.openapi_metadata import openapi
from management.api.request_models import RequestModel
from management.api.services import services_of
from management.api.token_reach import reach_of
from management.api.v1.users import user_json
from management.http.body import read_body
from management.http.problem import CHALLENGE, ApiProblem
from management.http.request_notes import (
    add_audit_note,
    address_of,
    describe_rejection,
    user_agent_of,
)
from management.identity.provider_capabilities import ProviderCapabilities
from management.identity.session_cookies import begin_session
from management.identity.sign_in import UnknownProvider
from management.identity.tokens import renewable_until
from providers.base import PasswordAttempt, Rejected
from store.records import Membership

_REJECTED = "the username or password is wrong, or the user may not sign in"


class Login(RequestModel):
    """A username and password. ``session``: also set a browser session's cookie."""

    username: str
    password: SecretStr
    session: bool = False


class PasswordChange(RequestModel):
    """A new password for the caller. ``revoke_tokens``: revoke the caller's API tokens too."""

    current_password: SecretStr
    new_password: SecretStr
    revoke_tokens: bool = False


async def providers(request: web.Request) -> web.Response:
    """List the providers and their ways to sign in."""
    providers = services_of(request).sign_in.providers
    items = [
        provider_json(name, capabilities)
        for name, capabilities in providers.items()
        if capabilities.methods
    ]
    return web.json_response({"items": items})


@openapi(body=Login)
async def login(request: web.Request) -> web.Response:
    """Sign in with a username and a password; the response has a token.

    Every rejected sign-in gets the same response. A cookie is set only if the body requests it, and
    only for Sekisho's own page: otherwise another site could sign its visitor in to an account of
    its own.
    """
    services = services_of(request)
    if not services.cookies.same_origin(request):
        raise ApiProblem(
            403,
            "sign-ins from another site's page are rejected; "
            f"Sekisho's page is at {services.external_url}/",
        )
    body = await read_body(request, Login)
    provider = request.match_info["provider"]
    attempt = PasswordAttempt(body.username, body.password.get_secret_value(), address_of(request))
    try:
        signed_in = await services.sign_in.with_password(
            provider, attempt, user_agent=user_agent_of(request)
        )
    except UnknownProvider:
        raise ApiProblem(404, "provider not found; see /v1/providers") from None
    add_audit_note(request, provider=provider)
    if isinstance(signed_in, Rejected):
        add_audit_note(request, rejected=describe_rejection(signed_in))
        raise ApiProblem(401, _REJECTED, headers=CHALLENGE)
    add_audit_note(request, user=signed_in.user.id, token=signed_in.issued.token.name)
    if body.session:
        await begin_session(request, signed_in.issued.bearer)
    token = signed_in.issued.token
    until = renewable_until(token, services.tokens.renewable_for)
    return web.json_response(
        {
            "token": signed_in.issued.bearer,
            "expires_at": token.expires_at.isoformat() if token.expires_at else None,
            "renewable_until": until.isoformat() if until else None,
            "must_change_password": signed_in.must_change_password,
            "user": user_json(signed_in.user),
        },
        headers={"Cache-Control": "no-store"},
    )


@openapi(status=204)
async def logout(request: web.Request) -> web.Response:
    """Revoke the token in use; for a session, every session of the same sign-in.

    Tokens that were created in a session stay. Tokens that were created with another token end with
    it.
    """
    caller = caller_of(request)
    await services_of(request).store.tokens.sign_out(caller.authenticated.token.name)
    if caller.session is not None:
        (await get_session(request)).invalidate()
    return web.Response(status=204)


@openapi(response=caller_response_models.MeResponse)
async def me(request: web.Request) -> web.Response:
    """Return the caller: the user, its groups, the token, and what a limited token is for."""
    caller = caller_of(request)
    store = services_of(request).store
    groups = await store.users.memberships(caller.user.id)
    body = user_json(caller.user) | {
        "groups": [_group_json(group) for group in groups],
        "permissions": sorted(caller.access.global_permissions),
        "token": caller.authenticated.token.name,
        "token_reach": await reach_of(store, caller),
        "must_change_password": caller.authenticated.token.confined,
    }
    if caller.session is not None:
        body["csrf_token"] = caller.session.csrf_token
    return web.json_response(body, headers={"Cache-Control": "no-store"})


@openapi(body=PasswordChange, status=204)
async def change_password(request: web.Request) -> web.Response:
    """Change the caller's password. The caller's other sessions end."""
    services, caller = services_of(request), caller_of(request)
    body = await read_body(request, PasswordChange)
    await services.passwords.change(
        caller.user,
        address_of(request),
        body.current_password.get_secret_value(),
        body.new_password.get_secret_value(),
        keep=caller.authenticated.token.name,
        revoke_tokens=body.revoke_tokens,
    )
    return web.Response(status=204)


def provider_json(name: str, capabilities: ProviderCapabilities) -> dict[str, object]:
    """Return a provider as anonymous clients see it. ``kind`` is the first of its methods."""
    return {"name": name, "kind": capabilities.methods[0], "methods": capabilities.methods}


def _group_json(group: Membership) -> dict[str, str]:
    return {"id": group.id, "provider": group.provider, "display_name": group.name}
