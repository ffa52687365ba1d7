"""Build the management application: middleware, endpoints and pages."""

import secrets
from collections.abc import Awaitable, Callable, Iterable
from weakref import WeakSet

import aiohttp_session
from aiohttp import web

from management.api.access_requirements import REQUIREMENTS
from management.api.authentication import authentication
from management.api.error_middleware import error_middleware
from management.api.services import SERVICES, Services, services_of
from management.api.v1.routes import requirements, routes
from management.api.watch import STREAMS, end_streams
from management.http.body import MAX_BODY_BYTES
from management.http.problem import REQUEST_ID
from management.http.request_id import is_well_formed
from management.http.request_notes import ADDRESS, NOTES
from management.web import pages

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
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
    """Return the application; ``extra`` are routes of the layer above (health)."""
    app = web.Application(
        client_max_size=MAX_BODY_BYTES,
        middlewares=[
            _outermost,
            error_middleware,
            aiohttp_session.session_middleware(services.cookies),
            authentication(services.authenticator, services.cookies, services.limits),
        ],
    )
    app[SERVICES] = services
    app[STREAMS] = WeakSet()
    app.on_shutdown.append(end_streams)
    app.on_cleanup.append(_end_reads)
    app.on_response_prepare.append(_add_security_headers)
    app[REQUIREMENTS] = requirements()
    app.add_routes(routes())
    app.add_routes(pages.routes)
    app.add_routes(extra)
    return app


async def _end_reads(app: web.Application) -> None:
    """End reads of clusters that no request awaits any longer."""
    await app[SERVICES].rbac.close()
    await app[SERVICES].usage.close()


@web.middleware
async def _outermost(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every request an id and the client's address."""
    offered = request.headers.get("X-Request-Id", "")
    request[REQUEST_ID] = offered if is_well_formed(offered) else secrets.token_hex(10)
    request[NOTES] = {}
    request[ADDRESS] = services_of(request).addresses.of(
        request.remote, request.headers.getall("X-Forwarded-For", [])
    )
    return await handler(request)


async def _add_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers that every response has, streams included."""
    response.headers["X-Request-Id"] = request[REQUEST_ID]
    for name, value in SECURITY_HEADERS.items():
        # Replace aiohttp's Server header; keep any other header that an endpoint has set.
        if name == "Server" or name not in response.headers:
            response.headers[name] = value
