"""The token endpoint, and the start of a device sign-in."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from aiohttp import web

from config.loggers import get_logger
from management.api.services import services_of
from management.api.v1.users import user_json
from management.http.problem import REQUEST_ID, ApiProblem
from management.http.request_notes import add_audit_note, address_of
from management.identity.sign_in import UnknownProvider
from management.identity.tokens import TtlTooLong, renewable_until
from management.oauth import authorization_code, device_code, refresh_token, token_exchange
from management.oauth.errors import INVALID_REQUEST, UNAVAILABLE, UNSUPPORTED_GRANT, OAuthError
from management.oauth.form import read_form
from management.oauth.grants import TokenRequest, TokenResponse
from providers.base import ProviderUnavailable
from store.errors import StoreUnavailable

_LOG = get_logger(__name__)

_GRANTS: Mapping[str, Callable[[TokenRequest], Awaitable[TokenResponse]]] = {
    authorization_code.GRANT: authorization_code.redeem,
    device_code.GRANT: device_code.redeem,
    refresh_token.GRANT: refresh_token.redeem,
    token_exchange.GRANT: token_exchange.redeem,
}


async def token(request: web.Request) -> web.Response:
    """Redeem a grant for a token. Errors follow RFC 6749 §5.2."""
    try:
        return _token_response(request, await _redeem(request))
    except OAuthError as exc:
        add_audit_note(request, reason=exc.error)
        return exc.response(request[REQUEST_ID])


async def _redeem(request: web.Request) -> TokenResponse:
    services = services_of(request)
    if not services.cookies.same_origin(request):
        raise OAuthError(
            INVALID_REQUEST, "requests from another site's page are rejected", status=403
        )
    form = await read_form(request)
    kind = form.one("grant_type")
    grant = _GRANTS.get(kind)
    if grant is None:
        raise OAuthError(UNSUPPORTED_GRANT, f"grant_type must be one of {', '.join(_GRANTS)}")
    add_audit_note(request, grant=kind.rpartition(":")[2])
    try:
        return await grant(TokenRequest(request, form, services.grant_services))
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


def _token_response(request: web.Request, granted: TokenResponse) -> web.Response:
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
        body["issued_token_type"] = token_exchange.ACCESS_TOKEN
        body["scope"] = token_exchange.scope_of(issued.token)
    else:
        body["must_change_password"] = signed_in.must_change_password
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    return web.json_response(body, headers=headers)


def _seconds_left(ends: datetime | None) -> int | None:
    return None if ends is None else max(0, int((ends - datetime.now(UTC)).total_seconds()))


async def begin_device(request: web.Request) -> web.Response:
    """Begin a device sign-in; the response has the code to type (RFC 8628 §3.1)."""
    services = services_of(request)
    if not services.cookies.same_origin(request):
        raise ApiProblem(403, "sign-ins from another site's page are rejected")
    provider = request.match_info["provider"]
    services.limits.sign_in_begins(address_of(request))
    try:
        started = await device_code.begin(
            services.sign_in, services.grant_services.cipher, provider
        )
    except UnknownProvider:
        raise ApiProblem(404, "no such provider has device codes; see /v1/providers") from None
    add_audit_note(request, provider=provider)
    return web.json_response(started, headers={"Cache-Control": "no-store"})
