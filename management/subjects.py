"""Whom people mean by a name: users, and groups at providers."""

from dataclasses import dataclass

from impersonation.policy import ReservedName, refuse_reserved
from management.cluster_errors import BadRequest, NoSuchUser
from store.interfaces import Store, User


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who may hold a role: a user, or (``user`` None) a group principal."""

    id: str
    name: str
    user: User | None = None


async def find_user(store: Store, name: str) -> User:
    """The one user with that id, username or principal. Raises NoSuchUser."""
    found = await store.users.find(name)
    if not found:
        raise NoSuchUser(f'there is no user "{name}"')
    if len(found) > 1:
        ids = ", ".join(sorted(user.id for user in found))
        raise NoSuchUser(f'more than one user is called "{name}": give one of the ids {ids}')
    return found[0]


async def find_holder(store: Store, name: str) -> Holder:
    """The user of that name, else the group principal that somebody is in. Raises NoSuchUser."""
    if "://" in name and not await store.users.find(name):
        if await store.bindings.is_known_group(name):
            return Holder(name, name)
        raise NoSuchUser(f'there is no user "{name}", nor is anybody in a group of that id')
    user = await find_user(store, name)
    return Holder(user.id, user.username, user)


def group_holder(group_id: str, name: str) -> Holder:
    """A group principal, whether or not anybody in it has ever been here. Raises BadRequest."""
    scheme, separator, key = group_id.partition("://")
    if not (separator and scheme and key) or len(group_id) > 512:
        raise BadRequest(f"{group_id!r} is not a group's principal id, like github_team://42")
    try:
        refuse_reserved([group_id])
    except ReservedName as exc:
        raise BadRequest(str(exc)) from exc
    return Holder(group_id, name or group_id)
