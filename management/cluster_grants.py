"""Grants: who may enter a cluster, here and downstream.

Letting somebody in is done downstream first and stored then, so that a grant that is stored works.
Taking it away is stored first, so that the gate is shut even where the cluster can't be reached.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args

from impersonation.policy import ReservedName, refuse_reserved
from impersonation.subject_name import subject_name
from management.cluster_errors import BadRequest, DownstreamFailed, NoSuchUser
from management.cluster_records import controller_client, find_cluster, utc_now
from management.downstream import grants
from management.downstream.apply import ensure, take_back
from management.downstream.client import ClusterClient
from management.downstream.errors import DownstreamError
from management.downstream.objects import Manifest, grant_binding, grant_name
from store.interfaces import Cluster, Grant, Role, Store, User

FRESH = timedelta(minutes=2)
"""A binding without a grant is left alone for so long: its grant may be about to be stored."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant that is stored. ``bound`` is False where Sekisho can't bind anyone downstream."""

    cluster: Cluster
    user: User
    role: Role
    bound: bool


@dataclass(frozen=True, slots=True)
class Revoked:
    """A grant that is gone. ``existed`` is False where there was nothing to take away."""

    cluster: Cluster
    user: User
    existed: bool


async def find_user(store: Store, name: str) -> User:
    """The one user with that id, username or principal. Raises NoSuchUser."""
    found = await store.users.find(name)
    if not found:
        raise NoSuchUser(f'there is no user "{name}"')
    if len(found) > 1:
        ids = ", ".join(sorted(user.id for user in found))
        raise NoSuchUser(f'more than one user is called "{name}": give one of the ids {ids}')
    return found[0]


def subject_names(cluster: Cluster, user: User) -> list[str]:
    """Every name that the cluster may know the user by: one, or one for each principal.

    Raises BadRequest where there is none, or where it is one that only Kubernetes hands out.
    """
    names = {
        subject_name(
            cluster.user_name,
            user_id=user.id,
            principal_id=principal.id,
            provider=principal.provider,
            username=principal.name,
        )
        for principal in user.principals
    }
    if not names:
        raise BadRequest(f'user "{user.username}" has no principal to be bound by')
    try:
        refuse_reserved(names)
    except ReservedName as exc:
        raise BadRequest(str(exc)) from exc
    return sorted(names)


class GrantService:
    """Grants and their bindings. Raises ClusterError and StoreError."""

    def __init__(self, store: Store, *, now: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._now = now

    async def members(self, cluster: Cluster) -> list[tuple[User, Role]]:
        """Who may enter a cluster, by username."""
        found = []
        for grant in await self._store.clusters.grants_in_cluster(cluster.id):
            user = await self._store.users.get(grant.user_id)
            if user is not None:
                found.append((user, grant.role))
        return sorted(found, key=lambda pair: (pair[0].username, pair[0].id))

    async def grant(self, cluster_name: str, user_name: str, role: Role) -> Granted:
        """Let a user in as ``role``, in place of any role they had, and bind them downstream."""
        if role not in get_args(Role):
            raise BadRequest(f"{role!r} is not a role: {', '.join(get_args(Role))}")
        cluster = await find_cluster(self._store, cluster_name)
        user = await find_user(self._store, user_name)
        if not user.enabled:
            raise BadRequest(f'user "{user.username}" is disabled; enable them first')
        grant = Grant(cluster.id, user.id, role)
        if cluster.controller_token is None:
            await self._store.clusters.grant(grant)
            return Granted(cluster, user, role, bound=False)
        binding = grant_binding(user.id, role, subject_names(cluster, user))
        async with _downstream(cluster) as client:
            await self._bind(client, binding, grant)
        return Granted(cluster, user, role, bound=True)

    async def revoke(self, cluster_name: str, user_name: str) -> Revoked:
        """Shut a user out, then unbind them downstream. Doing it again does what was left."""
        cluster = await find_cluster(self._store, cluster_name)
        user = await find_user(self._store, user_name)
        existed = await self._store.clusters.ungrant(cluster.id, user.id)
        if cluster.controller_token is None:
            return Revoked(cluster, user, existed)
        try:
            async with controller_client(cluster) as client:
                unbound = await grants.unbind(client, await grants.bindings(client, user.id))
        except DownstreamError as exc:
            raise DownstreamFailed(
                f'"{user.username}" can no longer enter "{cluster.name}", but is still bound in '
                f"it: {exc}; revoke again when it answers"
            ) from exc
        return Revoked(cluster, user, existed or unbound > 0)

    async def reconcile(self, cluster: Cluster) -> list[str]:
        """Make the bindings in a cluster what the grants say; what was done, as sentences.

        Mends what changed while the cluster couldn't be reached: users who were deleted, principals
        that were linked, bindings that somebody took away. A disabled user is unbound until they
        are enabled again.
        """
        async with _downstream(cluster) as client:
            # Looked up before the grants are read: what is bound after that isn't taken for stale.
            found = {one["metadata"]["name"]: one for one in await grants.bindings(client)}
            wanted = await self._wanted(cluster)
            done = [f"bound {n}" for n, one in wanted.items() if await _mend(client, one, found)]
            unwanted = [found[name] for name in sorted(found.keys() - wanted.keys())]
            stale = [one for one in unwanted if not self._is_fresh(one)]
            await grants.unbind(client, stale)
        return done + [f"unbound {one['metadata']['name']}" for one in stale]

    async def _wanted(self, cluster: Cluster) -> dict[str, Manifest]:
        wanted = {}
        for user, role in await self.members(cluster):
            with suppress(BadRequest):
                if user.enabled:
                    binding = grant_binding(user.id, role, subject_names(cluster, user))
                    wanted[binding["metadata"]["name"]] = binding
        return wanted

    def _is_fresh(self, binding: Manifest) -> bool:
        """Whether somebody may be about to store the grant that a binding was made for."""
        made = datetime.fromisoformat(binding["metadata"]["creationTimestamp"])
        return self._now() - made < FRESH

    async def _bind(self, client: ClusterClient, binding: Manifest, grant: Grant) -> None:
        """Bind, store, and only then take earlier roles away."""
        new = await ensure(client, binding)
        try:
            await self._store.clusters.grant(grant)
        except BaseException:
            await take_back(client, [binding] if new else [])
            raise
        await grants.unbind(client, _others(await grants.bindings(client, grant.user_id), grant))


async def _mend(client: ClusterClient, binding: Manifest, found: dict[str, Manifest]) -> bool:
    """Whether a binding wasn't as it should be; it is now."""
    current = found.get(binding["metadata"]["name"])
    if current is not None and current.get("subjects") == binding["subjects"]:
        return False
    await ensure(client, binding)
    return True


def _others(bindings: Sequence[Manifest], grant: Grant) -> list[Manifest]:
    keep = grant_name(grant.user_id, grant.role)
    return [one for one in bindings if one["metadata"]["name"] != keep]


@asynccontextmanager
async def _downstream(cluster: Cluster) -> AsyncIterator[ClusterClient]:
    try:
        async with controller_client(cluster) as client:
            yield client
    except DownstreamError as exc:
        raise DownstreamFailed(f'cluster "{cluster.name}": {exc}') from exc
