"""Authenticate the caller of an API request: one credential for each request."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Middleware

from management.api.request_limits import RequestLimits, RequestPermit
from management.authentication.authenticated_token import MUST_CHANGE, AuthenticatedToken
from management.authentication.external_tokens import TokenRejected
from management.authentication.token_authenticator import TokenAuthenticator
from management.authorization.access import Access
from management.http.authorization_header import InvalidAuthorization, bearer_from
from management.http.problem import CHALLENGE, ApiProblem
from management.http.request_notes import add_audit_note, address_of, describe_rejection
from management.identity.session_cookies import COOKIE, SessionCookies, SessionData
from store.records import User

OPEN = "sekisho_open"
"""Attribute of handlers that need no credential."""

PROBE = "sekisho_probe"
"""Attribute of handlers that serve health checks."""

THROUGH_GATE = "sekisho_through_gate"
"""Attribute of handlers for tokens that are limited to clusters or projects.

What they read or change in a cluster goes through the gate, which checks those limits. They show
nothing of Sekisho's own that is outside of them.
"""

_READS = frozenset({"GET", "HEAD"})
_ALLOWED_SCOPED = frozenset({("GET", "/v1/me"), ("POST", "/v1/logout")})
_ALLOWED_CONFINED = _ALLOWED_SCOPED | {("POST", "/v1/me/password")}


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request. ``session`` is set if a session's cookie authenticated it.

    ``bearer`` is the credential, with which a request can be continued to a cluster.
    """

    authenticated: AuthenticatedToken
    session: SessionData | None = field(default=None, repr=False)
    bearer: str = field(default="", repr=False)

    @property
    def user(self) -> User:
        """Return the user."""
        return self.authenticated.user

    @property
    def access(self) -> Access:
        """Return what the user holds, and where."""
        return self.authenticated.access


CALLER = web.RequestKey("caller", Caller)

PERMIT: web.RequestKey[RequestPermit] = web.RequestKey("permit")
"""What counts a caller's request towards the limits. It may be released before the response."""

ON_CALLER: web.RequestKey[Callable[[], None]] = web.RequestKey("on_caller")
"""Called when a request's caller is known; set by the layer above."""

ON_CLIENT_LEFT: web.RequestKey[Callable[[], None]] = web.RequestKey("on_client_left")
"""Called when the client has left before its response was complete; set by an endpoint."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def public(handler: Handler) -> Handler:
    """Mark a handler that needs no credential."""
    setattr(handler, OPEN, True)
    return handler


def probe(handler: Handler) -> Handler:
    """Mark a handler that needs no credential and serves health checks."""
    setattr(handler, PROBE, True)
    return public(handler)


def through_gate(handler: Handler) -> Handler:
    """Mark a handler for tokens that are limited to clusters or projects."""
    setattr(handler, THROUGH_GATE, True)
    return handler


def caller_of(request: web.Request) -> Caller:
    """Return the caller. Only for handlers that need a credential."""
    return request[CALLER]


def authentication(
    authenticator: TokenAuthenticator, cookies: SessionCookies, limits: RequestLimits
) -> Middleware:
    """Return the middleware that finds the caller, or responds with 401.

    Every request counts against ``limits``: as its caller's, or as anonymous.
    """

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        address = address_of(request)
        limits.arrive(address)
        kind = request.match_info.handler
        if getattr(kind, PROBE, False):
            permit = limits.probe(address)
        elif request.match_info.http_exception is not None or getattr(kind, OPEN, False):
            permit = limits.anonymous(address)
        else:
            caller = request[CALLER] = await _identify_and_count(
                request, authenticator, cookies, limits
            )
            on_caller = request.get(ON_CALLER)
            if on_caller is not None:
                on_caller()
            permit = limits.caller(caller.authenticated, address, watch=is_watch(request))
            request[PERMIT] = permit
        try:
            return await handler(request)
        finally:
            permit.release()

    return authenticate


def is_watch(request: web.Request) -> bool:
    """Return whether the response is a stream of changes."""
    return request.query.get("watch") in {"1", "true"}


async def _identify_and_count(
    request: web.Request,
    authenticator: TokenAuthenticator,
    cookies: SessionCookies,
    limits: RequestLimits,
) -> Caller:
    """Return the caller. Count failures against the client's network.

    A request without a credential is anonymous. A request with one is examined regardless of the
    load from other networks; only failures of its own network count. Also raises what
    :func:`identify` raises.

    Raises:
        TooMany: a limit is reached.
    """
    address = address_of(request)
    if "Authorization" not in request.headers and COOKIE not in request.cookies:
        limits.anonymous(address).release()
        raise ApiProblem(401, "no credential: sign in first", headers=CHALLENGE)
    try:
        return await identify(request, authenticator, cookies, lambda: limits.check(address))
    except ApiProblem:
        limits.check(address)
        limits.failed(address)
        raise


async def identify(
    request: web.Request,
    authenticator: TokenAuthenticator,
    cookies: SessionCookies,
    before_query: Callable[[], None] = lambda: None,
) -> Caller:
    """Return the caller. ``before_query`` is called if the credential is not cached.

    Raises:
        ApiProblem: 400, 401 or 403.
        StoreUnavailable: the store cannot be read.
        ProviderUnavailable: the provider cannot verify an external token now.
    """
    session = await cookies.read(request) if COOKIE in request.cookies else None
    authorizations = request.headers.getall("Authorization", [])
    if len(authorizations) + (session is not None) > 1:
        raise ApiProblem(400, "the request has two credentials: send one")
    if authorizations:
        try:
            bearer = bearer_from(authorizations[0].encode("utf-8", "surrogateescape"))
        except InvalidAuthorization as exc:
            raise ApiProblem(400, str(exc)) from None
    elif session is not None:
        if not cookies.check_csrf(request, session):
            raise ApiProblem(
                403,
                "a request with a session cookie must carry its CSRF token "
                "and come from Sekisho's own page",
            )
        bearer = session.bearer.encode("ascii", "replace")
    else:
        raise ApiProblem(401, "no credential: sign in first", headers=CHALLENGE)
    try:
        authenticated = authenticator.cached(bearer)
        if authenticated is None:
            before_query()
            authenticated = await authenticator.resolve(bearer)
    except TokenRejected as exc:
        add_audit_note(request, rejected=describe_rejection(exc.why))
        authenticated = None
    if authenticated is None:
        raise ApiProblem(
            401,
            "the credential is not valid, has ended, or was revoked: sign in again",
            headers=CHALLENGE,
        )
    _check_scope(request, authenticated)
    return Caller(authenticated, session, bearer.decode("latin-1"))


def _check_scope(request: web.Request, authenticated: AuthenticatedToken) -> None:
    """Check that the token may be used for this request.

    A token with clusters or projects is valid for requests that go on through the gate, and for
    nothing else of the API. A read-only token only reads. A confined session may only change the
    password.
    """
    if authenticated.token.confined and (request.method, request.path) not in _ALLOWED_CONFINED:
        raise ApiProblem(403, MUST_CHANGE)
    if (request.method, request.path) in _ALLOWED_SCOPED:
        return
    limited = authenticated.token.clusters or authenticated.token.projects
    if limited and not getattr(request.match_info.handler, THROUGH_GATE, False):
        raise ApiProblem(
            403,
            "the token is valid for its clusters only, not for this API: use one without clusters "
            "and projects (GET /v1/me shows what this one is for)",
        )
    if authenticated.token.read_only and request.method not in _READS:
        raise ApiProblem(403, "the token is read-only: use one without read_only or proxy_read")
