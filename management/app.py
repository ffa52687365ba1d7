"""The management application: middleware, endpoints and the sign-in page."""

import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import aiohttp_jinja2
import aiohttp_session
import jinja2
from aiohttp import web

from management import (
    browser_endpoints,
    cluster_endpoints,
    identity_endpoints,
    pages,
    principal_endpoints,
    provider_endpoints,
    session_endpoints,
    token_endpoints,
)
from management.authentication import authentication
from management.oauth import endpoint as token_endpoint
from management.problems import MAX_BODY_BYTES, REQUEST_ID, problems
from management.services import SERVICES, Services, services_of
from management.telling import ADDRESS, NOTES

_HERE = Path(__file__).parent
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
    aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True)
    app.add_routes(session_endpoints.routes)
    app.add_routes(browser_endpoints.routes)
    app.add_routes(token_endpoint.routes)
    app.add_routes(token_endpoints.routes)
    app.add_routes(provider_endpoints.routes)
    app.add_routes(identity_endpoints.routes)
    app.add_routes(principal_endpoints.routes)
    app.add_routes(cluster_endpoints.routes)
    app.add_routes(pages.routes)
    app.add_routes(extra)
    return app


@web.middleware
async def _outermost(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A request id and an address for every request, and the headers that every answer has."""
    offered = request.headers.get("X-Request-Id", "")
    request[REQUEST_ID] = offered if _WELL_FORMED.fullmatch(offered) else secrets.token_hex(10)
    request[NOTES] = {}
    request[ADDRESS] = services_of(request).addresses.of(
        request.remote, request.headers.getall("X-Forwarded-For", [])
    )
    response = await handler(request)
    response.headers["X-Request-Id"] = request[REQUEST_ID]
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
