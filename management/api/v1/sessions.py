"""Signing in and out, and who one is."""

from datetime import UTC, datetime

from aiohttp import web
from aiohttp_session import get_session
from pydantic import BaseModel, ConfigDict, SecretStr

from management.accounts import end_sign_ins
from management.api import answers
from management.api.described import described
from management.authentication import caller_of
from management.door import Door
from management.problems import CHALLENGE, Problem, read_body
from management.services import services_of
from management.sessions import begin_session
from management.sign_in import UnknownProvider
from management.telling import address_of, note, told
from management.tokens import renewable_until
from providers.base import Attempt, Refused
from store.interfaces import Membership, User

_REFUSED = "the user name or the password is not right, or may not sign in"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class Login(_Body):
    """``session``: also set a browser session's cookie, as the sign-in page asks for."""

    username: str
    password: SecretStr
    session: bool = False


class PasswordChange(_Body):
    """A new password for oneself. ``revoke_tokens``: end one's API tokens, too."""

    current_password: SecretStr
    new_password: SecretStr
    revoke_tokens: bool = False


async def providers(request: web.Request) -> web.Response:
    """GET /v1/providers: how people may sign in."""
    doors = services_of(request).sign_in.doors
    items = [provider_json(name, door) for name, door in doors.items() if door.methods]
    return web.json_response({"items": items})


@described(body=Login)
async def login(request: web.Request) -> web.Response:
    """POST /v1/login/{provider}: a token for a name and a password.

    Any refused sign-in gets the same answer. A cookie is set only where the body asks for one, and
    only for a page of ours: else another site could sign its visitor in to an account of its own.
    """
    services = services_of(request)
    if not services.cookies.same_origin(request):
        raise Problem(
            403,
            "signing in from another site's page is refused; "
            f"Sekisho's own is at {services.external_url}/",
        )
    body = await read_body(request, Login)
    provider = request.match_info["provider"]
    attempt = Attempt(body.username, body.password.get_secret_value(), address_of(request))
    try:
        signed_in = await services.sign_in.with_password(provider, attempt)
    except UnknownProvider:
        raise Problem(404, "there is no such provider; see /v1/providers") from None
    note(request, provider=provider)
    if isinstance(signed_in, Refused):
        note(request, refused=told(signed_in))
        raise Problem(401, _REFUSED, headers=CHALLENGE)
    note(request, user=signed_in.user.id, token=signed_in.issued.token.name)
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


@described(status=204)
async def logout(request: web.Request) -> web.Response:
    """POST /v1/logout: revoke the token that was used, and end the session if there was one."""
    caller = caller_of(request)
    await services_of(request).store.tokens.revoke(caller.resolved.token.name)
    if caller.session is not None:
        (await get_session(request)).invalidate()
    return web.Response(status=204)


@described(answer=answers.MeAnswer)
async def me(request: web.Request) -> web.Response:
    """GET /v1/me: who the caller is, for Sekisho and for the clusters."""
    caller = caller_of(request)
    groups = await services_of(request).store.users.memberships(caller.user.id)
    body = user_json(caller.user) | {
        "groups": [_group_json(group) for group in groups],
        "token": caller.resolved.token.name,
    }
    if caller.session is not None:
        body["csrf_token"] = caller.session.csrf_token
    return web.json_response(body, headers={"Cache-Control": "no-store"})


@described(body=PasswordChange, status=204)
async def change_password(request: web.Request) -> web.Response:
    """POST /v1/me/password: change one's password; every other session of one's ends."""
    services, caller = services_of(request), caller_of(request)
    body = await read_body(request, PasswordChange)
    await services.passwords.change(
        caller.user,
        address_of(request),
        body.current_password.get_secret_value(),
        body.new_password.get_secret_value(),
    )
    await end_sign_ins(
        services.store,
        caller.user.id,
        keep=caller.resolved.token.name,
        tokens=body.revoke_tokens,
    )
    return web.Response(status=204)


def provider_json(name: str, door: Door) -> dict[str, object]:
    """A way to sign in, as anybody may know it. ``kind`` is the first of its methods."""
    return {"name": name, "kind": door.methods[0], "methods": door.methods}


def user_json(user: User) -> dict[str, object]:
    """A user as the API shows one."""
    return {
        "id": user.id,
        "username": user.username,
        "display_name": user.display_name,
        "enabled": user.enabled,
        "administrator": user.administrator,
        "principals": [
            {"id": one.id, "provider": one.provider, "display_name": one.name}
            for one in user.principals
        ],
        "created_at": user.created_at.astimezone(UTC).isoformat(),
    }


def _group_json(group: Membership) -> dict[str, str]:
    return {"id": group.id, "provider": group.provider, "display_name": group.name}


def is_over(when: datetime | None) -> bool:
    """Whether that time has come."""
    return when is not None and when <= datetime.now(UTC)
