"""Finding people and groups at every provider, by the beginning of a name."""

import asyncio

from aiohttp import web

from management.api.described import NUMBER, TEXT, described
from management.problems import Problem
from management.provider_registry import Running
from management.services import services_of
from providers.base import FoundPrincipal, PrincipalSearch, ProviderUnavailable

SEARCH_SECONDS = 5.0
"""How long one provider may take: the others' answers don't wait for it."""

MOST, BY_DEFAULT = 100, 20


@described(query={"search": TEXT, "provider": TEXT, "limit": NUMBER})
async def search(request: web.Request) -> web.Response:
    """GET /v1/principals?search=: those whose names begin so; for whoever can let people in.

    ``provider`` asks that one only, ``limit`` is for each of them. ``incomplete`` names the
    providers that couldn't say.
    """
    services = services_of(request)
    text = request.query.get("search", "").strip()
    if not text:
        raise Problem(422, "search is missing: the beginning of a name")
    limit, wanted = _limit(request), request.query.get("provider")
    running = services.providers.everything() if services.providers is not None else []
    asked = [one for one in running if one.provider is not None and wanted in {None, one.name}]
    results = await asyncio.gather(*(_found(one, text, limit) for one in asked))
    items = [
        {
            "id": found.principal_id,
            "name": found.name,
            "display_name": found.display_name or found.name,
            "kind": found.kind,
            "provider": one.name,
        }
        for one, result in zip(asked, results, strict=True)
        for found in result or ()
    ]
    silent = [one.name for one, result in zip(asked, results, strict=True) if result is None]
    return web.json_response({"items": items, "incomplete": silent})


async def _found(one: Running, text: str, limit: int) -> list[FoundPrincipal] | None:
    provider: object = one.provider
    if not isinstance(provider, PrincipalSearch):
        return []
    try:
        async with asyncio.timeout(SEARCH_SECONDS):
            found = await provider.search(text, limit=limit)
    except (ProviderUnavailable, TimeoutError):
        return None
    mine = {f"{scheme}://" for scheme in one.schemes}
    return [f for f in found[:limit] if f.principal_id.partition("://")[0] + "://" in mine]


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", str(BY_DEFAULT))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST):
        raise Problem(422, f"limit must be a number from 1 to {MOST}")
    return int(text)
