"""Who calls the API: one credential a request, and what it may be used for here."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Middleware

from management.authorization.access import Access
from management.credentials import BadCredential, bearer_from
from management.foreign_bearers import BearerRefused
from management.problems import CHALLENGE, Problem
from management.resolver import Resolved, TokenResolver
from management.sessions import COOKIE, SessionCookies, SessionData
from management.telling import note, told
from store.interfaces import User

OPEN = "sekisho_open"
"""Attribute of handlers that anybody may call."""

_READS = frozenset({"GET", "HEAD"})
_EVEN_SCOPED = frozenset({("GET", "/v1/me"), ("POST", "/v1/logout")})


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who may call the API. ``session`` is there where a cookie said so."""

    resolved: Resolved
    session: SessionData | None = field(default=None, repr=False)

    @property
    def user(self) -> User:
        """The user."""
        return self.resolved.user

    @property
    def access(self) -> Access:
        """What the user holds, and where."""
        return self.resolved.access


CALLER = web.RequestKey("caller", Caller)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def anybody(handler: Handler) -> Handler:
    """Mark a handler that needs no credential."""
    setattr(handler, OPEN, True)
    return handler


def caller_of(request: web.Request) -> Caller:
    """Who calls. Only for handlers that aren't open."""
    return request[CALLER]


def authentication(resolver: TokenResolver, cookies: SessionCookies) -> Middleware:
    """Middleware: a caller for every handler that isn't open to anybody, else a 401."""

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.http_exception is not None:
            return await handler(request)
        if not getattr(request.match_info.handler, OPEN, False):
            request[CALLER] = await identify(request, resolver, cookies)
        return await handler(request)

    return authenticate


async def identify(
    request: web.Request, resolver: TokenResolver, cookies: SessionCookies
) -> Caller:
    """The caller.

    Raises Problem with 400, 401 or 403, StoreUnavailable, and ProviderUnavailable.
    """
    session = await cookies.read(request) if COOKIE in request.cookies else None
    authorizations = request.headers.getall("Authorization", [])
    if len(authorizations) + (session is not None) > 1:
        raise Problem(400, "two credentials in one request: use one")
    if authorizations:
        try:
            bearer = bearer_from(authorizations[0].encode("utf-8", "surrogateescape"))
        except BadCredential as exc:
            raise Problem(400, str(exc)) from None
    elif session is not None:
        if not cookies.check_csrf(request, session):
            raise Problem(
                403,
                "a request authorised by a cookie must carry its CSRF token "
                "and come from Sekisho's own page",
            )
        bearer = session.bearer.encode("ascii", "replace")
    else:
        raise Problem(401, "no credential: sign in first", headers=CHALLENGE)
    try:
        resolved = await resolver.resolve(bearer)
    except BearerRefused as exc:
        note(request, refused=told(exc.why))
        resolved = None
    if resolved is None:
        raise Problem(
            401, "the credential is not valid, has ended, or was revoked", headers=CHALLENGE
        )
    _check_scope(request, resolved)
    return Caller(resolved, session)


def _check_scope(request: web.Request, resolved: Resolved) -> None:
    """A token for some clusters is for those, not for the API; a read-only one reads."""
    if (request.method, request.path) in _EVEN_SCOPED:
        return
    if resolved.token.clusters or resolved.token.projects:
        raise Problem(403, "the token is for its clusters only, not for this API")
    if resolved.token.read_only and request.method not in _READS:
        raise Problem(403, "the token is read-only")
