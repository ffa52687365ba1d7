"""Sign in through a provider's pages: start and callback.

The client is a browser, not a program. So an error is shown on the sign-in page, and sent to the
command line that waits, if there is one (RFC 6749 §4.1.2.1).
"""

from collections.abc import Mapping
from urllib.parse import urlencode

from aiohttp import web

from config.loggers import get_logger
from management.api.services import Services, services_of
from management.http.problem import REQUEST_ID, ApiProblem
from management.http.request_notes import (
    add_audit_note,
    address_of,
    describe_rejection,
    user_agent_of,
)
from management.identity.browser_sign_in import PendingSignIn, SignInPurpose
from management.identity.loopback_redirect import InvalidRedirect, LoopbackRedirect, loopback_target
from management.identity.principal_linking import link_principal, signed_in_recently
from management.identity.session_cookies import begin_session
from management.identity.sign_in import UnknownProvider
from management.identity.sign_in_cookies import clear_cookie, set_cookie, sign_in_cookies
from management.identity.tokens import is_over
from management.oauth.authorization_code import make_code
from management.oauth.errors import OAuthError
from management.oauth.form import read_form
from providers.base import ExternalIdentity, Outcome, ProviderUnavailable, Rejected
from store.errors import StoreUnavailable

_LOG = get_logger(__name__)
_NAVIGATES = frozenset({"navigate"})
_TOPMOST = frozenset({"document"})
_ERRORS = {"refused": "access_denied", "unavailable": "temporarily_unavailable"}
_HOME = "/"
_FAILED = web.RequestKey("sign_in_failed", bool)
_NO_SUCH = "no such provider signs in with a browser; see /v1/providers"


async def start(request: web.Request) -> web.Response:
    """Redirect the browser to the provider.

    With ``redirect_uri``, ``state`` and ``code_challenge`` of a command line, the command line gets
    the result.
    """
    _require_navigation(request)
    provider = request.match_info["provider"]
    try:
        target = loopback_target(_unique_parameters(request))
    except InvalidRedirect as exc:
        raise ApiProblem(400, str(exc)) from None
    add_audit_note(request, provider=provider)
    services_of(request).limits.sign_in_begins(address_of(request))
    try:
        url, cookie = await services_of(request).browser.begin(provider, SignInPurpose(target))
    except UnknownProvider:
        raise ApiProblem(404, _NO_SUCH) from None
    except ProviderUnavailable as exc:
        return _unavailable(request, exc, target)
    response = _redirect(url)
    set_cookie(request, response, cookie)
    return response


async def callback(request: web.Request) -> web.Response:
    """Complete a sign-in when the provider redirects back."""
    provider = request.match_info["provider"]
    add_audit_note(request, provider=provider)
    cookies, state = sign_in_cookies(request.cookies), request.query.get("state", "")
    pending = services_of(request).browser.find_pending(provider, cookies, state)
    if pending is None:
        # The browser has no such pending sign-in: another site may have sent it here.
        return _sign_in_failed(request, "again")
    response = await _finish(request, pending)
    if request.get(_FAILED):
        # After a success the cookie stays until it expires: it identifies a repeated callback (back
        # button).
        clear_cookie(response, pending.cookie)
    return response


async def _finish(request: web.Request, pending: PendingSignIn) -> web.Response:
    services, target = services_of(request), pending.purpose.target
    try:
        done = await services.browser.finish(pending, _unique_parameters(request))
        if done is None:
            # This browser has finished this sign-in before (the back button, a reload).
            add_audit_note(request, reason="sign-in: finished before")
            return _redirect(_HOME)
        capabilities, outcome = done
        if pending.purpose.link_user:
            return await _link(request, pending, outcome)
        if target is not None and isinstance(outcome, ExternalIdentity):
            return await _redirect_with_code(request, pending.provider, outcome, target)
        entered = await services.sign_in.admit(
            pending.provider,
            capabilities,
            outcome,
            address_of(request),
            user_agent=user_agent_of(request),
        )
    except UnknownProvider:
        return _sign_in_failed(request, "again", target)
    except ProviderUnavailable as exc:
        return _unavailable(request, exc, target)
    except StoreUnavailable as exc:
        _LOG.error("store unavailable", error=str(exc))
        return _sign_in_failed(request, "unavailable", target)
    if isinstance(entered, Rejected):
        add_audit_note(request, rejected=describe_rejection(entered))
        return _sign_in_failed(request, "refused", target)
    add_audit_note(request, user=entered.user.id, token=entered.issued.token.name)
    await begin_session(request, entered.issued.bearer)
    return _redirect(_HOME)


