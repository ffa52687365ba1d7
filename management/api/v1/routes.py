"""From the table to routes: nothing runs before what the table asks for is there."""

from collections.abc import Iterator

from aiohttp import web

from management.api.listing import Listing, list_response
from management.api.once import carried_out_once
from management.api.requirements import Anybody
from management.api.table import TABLE, Endpoint, Handler
from management.api.watching import watch_response
from management.authentication import anybody


def routes() -> Iterator[web.RouteDef]:
    """Every route of the table."""
    for one in TABLE:
        yield web.route(one.method, one.path, handler_of(one))


def handler_of(endpoint: Endpoint) -> Handler:
    """What serves an endpoint, once the caller is known."""

    async def serve(request: web.Request) -> web.StreamResponse:
        await endpoint.who.check(request)
        if isinstance(endpoint.serve, Listing):
            if request.query.get("watch") in {"1", "true"}:
                return await watch_response(endpoint.serve, endpoint.who, request)
            return await list_response(endpoint.serve, request)
        if endpoint.method == "POST" and not isinstance(endpoint.who, Anybody):
            return await carried_out_once(request, endpoint.serve)
        return await endpoint.serve(request)

    serve.__doc__ = endpoint.words
    return anybody(serve) if isinstance(endpoint.who, Anybody) else serve
