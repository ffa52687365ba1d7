"""The clusters and projects that a credential reaches.

The server lists them to every credential but one that is limited to clusters or projects. Such a
one is refused the lists (403), and learns from ``/v1/me`` what it is for.
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Literal

from proxy.cli.client.problems import Refused
from proxy.cli.client.received import received

if TYPE_CHECKING:
    from proxy.cli.client.server_session import Item, ServerSession

Noun = Literal["clusters", "projects"]


async def in_reach(
    session: "ServerSession", noun: Noun, *, limit: int | None = None, **filters: str | None
) -> AsyncIterator["Item"]:
    """Yield clusters or projects that the credential reaches. ``limit`` is for a page.

    With a limited credential, items have names and ids only, and ``search`` is not applied. Raises
    Refused and Unreachable.
    """
    params: dict[str, Any] = {**filters, **({} if limit is None else {"limit": limit})}
    try:
        async for one in session.list(f"/v1/{noun}", **params):
            yield one
    except Refused as exc:
        reach = await _limited_reach(session) if exc.status == 403 else None
        if reach is None:
            raise
        for one in reach[noun]:
            if filters.get("name") in {None, one["name"]}:
                yield received(one)


async def _limited_reach(session: "ServerSession") -> "Item | None":
    """Return what a limited credential is for; None if it is not limited."""
    found = (await session.get("/v1/me")).get("token_reach")
    return received(found) if isinstance(found, dict) else None
