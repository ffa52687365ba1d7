"""Lists with the same parameters everywhere: pages, or a stream of changes.

``limit`` and ``continue`` select a page, ``sort`` orders (``-`` before it: descending), and the
parameters that a list names as filters must be equal. ``watch=1`` streams the items and their
changes.
"""

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from config.bounded_json import load_json
from config.labels import InvalidSelector, Selector
from management.api.access_requirements import Requirement
from management.http.problem import ApiProblem
from store.pieces import in_pieces
from store.records import Change

MAX_ITEMS = 1000
"""Maximum items in a page."""

Item = dict[str, Any]
Collect = Callable[[web.Request], Awaitable[Sequence[Item]]]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A page that a request wants: after the value of ``field`` and the key in ``after``.

    ``matches`` returns whether an item has the values, labels, and text that the request wants.
    ``matched``: whether a store that knows the filters and ASCII cannot decide that itself.
    """

    field: str
    descending: bool
    after: tuple[str, str] | None
    limit: int
    matches: Callable[[Item], bool]
    matched: bool

    @property
    def place(self) -> tuple[str | datetime, str] | None:
        """Return where the page begins, with a time as such. Raises ApiProblem with 422."""
        if self.after is None or self.field != "created_at":
            return self.after
        try:
            return datetime.fromisoformat(self.after[0]).astimezone(UTC), self.after[1]
        except (ValueError, OverflowError):
            raise ApiProblem(422, _INVALID_PLACE) from None


ReadPage = Callable[[web.Request, PageRequest], Awaitable[Sequence[Item]]]

_INVALID_PLACE = "continue is not valid: use the value of an earlier page"
_COMMON = frozenset({"limit", "continue", "sort", "watch", "search"})


@dataclass(frozen=True, slots=True)
class Listing:
    """One list of the API. ``collect`` returns all items that the caller may see.

    ``response`` is the model of an item; ``key`` is the field that identifies an item. ``search``
    finds text in the fields ``searched``. The first of ``sorts`` is the default order. ``kinds``
    are the kinds of changes in the store that can change the list; with ``about``, only those with
    the key that it returns. ``labelled``: items have
    ``labels``, and ``label`` selects by them. ``read_page`` returns the items of a page, and one
    more if there are more, so that the work for a page is bounded by it. ``notes`` returns fields
    of the response beside the items, with the JSON schemas in ``noted``. ``stream`` streams the
    changes of a list that is not in the store.
    """

    collect: Collect
    response: type[BaseModel] | None = None
    key: str = "id"
    sorts: tuple[str, ...] = ("name",)
    filters: tuple[str, ...] = ()
    searched: tuple[str, ...] = ("name",)
    kinds: frozenset[str] = frozenset()
    about: Callable[[web.Request], str] | None = None
    own_parameters: tuple[str, ...] = ()
    labelled: bool = False
    read_page: ReadPage | None = None
    notes: Callable[[web.Request], Item] | None = None
    noted: Mapping[str, Any] = field(default_factory=dict)
    stream: "Stream | None" = None

    @property
    def parameters(self) -> tuple[str, ...]:
        """Return the parameters that this list has and others do not."""
        return (*self.filters, *self.own_parameters, *(("label",) if self.labelled else ()))

    def concerned_by(self, change: Change, request: web.Request) -> bool:
        """Return whether a change in the store can change this list."""
        if change.kind not in self.kinds:
            return False
        return self.about is None or change.key is None or change.key == self.about(request)


Stream = Callable[[Listing, Requirement, web.Request], Awaitable[web.StreamResponse]]
"""Streams a list as long as the requirement is met: its items, or, with ``limit``, a page."""


async def list_response(listing: Listing, request: web.Request) -> web.Response:
    """Return the requested page.

    Raises:
        ApiProblem: 422 for an invalid parameter.
    """
    query = request.query
    check_parameters(listing, query)
    limit = _limit(query)
    if listing.read_page is None or limit is None:
        items = select(listing, await listing.collect(request), query)
        notes = listing.notes(request) if listing.notes is not None else {}
        return await _response({**page(listing, items, query), **notes})
    field, descending = _sort(listing, query)
    matches, matched = _matches(listing, query)
    wanted = PageRequest(field, descending, _after(query), limit, matches, matched)
    found = await listing.read_page(request, wanted)
    return await _response(_cut(listing, found, query, field, limit))


async def _response(body: dict[str, Any]) -> web.Response:
    """Return the JSON of a page. Other requests are served while a long one is serialized."""
    items = [json.dumps(one) async for one in in_pieces(body["items"])]
    others = "".join(
        f", {json.dumps(key)}: {json.dumps(value)}" for key, value in body.items() if key != "items"
    )
    text = f'{{"items": [{", ".join(items)}]{others}}}'
    return web.Response(text=text, content_type="application/json")


def _matches(listing: Listing, query: Mapping[str, str]) -> tuple[Callable[[Item], bool], bool]:
    """Return the condition of filters, labels, and search, and whether it must be checked here.

    Databases ignore the case of ASCII letters only.
    """
    text = query.get("search", "").casefold()
    selector = _selector(query["label"]) if listing.labelled and "label" in query else None
    equal = {name: query[name] for name in listing.filters if name in query}

    def matches(one: Item) -> bool:
        return (
            all(_text(one.get(name)) == value for name, value in equal.items())
            and (selector is None or selector.matches(one.get("labels") or {}))
            and _found(one, text, listing.searched)
        )

    return matches, selector is not None or not text.isascii()


def check_parameters(listing: Listing, query: Mapping[str, str]) -> None:
    """Raise ApiProblem with 422 for a parameter that this list does not have."""
    known = _COMMON | set(listing.parameters)
    unknown = sorted(set(query) - known)
    if unknown:
        raise ApiProblem(
            422, f"unknown parameter {unknown[0]}; the parameters are {', '.join(sorted(known))}"
        )


def select(listing: Listing, items: Sequence[Item], query: Mapping[str, str]) -> list[Item]:
    """Return the items that match the filters, in order."""
    for name in listing.filters:
        if name in query:
            items = [one for one in items if _text(one.get(name)) == query[name]]
    if listing.labelled and "label" in query:
        selector = _selector(query["label"])
        items = [one for one in items if selector.matches(one.get("labels") or {})]
    wanted = query.get("search", "").casefold()
    if wanted:
        items = [one for one in items if _found(one, wanted, listing.searched)]
    field, descending = _sort(listing, query)
    return sorted(items, key=_order(listing, field), reverse=descending)


def page(listing: Listing, items: Sequence[Item], query: Mapping[str, str]) -> dict[str, Any]:
    """Return one page of ordered items, and the token for the next page."""
    field, descending = _sort(listing, query)
    order = _order(listing, field)
    last = _after(query)
    if last is not None:
        items = [one for one in items if (order(one) < last if descending else order(one) > last)]
    return _cut(listing, items, query, field, _limit(query))


def _cut(
    listing: Listing,
    items: Sequence[Item],
    query: Mapping[str, str],
    field: str,
    limit: int | None,
) -> dict[str, Any]:
    """Return the first ``limit`` items, with the token for the next page if there are more."""
    result: dict[str, Any] = {"items": list(items[:limit])}
    if limit is not None and len(items) > limit:
        last = _order(listing, field)(items[limit - 1])
        result["continue"] = _encode_token(last, query.get("sort", ""))
    return result


def _after(query: Mapping[str, str]) -> tuple[str, str] | None:
    text = query.get("continue")
    return _decode_token(text, query.get("sort", "")) if text else None


def _selector(text: str) -> Selector:
    try:
        return Selector.parse(text)
    except InvalidSelector as exc:
        raise ApiProblem(422, f"label: {exc}") from None


def _sort(listing: Listing, query: Mapping[str, str]) -> tuple[str, bool]:
    wanted = query.get("sort", listing.sorts[0])
    field = wanted.removeprefix("-")
    known = [one.removeprefix("-") for one in listing.sorts]
    if field not in known:
        raise ApiProblem(
            422, f"sort must be one of {', '.join(known)}, with or without - before it"
        )
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
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_ITEMS):
        raise ApiProblem(422, f"limit must be a number from 1 to {MAX_ITEMS}")
    return int(text)


def _encode_token(last: tuple[str, str], sort: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([sort, *last]).encode()).decode().rstrip("=")


def _decode_token(text: str, sort: str) -> tuple[str, str]:
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        order, value, key = load_json(raw)
    except (ValueError, TypeError, binascii.Error):
        raise ApiProblem(422, _INVALID_PLACE) from None
    if order != sort or not isinstance(value, str) or not isinstance(key, str):
        raise ApiProblem(
            422, "continue belongs to a list with another sort: begin at the first page"
        )
    return value, key
