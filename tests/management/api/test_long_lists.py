"""A long list holds up no other request while it is serialized."""

import json
from collections.abc import ItemsView, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

import management.api.v1
from management.api.listing import Item, Listing, list_response
from store.pieces import PIECE
from tests.support.loop_turns import LoopTurns

COUNT = 4 * PIECE + 3


class Noting(dict[str, Any]):
    """An item that notes when it is serialized."""

    turns: LoopTurns

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        self.turns.note()
        return super().items()


def the_items(turns: LoopTurns, count: int = COUNT) -> list[Item]:
    found: list[Item] = []
    for number in range(count):
        item = Noting(name=f"n{number:04}", id=f"i{number}", text='é "quoted" \u2028')
        item.turns = turns
        found.append(item)
    return found


@pytest.mark.parametrize("query", ["", "?limit=90", "?sort=-name&limit=102", "?search=n00"])
async def test_long_list_is_serialized_in_pieces(query: str) -> None:
    with LoopTurns().counting() as turns:
        items = the_items(turns)

        async def collect(request: web.Request) -> Sequence[Item]:
            return items

        response = await list_response(Listing(collect), make_mocked_request("GET", f"/{query}"))
    assert len(json.loads(response.text or "")["items"]) == sum(turns.done.values())
    assert turns.most <= PIECE


@pytest.mark.parametrize("count", [0, 1, COUNT])
@pytest.mark.parametrize("notes", [{}, {"incomplete": ["a"], "é": None}])
async def test_list_in_pieces_is_the_same_json_as_a_whole(
    count: int, notes: Mapping[str, Any]
) -> None:
    items = [dict(one) for one in the_items(LoopTurns(), count)]

    async def collect(request: web.Request) -> Sequence[Item]:
        return items

    listing = Listing(collect, notes=lambda request: dict(notes))
    response = await list_response(listing, make_mocked_request("GET", "/"))
    assert response.text == json.dumps({"items": items, **notes})
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"


BOUNDED = {
    "cluster_reports": "the newest events, and deprecated APIs up to a limit",
    "permissions": "those of the program",
    "provider_types": "those that are installed",
    "providers": "configured by administrators",
    "provisioning_classes": "classes and the machines of one cluster, up to a limit",
    "roles": "made by administrators",
    "workloads": "one page of a cluster's objects at a time",
}
"""Modules whose lists need no pieces, and why."""


def lists() -> dict[str, bool]:
    """Return the modules of the API that have lists, and whether they handle them in pieces."""
    folder = Path(management.api.v1.__file__).parent
    sources = {one.stem: one.read_text() for one in folder.glob("*.py")}
    return {name: "in_pieces(" in text for name, text in sources.items() if "Listing(\n" in text}


def test_each_list_of_the_api_is_bounded_or_handled_in_pieces() -> None:
    assert {name for name, in_pieces in lists().items() if not in_pieces} == BOUNDED.keys()
