"""Lists: the same parameters everywhere, in pages, and as a stream of changes.

``limit`` and ``continue`` page, ``sort`` (``-`` before it: downwards) orders, and what each list
names as its filters must be equal. ``watch=1`` streams what there is and what changes.
"""

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from management.problems import Problem

MOST = 1000
"""Items in a page at most."""

Item = dict[str, Any]
Collect = Callable[[web.Request], Awaitable[Sequence[Item]]]

_COMMON = frozenset({"limit", "continue", "sort", "watch", "search"})


@dataclass(frozen=True, slots=True)
class Listing:
    """How a list is made. ``collect`` gives all that the caller may see.

    ``answer`` is the model of an item; ``key`` names the field that tells items apart. ``search``
    looks for a piece of text in the fields ``searched``. The first of ``sorts`` is the order where
    none is asked for. ``kinds`` are the changes in the store
    after which the list may be another.
    """

    collect: Collect
    answer: type[BaseModel] | None = None
    key: str = "id"
    sorts: tuple[str, ...] = ("name",)
    filters: tuple[str, ...] = ()
    searched: tuple[str, ...] = ("name",)
    kinds: frozenset[str] = frozenset()
    own_parameters: tuple[str, ...] = ()


async def list_response(listing: Listing, request: web.Request) -> web.Response:
    """The page that was asked for. Raises Problem."""
    check_parameters(listing, request.query)
    items = select(listing, await listing.collect(request), request.query)
    return web.json_response(page(listing, items, request.query))


def check_parameters(listing: Listing, query: Mapping[str, str]) -> None:
    """Raise Problem for a parameter that this list doesn't know."""
    known = _COMMON | set(listing.filters) | set(listing.own_parameters)
    unknown = sorted(set(query) - known)
    if unknown:
        raise Problem(422, f"unknown parameter {unknown[0]}; there are {', '.join(sorted(known))}")


def select(listing: Listing, items: Sequence[Item], query: Mapping[str, str]) -> list[Item]:
    """Those that the filters let through, in order."""
    for name in listing.filters:
        if name in query:
            items = [one for one in items if _text(one.get(name)) == query[name]]
    wanted = query.get("search", "").casefold()
    if wanted:
        items = [one for one in items if _found(one, wanted, listing.searched)]
    field, downwards = _sort(listing, query)
    return sorted(items, key=_order(listing, field), reverse=downwards)


def page(listing: Listing, items: Sequence[Item], query: Mapping[str, str]) -> dict[str, Any]:
    """One page of items that are in order, and where the next begins."""
    field, downwards = _sort(listing, query)
    order = _order(listing, field)
    after = query.get("continue")
    if after:
        last = _opened(after, query.get("sort", ""))
        items = [one for one in items if (order(one) < last if downwards else order(one) > last)]
    limit = _limit(query)
    answer: dict[str, Any] = {"items": list(items[:limit])}
    if limit is not None and len(items) > limit:
        answer["continue"] = _sealed(order(items[limit - 1]), query.get("sort", ""))
    return answer


def _sort(listing: Listing, query: Mapping[str, str]) -> tuple[str, bool]:
    wanted = query.get("sort", listing.sorts[0])
    field = wanted.removeprefix("-")
    known = [one.removeprefix("-") for one in listing.sorts]
    if field not in known:
        raise Problem(422, f"sort must be one of {', '.join(known)}, or - and one of them")
    return field, wanted.startswith("-")


def _order(listing: Listing, field: str) -> Callable[[Item], tuple[str, str]]:
    return lambda item: (_text(item.get(field)), _text(item.get(listing.key)))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _found(item: Item, wanted: str, fields: Collection[str]) -> bool:
    return any(wanted in _text(item.get(field)).casefold() for field in fields)


def _limit(query: Mapping[str, str]) -> int | None:
    text = query.get("limit")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST):
        raise Problem(422, f"limit must be a number from 1 to {MOST}")
    return int(text)


def _sealed(last: tuple[str, str], sort: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([sort, *last]).encode()).decode().rstrip("=")


def _opened(text: str, sort: str) -> tuple[str, str]:
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        told, value, key = json.loads(raw)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise Problem(422, "continue is not what an earlier page gave") from None
    if told != sort or not isinstance(value, str) or not isinstance(key, str):
        raise Problem(422, "continue is of a list in another order")
    return value, key
