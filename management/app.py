"""The management application: middleware, endpoints and the sign-in page."""

import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from weakref import WeakSet

import aiohttp_session
from aiohttp import web

from management import pages
from management.api.routes import routes
from management.api.watching import STREAMS, end_streams
from management.authentication import authentication
from management.problems import MAX_BODY_BYTES, REQUEST_ID, problems
from management.services import SERVICES, Services, services_of
from management.telling import ADDRESS, NOTES

_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Server": "sekisho",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(services: Services, extra: Iterable[web.RouteDef] = ()) -> web.Application:
    """The application; ``extra`` are routes of the layer above (health)."""
    app = web.Application(
        client_max_size=MAX_BODY_BYTES,
        middlewares=[
            _outermost,
            problems,
            aiohttp_session.session_middleware(services.cookies),
            authentication(services.resolver, services.cookies),
        ],
    )
    app[SERVICES] = services
    app[STREAMS] = WeakSet()
    app.on_shutdown.append(end_streams)
    app.on_response_prepare.append(_told_to_browsers)
    app.add_routes(routes())
    app.add_routes(pages.routes)
    app.add_routes(extra)
    return app


@web.middleware
async def _outermost(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A request id and an address for every request."""
    offered = request.headers.get("X-Request-Id", "")
    request[REQUEST_ID] = offered if _WELL_FORMED.fullmatch(offered) else secrets.token_hex(10)
    request[NOTES] = {}
    request[ADDRESS] = services_of(request).addresses.of(
        request.remote, request.headers.getall("X-Forwarded-For", [])
    )
    return await handler(request)


async def _told_to_browsers(request: web.Request, response: web.StreamResponse) -> None:
    """The headers that every answer has, streams too."""
    response.headers["X-Request-Id"] = request[REQUEST_ID]
    for name, value in SECURITY_HEADERS.items():
        # What aiohttp says of itself is there already; what an endpoint says stays.
        if name == "Server" or name not in response.headers:
            response.headers[name] = value
