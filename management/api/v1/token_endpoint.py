"""The token endpoint itself, and the beginning of a sign-in on another device."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import structlog
from aiohttp import web

from management.oauth import code, device, exchange, renewal
from management.oauth.errors import INVALID_REQUEST, UNAVAILABLE, UNSUPPORTED_GRANT, OAuthError
from management.oauth.form import read_form
from management.oauth.grant import Asked, Granted
from management.problems import REQUEST_ID, Problem
from management.services import services_of
from management.session_endpoints import user_json
from management.sign_in import UnknownProvider
from management.telling import note
from management.tokens import TtlTooLong, renewable_until
from providers.base import ProviderUnavailable
from store.interfaces import StoreUnavailable

_LOG = structlog.get_logger("sekisho.api")

_GRANTS: Mapping[str, Callable[[Asked], Awaitable[Granted]]] = {
    code.GRANT: code.redeem,
    device.GRANT: device.redeem,
    renewal.GRANT: renewal.redeem,
    exchange.GRANT: exchange.redeem,
}


async def token(request: web.Request) -> web.Response:
    """POST /v1/token: a token for a grant. Errors as RFC 6749 §5.2."""
    try:
        return _told(request, await _granted(request))
    except OAuthError as exc:
        note(request, reason=exc.error)
        return exc.response(request[REQUEST_ID])


async def _granted(request: web.Request) -> Granted:
    services = services_of(request)
    if not services.cookies.same_origin(request):
        raise OAuthError(INVALID_REQUEST, "another site's page may not ask for tokens", status=403)
    form = await read_form(request)
    kind = form.one("grant_type")
    grant = _GRANTS.get(kind)
    if grant is None:
        raise OAuthError(UNSUPPORTED_GRANT, f"grant_type must be one of {', '.join(_GRANTS)}")
    note(request, grant=kind.rpartition(":")[2])
    try:
        return await grant(Asked(request, form, services.granting))
    except StoreUnavailable as exc:
        _LOG.error("store unavailable", error=str(exc))
        raise _unavailable("the store is unavailable", 2) from None
    except ProviderUnavailable as exc:
        _LOG.warning("provider unavailable", error=str(exc))
        raise _unavailable("the provider is unavailable", exc.retry_after or 5) from None
    except TtlTooLong as exc:
        raise OAuthError(INVALID_REQUEST, str(exc)) from None


def _unavailable(what: str, wait: int) -> OAuthError:
    headers = {"Retry-After": str(wait)}
    return OAuthError(UNAVAILABLE, f"{what}; try again", status=503, headers=headers)


def _told(request: web.Request, granted: Granted) -> web.Response:
    signed_in = granted.signed_in
    issued = signed_in.issued
    until = renewable_until(issued.token, services_of(request).tokens.renewable_for)
    body: dict[str, object] = {
        "access_token": issued.bearer,
        "token_type": "Bearer",
        "expires_in": _seconds_left(issued.token.expires_at),
        "expires_at": issued.token.expires_at.isoformat() if issued.token.expires_at else None,
        "renewable_until": until.isoformat() if until else None,
        "user": user_json(signed_in.user),
    }
    if granted.exchanged:
        body["issued_token_type"] = exchange.ACCESS_TOKEN
        body["scope"] = exchange.READ_ONLY if issued.token.read_only else ""
    else:
        body["must_change_password"] = signed_in.must_change_password
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    return web.json_response(body, headers=headers)


def _seconds_left(ends: datetime | None) -> int | None:
    return None if ends is None else max(0, int((ends - datetime.now(UTC)).total_seconds()))


async def begin_device(request: web.Request) -> web.Response:
    """POST /v1/login/{provider}/device: a code to type on another device (RFC 8628 §3.1)."""
    services = services_of(request)
    if not services.cookies.same_origin(request):
        raise Problem(403, "another site's page may not begin a sign-in")
    provider = request.match_info["provider"]
    try:
        started = await device.begin(services.sign_in, services.granting.sealer, provider)
    except UnknownProvider:
        raise Problem(404, "there is no such provider with codes; see /v1/providers") from None
    note(request, provider=provider)
    return web.json_response(started, headers={"Cache-Control": "no-store"})
