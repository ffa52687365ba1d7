"""The sign-in page: who one is, which clusters one may enter, and a kubeconfig for each.

Pages come from files of this package; there is no inline script or style, so that the strict
Content-Security-Policy can stay as it is. The page itself holds nothing secret: a script asks the
API for it.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from management.authentication import anybody
from management.services import services_of

if TYPE_CHECKING:
    import jinja2

_TEMPLATES = Path(__file__).parent / "templates"
_STATIC = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@anybody
async def index(request: web.Request) -> web.Response:
    """GET /: the sign-in page."""
    doors = services_of(request).sign_in.doors
    context = {
        "passwords": [name for name, door in doors.items() if door.password is not None],
        "browsers": [name for name, door in doors.items() if door.browser is not None],
    }
    return _page("index.html", context)


@anybody
async def static(request: web.Request) -> web.StreamResponse:
    """GET /static/{file}: one of the page's own files, by name; there are no folders."""
    name = request.match_info["file"]
    file = _STATIC / name
    if name not in {one.name for one in _STATIC.iterdir()} or file.suffix not in _TYPES:
        raise web.HTTPNotFound
    return web.Response(
        body=file.read_bytes(),
        headers={"Content-Type": _TYPES[file.suffix], "Cache-Control": "max-age=300"},
    )


@anybody
async def openapi(request: web.Request) -> web.Response:
    """GET /openapi.json: what the API is."""
    from management.api.document import document  # only now: a start needs none of it

    return web.json_response(document(), headers={"Cache-Control": "max-age=300"})


@anybody
async def docs(request: web.Request) -> web.Response:
    """GET /docs: the same to read."""
    from management.api.document import operations

    return _page("docs.html", {"operations": operations()})


def _page(template: str, context: Mapping[str, object]) -> web.Response:
    text = _templates().get_template(template).render(context)
    return web.Response(text=text, content_type="text/html", charset="utf-8")


@cache
def _templates() -> "jinja2.Environment":
    import jinja2  # for the first browser that comes: many a gate never sees one

    return jinja2.Environment(loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True)


routes = [
    web.get("/", index),
    web.get("/static/{file}", static),
    web.get("/openapi.json", openapi),
    web.get("/docs", docs),
]
