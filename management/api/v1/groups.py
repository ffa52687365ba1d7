"""Groups that are known: somebody was in them at sign-in, or holds a role through them."""

from collections.abc import Sequence

from aiohttp import web

from management.api import answers
from management.api.listing import Item, Listing
from management.authentication import caller_of
from management.authorization.permissions import USERS
from management.services import services_of


async def collect(request: web.Request) -> Sequence[Item]:
    """Every known group to those who manage users; else one's own."""
    services, caller = services_of(request), caller_of(request)
    found: dict[str, Item] = {}
    if USERS in caller.access.overall:
        for group, members in await services.store.users.groups():
            found[group.id] = _json(group.id, group.provider, group.name, members)
        for one in await services.store.bindings.everywhere():
            if one.group_id is not None and one.group_id not in found:
                found[one.group_id] = _json(one.group_id, None, one.name, 0)
    else:
        for mine in await services.store.users.memberships(caller.user.id):
            found[mine.id] = _json(mine.id, mine.provider, mine.name, None)
    return list(found.values())


def _json(group_id: str, provider: str | None, name: str, members: int | None) -> Item:
    return {"id": group_id, "provider": provider, "name": name, "members": members}


LIST = Listing(
    collect,
    answer=answers.GroupAnswer,
    sorts=("name", "id", "provider"),
    filters=("provider",),
    searched=("name", "id"),
    kinds=frozenset({"user", "group"}),
)
