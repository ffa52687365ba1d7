"""Find what a user names: projects, users, groups, tokens. Ambiguous names list the candidates."""

from collections.abc import Callable, Iterable

from config.exact_names import is_exact
from proxy.cli.client.problems import Refused
from proxy.cli.client.reach import in_reach
from proxy.cli.client.server_session import Answer, Item, ServerSession, path_of
from proxy.cli.common import CommandFailed

MOST_CANDIDATES = 10
"""How many candidates an error lists."""


async def find_project(session: ServerSession, name: str, cluster: str | None = None) -> Item:
    """Return the project with that id, or that name: ``shop`` or ``prod/shop``.

    With a credential that is limited, only its name, id, and cluster are known.

    Raises:
        CommandFailed: there is none, or several match.
    """
    found = [one async for one in in_reach(session, "projects", name=name)]
    found += [one for one in await _project_by_id(session, name) if one not in found]
    where, slash, inner = name.partition("/")
    if slash and not found:
        cluster = where
        found = [one async for one in in_reach(session, "projects", name=inner)]
    if cluster is not None:
        found = [one for one in found if cluster in {one["cluster"], one.get("cluster_name")}]
    return _only(found, "project", name, _of_project)


async def find_user(session: ServerSession, name: str) -> Item:
    """Return the user with that id, principal or username. Raises CommandFailed."""
    if name.startswith("u-"):
        found = await _by_id(session, "users", name)
        if found or is_exact(name):
            return _only(found, "user", name, _of_user)
    if "://" in name:
        held = [one async for one in session.list("/v1/users", principal=name)]
        return _only(held, "user", name, _of_user)
    named = [one async for one in session.list("/v1/users", username=name)]
    return _only(named, "user", name, _of_user)


async def find_group(session: ServerSession, name: str) -> Item:
    """Return ``{"id", "name", "provider"}`` of a group: by its principal, else by its name.

    Known groups come before those that the providers find.

    Raises:
        CommandFailed: no group has that name, or several have.
    """
    if "://" in name:
        return {"id": name, "name": "", "provider": None}
    groups = session.list("/v1/groups", search=name)
    known = [one async for one in groups if one["name"] == name]
    if known:
        return _only(known, "group", name, _of_group)
    searched = await session.get("/v1/principals", search=name)
    found = [
        {"id": one["id"], "name": one["display_name"], "provider": one.get("provider")}
        for one in searched.get("items") or ()
        if one.get("kind") == "group" and one.get("display_name") == name
    ]
    return _only(found, "group", name, _of_group)


async def read_user(session: ServerSession, name: str) -> Answer:
    """Return a user with the ETag for a change."""
    found = await find_user(session, name)
    return await session.read(path_of("users", str(found["id"])))


async def read_project(session: ServerSession, name: str) -> Answer:
    """Return a project with the ETag for a change."""
    found = await find_project(session, name)
    return await session.read(path_of("projects", str(found["id"])))


async def _project_by_id(session: ServerSession, name: str) -> list[Item]:
    """Return the project with that id, if it exists and the name can be an id."""
    try:
        return await _by_id(session, "projects", name)
    except Refused as exc:
        if exc.status != 403:
            raise
    return [one async for one in in_reach(session, "projects") if one["id"] == name]


async def _by_id(session: ServerSession, noun: str, name: str) -> list[Item]:
    """Return the object with that id, if it exists and the name can be an id."""
    if "/" in name or not name.isascii() or "-" not in name:
        return []
    try:
        return [await session.get(path_of(noun, name))]
    except Refused as exc:
        if exc.status == 404:
            return []
        raise


def _only(found: Iterable[Item], noun: str, name: str, described: Callable[[Item], str]) -> Item:
    """Return the only one found. Raises CommandFailed."""
    listed = list(found)
    if len(listed) == 1:
        return listed[0]
    if not listed:
        raise CommandFailed(f'{noun} "{name}" not found, or you may not see it')
    shown = ", ".join(described(one) for one in listed[:MOST_CANDIDATES])
    more = "" if len(listed) <= MOST_CANDIDATES else ", and more"
    raise CommandFailed(f'several {noun}s are called "{name}": use one of {shown}{more}')


def _of_project(one: Item) -> str:
    return f"{one.get('cluster_name') or one['cluster']}/{one['name']} ({one['id']})"


def _of_user(one: Item) -> str:
    providers = ", ".join(sorted({held["provider"] for held in one["principals"]}))
    return f"{one['id']} ({one['username']} at {providers or 'no provider'})"


def _of_group(one: Item) -> str:
    return f"{one['id']} ({one['name']} at {one['provider']})"
