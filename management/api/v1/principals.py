"""Search users and groups at every provider, by the beginning of a name."""

import asyncio

from aiohttp import web

from management.api.openapi_metadata import NUMBER, TEXT, openapi
from management.api.services import Services, services_of
from management.http.problem import ApiProblem
from management.identity.provider_instance import ProviderInstance
from providers.base import FoundPrincipal, ProviderUnavailable

SEARCH_SECONDS = 5.0
"""Timeout of one provider; the response has the results of the others."""

MAX_LIMIT, DEFAULT_LIMIT = 100, 20


@openapi(query={"search": TEXT, "provider": TEXT, "limit": NUMBER})
async def search(request: web.Request) -> web.Response:
    """Search principals whose names begin with ``search``.

    Of a provider that cannot search, such as local accounts, the users and groups that Sekisho
    knows are searched. ``provider`` selects one provider; ``limit`` applies to each provider.
    ``incomplete`` lists the providers that did not respond.
    """
    services = services_of(request)
    text = request.query.get("search", "").strip()
    if not text:
        raise ApiProblem(422, "search is missing: send the beginning of a name")
    limit, wanted = _limit(request), request.query.get("provider")
    running = services.providers.everything() if services.providers is not None else []
    searched = [one for one in running if one.provider is not None and wanted in {None, one.name}]
    results = await asyncio.gather(*(_found(services, one, text, limit) for one in searched))
    items = [
        {
            "id": found.principal_id,
            "name": found.name,
            "display_name": found.display_name or found.name,
            "kind": found.kind,
            "provider": one.name,
        }
        for one, result in zip(searched, results, strict=True)
        for found in result or ()
    ]
    silent = [one.name for one, result in zip(searched, results, strict=True) if result is None]
    return web.json_response({"items": items, "incomplete": silent})


async def _found(
    services: Services, one: ProviderInstance, text: str, limit: int
) -> list[FoundPrincipal] | None:
    provider = one.search
    if provider is None:
        return await _known(services, one.name, text, limit)
    try:
        async with asyncio.timeout(SEARCH_SECONDS):
            found = await provider.search(text, limit=limit)
    except (ProviderUnavailable, TimeoutError):
        return None
    mine = {f"{scheme}://" for scheme in one.schemes}
    return [f for f in found[:limit] if f.principal_id.partition("://")[0] + "://" in mine]


async def _known(services: Services, provider: str, text: str, limit: int) -> list[FoundPrincipal]:
    """Return the known principals of a provider that cannot search."""
    named = await services.store.identities.named(provider, text, limit=limit)
    return [
        FoundPrincipal(
            one.id, one.name, "group" if one.kind == "group" else "user", one.display_name
        )
        for one in named
    ]


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_LIMIT):
        raise ApiProblem(422, f"limit must be a number from 1 to {MAX_LIMIT}")
    return int(text)
