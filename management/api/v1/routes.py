"""Build the routes from the table; each checks its requirement first."""

from collections.abc import Iterator
from functools import partial

from aiohttp import web

from management.api.access_requirements import Public, Requirement
from management.api.authentication import is_watch, public, through_gate
from management.api.document_watch import watch_document
from management.api.idempotency import with_idempotency_key
from management.api.listing import Listing, list_response
from management.api.v1.route_table import TABLE, Endpoint, Handler
from management.api.watch import watch_response


def routes() -> Iterator[web.RouteDef]:
    """Yield the route of every line of the table."""
    for one in TABLE:
        yield web.route(one.method, one.path, handler_of(one))


def requirements() -> tuple[tuple[str, str, Requirement], ...]:
    """Return method, path, and requirement of every line of the table."""
    return tuple((one.method, one.path, one.requirement) for one in TABLE)


def handler_of(endpoint: Endpoint) -> Handler:
    """Return the handler of an endpoint: the requirement's check, then the endpoint."""

    async def serve(request: web.Request) -> web.StreamResponse:
        await endpoint.requirement.check(request)
        if isinstance(endpoint.serve, Listing):
            if is_watch(request):
                return await _stream(endpoint.serve, endpoint.requirement, request)
            return await list_response(endpoint.serve, request)
        watched = endpoint.description.watched
        if watched and is_watch(request):
            return await watch_document(endpoint.serve, watched, endpoint.requirement, request)
        if endpoint.method == "POST" and not isinstance(endpoint.requirement, Public):
            return await with_idempotency_key(request, endpoint.serve)
        return await endpoint.serve(request)

    serve.__doc__ = endpoint.documentation
    if endpoint.through_gate:
        return through_gate(serve)
    return public(serve) if isinstance(endpoint.requirement, Public) else serve


async def _stream(
    listing: Listing, requirement: Requirement, request: web.Request
) -> web.StreamResponse:
    """Stream a list, or a page of it."""
    if listing.stream is not None:
        return await listing.stream(listing, requirement, request)
    if "limit" in request.query:
        page = partial(list_response, listing)
        return await watch_document(page, listing.kinds, requirement, request)
    return await watch_response(listing, requirement, request)
