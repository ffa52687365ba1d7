"""What a user holds, by name and through groups."""

from management.authorization.access import Access, access_of
from management.authorization.role_catalog import RoleCatalog
from store.interfaces import Store
from store.records import Holdings, User


async def access_of_user(store: Store, user: User) -> Access:
    """Return what a user holds as permissions, by place."""
    held = await holdings_of(store, user)
    return access_of(held.bindings, RoleCatalog(held.roles))


async def holdings_of(store: Store, user: User) -> Holdings:
    """Return the bindings of a user and their groups, and all roles."""
    groups = [one.id for one in await store.users.memberships(user.id)]
    return await store.tokens.holdings(user.id, groups)