async def _redirect_with_code(
    request: web.Request, provider: str, identity: ExternalIdentity, target: LoopbackRedirect
) -> web.Response:
    """Return the redirect with a code for the command line that began the sign-in."""
    services = services_of(request)
    capabilities = services.sign_in.providers.get(provider)
    if capabilities is None:
        raise UnknownProvider(provider)
    user = await services.sign_in.resolve_user(provider, capabilities, identity)
    if isinstance(user, Rejected):
        services.sign_in.log_rejection(provider, address_of(request), user)
        add_audit_note(request, rejected=describe_rejection(user))
        return _sign_in_failed(request, "refused", target)
    add_audit_note(request, user=user.id)
    code = make_code(services.grant_services.cipher, provider, user, identity, target)
    return _redirect(target.url(code=code))


async def _link(request: web.Request, pending: PendingSignIn, outcome: Outcome) -> web.Response:
    """Link the principal to the user who requested it."""
    services, purpose = services_of(request), pending.purpose
    token = await services.store.tokens.get(purpose.link_token)
    user = await services.store.users.get(purpose.link_user)
    capabilities = services.sign_in.providers.get(pending.provider)
    live = token is not None and not is_over(token.expires_at) and signed_in_recently(token)
    if not live or user is None or not user.enabled or capabilities is None:
        return _sign_in_failed(request, "again")
    add_audit_note(request, user=user.id)
    if not isinstance(outcome, ExternalIdentity):
        add_audit_note(request, rejected=describe_rejection(outcome or Rejected("refused")))
        return _sign_in_failed(request, "refused")
    try:
        await link_principal(services.store, user.id, pending.provider, capabilities, outcome)
    except ApiProblem as problem:
        add_audit_note(request, rejected=problem.detail)
        return _sign_in_failed(request, "taken" if problem.status == 409 else "refused")
    add_audit_note(request, linked=outcome.principal_id)
    return _redirect("/?" + urlencode({"linked": pending.provider}))


def _require_navigation(request: web.Request) -> None:
    """Require a top-level navigation: no image or frame of another site's page."""
    modes = request.headers.getall("Sec-Fetch-Mode", [])
    destinations = request.headers.getall("Sec-Fetch-Dest", [])
    if not (_NAVIGATES.issuperset(modes) and _TOPMOST.issuperset(destinations)):
        raise ApiProblem(
            403, "a sign-in must begin with a link in a window of its own, not inside another page"
        )


def _unique_parameters(request: web.Request) -> Mapping[str, str]:
    """Return the query; every name may be given only once, so that the checked value is the used
    one.
    """
    query = request.query
    if len(set(query)) < len(query):
        raise ApiProblem(400, "a parameter may be given only once")
    return dict(query)


def _redirect(url: str) -> web.Response:
    return web.Response(status=303, headers={"Location": url, "Cache-Control": "no-store"})


def _unavailable(
    request: web.Request, exc: ProviderUnavailable, target: LoopbackRedirect | None
) -> web.Response:
    _LOG.warning("provider unavailable", provider=request.match_info["provider"], error=str(exc))
    return _sign_in_failed(request, "unavailable", target)


def _sign_in_failed(
    request: web.Request, why: str, target: LoopbackRedirect | None = None
) -> web.Response:
    """Redirect to the command line or the sign-in page with the reason."""
    add_audit_note(request, reason=f"sign-in: {why}")
    request[_FAILED] = True
    request_id = request[REQUEST_ID]
    if target is not None:
        error = _ERRORS.get(why, "invalid_request")
        description = f"the sign-in failed ({why}); request id {request_id}"
        return _redirect(target.url(error=error, error_description=description))
    return _redirect("/?" + urlencode({"signin": why, "request": request_id}))


async def backchannel_logout(request: web.Request) -> web.Response:
    """End the sessions of a principal whose provider reports a sign-out.

    OpenID Connect Back-Channel Logout 1.0 §2.5 to §2.8.
    """
    services, provider = services_of(request), request.match_info["provider"]
    add_audit_note(request, provider=provider)
    capabilities = services.sign_in.providers.get(provider)
    if capabilities is None or capabilities.logout is None:
        raise ApiProblem(404, "no such provider sends logout tokens")
    try:
        logout_token = (await read_form(request)).one("logout_token")
    except OAuthError as exc:
        raise ApiProblem(exc.status, exc.description, headers=exc.headers) from None
    principal = await capabilities.logout.logged_out(logout_token)
    if isinstance(principal, Rejected):
        add_audit_note(request, rejected=describe_rejection(principal))
        raise ApiProblem(400, "the logout token was rejected; the audit log has the reason")
    ended = await _end_sessions(services, provider, principal)
    add_audit_note(request, revoked_count=str(ended))
    return web.Response(status=200, headers={"Cache-Control": "no-store"})


async def _end_sessions(services: Services, provider: str, principal_id: str) -> int:
    known = await services.store.identities.get(principal_id)
    if known is None or known.provider != provider:
        return 0
    return await services.store.tokens.end_sessions(known.user_id, principal_id=principal_id)
