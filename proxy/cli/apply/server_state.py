"""Read from the server what a run needs to know."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.cli.apply.documents import Document
from proxy.cli.apply.observed import Item, Observed
from proxy.cli.client.problems import Refused
from proxy.cli.client.server_session import ServerSession, path_of

AT_ONCE = 4
"""Lists of members that are requested at the same time."""

_GRANTS = frozenset({"Binding", "Member"})
_MANAGEMENT = "ManagementCluster"
_PLACES = frozenset({"Cluster", "Project", "Member", _MANAGEMENT})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read; without documents, all of the kinds.

    ``members_everywhere``: of all places, not only of those in documents.
    """

    kinds: frozenset[str]
    documents: Sequence[Document] = ()
    members_everywhere: bool = False


async def read_state(session: ServerSession, wanted: Wanted) -> Observed:
    """Return what exists, of the kinds that matter. Raises CommandFailed."""
    kinds = wanted.kinds
    me = await session.get("/v1/me")
    users = await _users(session) if kinds & {"User", *_GRANTS} else ()
    roles = await _all(session, "/v1/roles", kinds & {"Role", _MANAGEMENT, *_GRANTS})
    listed = await _all(session, "/v1/clusters", kinds & _PLACES)
    # An order without a cluster has neither members nor settings.
    clusters = [one for one in listed if (one.get("provision") or {}).get("imported", True)]
    projects = await _all(session, "/v1/projects", kinds & {"Project", "Member"})
    namespaces = await _all(session, "/v1/namespaces", kinds & {"Project"})
    bindings = await _all(session, "/v1/bindings", kinds & {"Binding"})
    members: Sequence[Item] = ()
    unreadable: Mapping[str, str] = {}
    if "Member" in kinds:
        places = dict(_places(clusters, projects, wanted))
        members, unreadable = await _members(session, places)
    managements, hidden = await _managements(session, _managing(clusters, wanted))
    return Observed(
        me,
        users,
        roles,
        clusters,
        projects,
        namespaces,
        bindings,
        members,
        unreadable,
        managements,
        hidden,
    )


async def _all(session: ServerSession, path: str, needed: Collection[str]) -> list[Item]:
    return [one async for one in session.list(path)] if needed else []


async def _users(session: ServerSession) -> list[Item] | None:
    """Return all users; None if the caller may not list them."""
    try:
        return [one async for one in session.list("/v1/users")]
    except Refused as exc:
        if exc.status == 403:
            return None
        raise


def _places(
    clusters: Sequence[Item], projects: Sequence[Item], wanted: Wanted
) -> Iterable[tuple[str, str]]:
    """Yield the id and the path of each place whose members matter."""
    ids = {str(one[key]): str(one["id"]) for one in clusters for key in ("id", "name")}
    named = {
        (ids.get(str(one.spec["cluster"])), one.spec.get("project"))
        for one in wanted.documents
        if one.kind.name == "Member"
    }
    for one in clusters:
        if wanted.members_everywhere or (one["id"], None) in named:
            yield str(one["id"]), path_of("clusters", str(one["id"]), "members")
    for one in projects:
        if wanted.members_everywhere or (one["cluster"], one["name"]) in named:
            yield str(one["id"]), path_of("projects", str(one["id"]), "members")


async def _members(
    session: ServerSession, places: Mapping[str, str]
) -> tuple[list[Item], dict[str, str]]:
    """Return the members of all places, and why those of some can't be read."""
    gate = asyncio.Semaphore(AT_ONCE)
    unreadable: dict[str, str] = {}

    async def of(place: str, path: str) -> list[Any]:
        async with gate:
            try:
                return [one async for one in session.list(path)]
            except Refused as exc:
                if exc.status not in {403, 404}:
                    raise
                unreadable[place] = str(exc)
                return []

    found = await asyncio.gather(*(of(place, path) for place, path in places.items()))
    return [one for members in found for one in members], unreadable


def _managing(clusters: Sequence[Item], wanted: Wanted) -> list[str]:
    """Return the ids of the clusters whose settings as management clusters matter."""
    if _MANAGEMENT not in wanted.kinds:
        return []
    if not wanted.documents:
        return [str(one["id"]) for one in clusters]
    named = {one.name for one in wanted.documents if one.kind.name == _MANAGEMENT}
    return [str(one["id"]) for one in clusters if named & {str(one["id"]), str(one["name"])}]


async def _managements(
    session: ServerSession, ids: Sequence[str]
) -> tuple[list[Item], dict[str, str]]:
    """Return the settings of those that are management clusters, and why some can't be read."""
    gate = asyncio.Semaphore(AT_ONCE)
    unreadable: dict[str, str] = {}

    async def of(cluster: str) -> list[Item]:
        async with gate:
            try:
                return [await session.get(path_of("clusters", cluster, "provisioning"))]
            except Refused as exc:
                if exc.status not in {403, 404}:
                    raise
                if exc.status == 403:
                    unreadable[cluster] = str(exc)
                return []

    found = await asyncio.gather(*(of(one) for one in ids))
    return [one for each in found for one in each], unreadable
