"""Signing in at a provider's own pages: away, and back.

A browser stands before these, not a program, so what goes wrong is told on the sign-in page, and a
command line that waits is told, too (RFC 6749 §4.1.2.1).
"""

from collections.abc import Mapping
from urllib.parse import urlencode

import structlog
from aiohttp import web

from management.browser_sign_in import COOKIE, Begun, Errand, clear_cookie, set_cookie
from management.linking import link_principal, signed_in_recently
from management.loopback import BadTarget, LoopbackTarget, loopback_target
from management.oauth.code import make_code
from management.problems import REQUEST_ID, Problem
from management.services import Services, services_of
from management.session_endpoints import is_over
from management.sessions import begin_session
from management.sign_in import UnknownProvider
from management.telling import address_of, note, told
from providers.base import ExternalIdentity, Outcome, ProviderUnavailable, Refused
from store.interfaces import StoreUnavailable

_LOG = structlog.get_logger("sekisho.sign_in")
_NAVIGATES = frozenset({"navigate"})
_TOPMOST = frozenset({"document"})
_ERRORS = {"refused": "access_denied", "unavailable": "temporarily_unavailable"}
_NO_SUCH = "there is no such provider in the browser; see /v1/providers"


async def start(request: web.Request) -> web.Response:
    """GET /v1/login/{provider}/start: off to the provider.

    With ``redirect_uri``, ``state`` and ``code_challenge`` of a command line: the answer is for it.
    """
    _navigated(request)
    provider = request.match_info["provider"]
    try:
        target = loopback_target(_once(request))
    except BadTarget as exc:
        raise Problem(400, str(exc)) from None
    note(request, provider=provider)
    try:
        url, cookie = await services_of(request).browser.begin(provider, Errand(target))
    except UnknownProvider:
        raise Problem(404, _NO_SUCH) from None
    except ProviderUnavailable as exc:
        return _unavailable(request, exc, target)
    response = _elsewhere(url)
    set_cookie(response, cookie)
    return response


async def callback(request: web.Request) -> web.Response:
    """GET /v1/login/{provider}/callback: back from the provider."""
    provider = request.match_info["provider"]
    note(request, provider=provider)
    begun = services_of(request).browser.begun(provider, request.cookies.get(COOKIE, ""))
    # None: not this browser, not lately, or not at all: another site may have sent it here.
    response = _back(request, "again") if begun is None else await _finished(request, begun)
    clear_cookie(response)
    return response


async def _finished(request: web.Request, begun: Begun) -> web.Response:
    services, target = services_of(request), begun.errand.target
    try:
        done = await services.browser.finish(begun, _once(request))
        if done is None:
            return _back(request, "again", target)
        door, outcome = done
        if begun.errand.link_user:
            return await _linked(request, begun, outcome)
        if target is not None and isinstance(outcome, ExternalIdentity):
            return await _coded(request, begun.provider, outcome, target)
        entered = await services.sign_in.admit(begun.provider, door, outcome, address_of(request))
    except UnknownProvider:
        return _back(request, "again", target)
    except ProviderUnavailable as exc:
        return _unavailable(request, exc, target)
    except StoreUnavailable as exc:
        _LOG.error("store unavailable", error=str(exc))
        return _back(request, "unavailable", target)
    if isinstance(entered, Refused):
        note(request, refused=told(entered))
        return _back(request, "refused", target)
    note(request, user=entered.user.id, token=entered.issued.token.name)
    await begin_session(request, entered.issued.bearer)
    return _elsewhere("/")


async def _coded(
    request: web.Request, provider: str, identity: ExternalIdentity, target: LoopbackTarget
) -> web.Response:
    """Somebody has signed in for a command line: a code for it."""
    services = services_of(request)
    door = services.sign_in.doors.get(provider)
    if door is None:
        raise UnknownProvider(provider)
    user = await services.sign_in.user_of(provider, door, identity)
    if isinstance(user, Refused):
        services.sign_in.tell_refused(provider, address_of(request), user)
        note(request, refused=told(user))
        return _back(request, "refused", target)
    note(request, user=user.id)
    code = make_code(services.granting.sealer, provider, user, identity, target)
    return _elsewhere(target.answer(code=code))


