"""Serve the pages, their static files and the API's description.

There is one page for all addresses: its script shows the sign-in form or what the path names (see
docs/architecture.md, "One page"). It has no inline scripts or styles, so that the strict
Content-Security-Policy needs no exception, and nothing secret: the script reads everything from the
API. It is built once and served to any client.
"""

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from management.api.authentication import public
from management.api.services import services_of
from management.web.static_files import MAX_AGE, static_files
from management.web.static_responses import LazyResponse, StaticResponse

if TYPE_CHECKING:
    import jinja2

_TEMPLATES = Path(__file__).parent / "templates"

SECTIONS = (
    "access",
    "activity",
    "clusters",
    "groups",
    "me",
    "people",
    "projects",
    "providers",
    "roles",
)
"""The first segments of the pages' paths. ``static/frame/routes.js`` has the pages."""


@public
async def index(request: web.Request) -> web.Response:
    """Serve ``GET /`` and the path of every other page."""
    providers = services_of(request).sign_in.providers
    passwords = tuple(
        name for name, capabilities in providers.items() if capabilities.password is not None
    )
    browsers = tuple(
        name for name, capabilities in providers.items() if capabilities.browser is not None
    )
    return _index(passwords, browsers).response(request)


@lru_cache(maxsize=16)
def _index(passwords: tuple[str, ...], browsers: tuple[str, ...]) -> StaticResponse:
    return _page("index.html", {"passwords": passwords, "browsers": browsers})


@public
async def static(request: web.Request) -> web.StreamResponse:
    """Serve ``GET /static/{file}``: a file by its name, in memory."""
    found = static_files().find(request.match_info["file"])
    if found is None:
        raise web.HTTPNotFound
    return found.response(request)


@public
async def openapi(request: web.Request) -> web.Response:
    """Serve ``GET /openapi.json``, the description of the API."""
    return (await _OPENAPI.get()).response(request)


@public
async def docs(request: web.Request) -> web.Response:
    """Serve ``GET /docs``, the same description as a page."""
    return (await _DOCS.get()).response(request)


def _make_openapi() -> StaticResponse:
    from management.api.v1.openapi import document  # imported late: starting does not need it

    body = json.dumps(document()).encode()
    return StaticResponse.of(body, "application/json; charset=utf-8", max_age=MAX_AGE)


def _make_docs() -> StaticResponse:
    from management.api.v1.openapi import operations

    return _page("docs.html", {"operations": operations()}, max_age=MAX_AGE)


_OPENAPI, _DOCS = LazyResponse(_make_openapi), LazyResponse(_make_docs)


def _page(template: str, context: Mapping[str, object], *, max_age: int = 0) -> StaticResponse:
    files = static_files()
    known = {"static": f"/static/{files.digest}", "modules": files.modules}
    text = _templates().get_template(template).render({**known, **context})
    return StaticResponse.of(text.encode(), "text/html; charset=utf-8", max_age=max_age)


@cache
def _templates() -> "jinja2.Environment":
    import jinja2  # imported for the first page: many servers never serve a page

    return jinja2.Environment(loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True)


routes = [
    web.get("/", index),
    web.get("/{section:(?:" + "|".join(SECTIONS) + ")}", index),
    web.get("/{section:(?:" + "|".join(SECTIONS) + ")}/{rest:.*}", index),
    web.get("/static/{file:.+}", static),
    web.get("/openapi.json", openapi),
    web.get("/docs", docs),
]
