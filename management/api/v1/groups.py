"""Known groups: a user was in them at sign-in, or a role is bound to them."""

from collections.abc import Sequence

from aiohttp import web

from management.api import response_models
from management.api.authentication import caller_of
from management.api.listing import Item, Listing
from management.api.services import services_of
from management.api.v1.users import user_json
from management.authorization.permissions import READ_USERS
from management.http.problem import ApiProblem
from store.pieces import in_pieces

MAX_MEMBERS = 10_000
"""Members of a group that are listed, by user id."""


async def collect(request: web.Request) -> Sequence[Item]:
    """List the known groups, for those who may read users; for others, the caller's own groups."""
    services, caller = services_of(request), caller_of(request)
    found: dict[str, Item] = {}
    if READ_USERS in caller.access.global_permissions:
        owners = await services.store.claims.owners()
        async for group, members in in_pieces(await services.store.users.groups()):
            found[group.id] = _json(group.id, group.provider, group.name, members)
        async for one in in_pieces(await services.store.bindings.everywhere()):
            if one.group_id is not None and one.group_id not in found:
                owner = owners.get(one.group_id.partition("://")[0])
                found[one.group_id] = _json(one.group_id, owner, one.name, 0)
    else:
        for mine in await services.store.users.memberships(caller.user.id):
            found[mine.id] = _json(mine.id, mine.provider, mine.name, None)
    return list(found.values())


async def known_group(request: web.Request) -> Item:
    """Return the group of the path as the list has it, and whether it is the caller's: ``mine``.

    Raises:
        ApiProblem: 404 if there is no such group, or the caller may not see it.
    """
    group_id, caller = request.match_info["id"], caller_of(request)
    found = next((one for one in await collect(request) if one["id"] == group_id), None)
    if found is None:
        raise ApiProblem(404, "group not found, or you may not see it; see /v1/groups")
    own = await services_of(request).store.users.memberships(caller.user.id)
    return {**found, "mine": any(one.id == group_id for one in own)}


async def collect_members(request: web.Request) -> Sequence[Item]:
    """List the users who are in a group, as their providers said at sign-in or since."""
    group, store = await known_group(request), services_of(request).store
    found = await store.users.members([group["id"]], limit=MAX_MEMBERS)
    members = sorted({user_id for _, _, user_id in found})
    return [user_json(one) async for one in in_pieces(await store.users.get_many(members))]


def _json(group_id: str, provider: str | None, name: str, members: int | None) -> Item:
    return {"id": group_id, "provider": provider, "name": name, "members": members}


LIST = Listing(
    collect,
    response=response_models.GroupResponse,
    sorts=("name", "id", "provider"),
    filters=("provider",),
    searched=("name", "id"),
    kinds=frozenset({"user", "group"}),
)

MEMBERS = Listing(
    collect_members,
    response=response_models.UserResponse,
    sorts=("username", "display_name", "created_at", "id"),
    filters=("username", "enabled"),
    searched=("username", "display_name", "id"),
    kinds=frozenset({"user", "group"}),
    labelled=True,
)