async def _linked(request: web.Request, begun: Begun, outcome: Outcome) -> web.Response:
    """Somebody has shown that they are this one as well."""
    services, errand = services_of(request), begun.errand
    token = await services.store.tokens.get(errand.link_token)
    user = await services.store.users.get(errand.link_user)
    door = services.sign_in.doors.get(begun.provider)
    live = token is not None and not is_over(token.expires_at) and signed_in_recently(token)
    if not live or user is None or not user.enabled or door is None:
        return _back(request, "again")
    note(request, user=user.id)
    if not isinstance(outcome, ExternalIdentity):
        note(request, refused=told(outcome or Refused("refused")))
        return _back(request, "refused")
    try:
        await link_principal(services.store, user.id, begun.provider, door, outcome)
    except Problem as problem:
        note(request, refused=problem.detail)
        return _back(request, "taken" if problem.status == 409 else "refused")
    note(request, linked=outcome.principal_id)
    return _elsewhere("/?" + urlencode({"linked": begun.provider}))


def _navigated(request: web.Request) -> None:
    """Refuse what no person has clicked on: an image or a frame of another site's page."""
    modes = request.headers.getall("Sec-Fetch-Mode", [])
    destinations = request.headers.getall("Sec-Fetch-Dest", [])
    if not (_NAVIGATES.issuperset(modes) and _TOPMOST.issuperset(destinations)):
        raise Problem(403, "a sign-in begins with a link, in a window of its own")


def _once(request: web.Request) -> Mapping[str, str]:
    """The query, each name once: of two states or codes, who knows which was checked?"""
    query = request.query
    if len(set(query)) < len(query):
        raise Problem(400, "a parameter is there more than once")
    return dict(query)


def _elsewhere(url: str) -> web.Response:
    return web.Response(status=303, headers={"Location": url, "Cache-Control": "no-store"})


def _unavailable(
    request: web.Request, exc: ProviderUnavailable, target: LoopbackTarget | None
) -> web.Response:
    _LOG.warning("provider unavailable", provider=request.match_info["provider"], error=str(exc))
    return _back(request, "unavailable", target)


def _back(request: web.Request, why: str, target: LoopbackTarget | None = None) -> web.Response:
    """To whoever waits for the sign-in that came to nothing."""
    note(request, reason=f"sign-in: {why}")
    request_id = request[REQUEST_ID]
    if target is not None:
        error = _ERRORS.get(why, "invalid_request")
        said = f"the sign-in came to nothing ({why}); request id {request_id}"
        return _elsewhere(target.answer(error=error, error_description=said))
    return _elsewhere("/?" + urlencode({"signin": why, "request": request_id}))


async def backchannel_logout(request: web.Request) -> web.Response:
    """POST /v1/login/{provider}/backchannel-logout: the provider says that somebody has signed out.

    OpenID Connect Back-Channel Logout 1.0 §2.5 to §2.8: every session of that principal ends.
    """
    services, provider = services_of(request), request.match_info["provider"]
    note(request, provider=provider)
    door = services.sign_in.doors.get(provider)
    if door is None or door.logout is None:
        raise Problem(404, "there is no such provider that says so")
    form = await request.post()
    logout_token = form.get("logout_token")
    if not isinstance(logout_token, str) or not logout_token:
        raise Problem(400, "logout_token is missing")
    principal = await door.logout.logged_out(logout_token)
    if isinstance(principal, Refused):
        note(request, refused=told(principal))
        raise Problem(400, "the logout token was refused")
    ended = await _end_sessions(services, provider, principal)
    note(request, ended=str(ended))
    return web.Response(status=200, headers={"Cache-Control": "no-store"})


async def _end_sessions(services: Services, provider: str, principal_id: str) -> int:
    known = await services.store.identities.get(principal_id)
    if known is None or known.provider != provider:
        return 0
    ended = 0
    for token in await services.store.tokens.list_for(known.user_id):
        if token.kind == "session" and token.principal_id == principal_id:
            ended += await services.store.tokens.revoke(token.name)
    return ended
