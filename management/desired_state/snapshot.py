"""A snapshot of the store for one cluster: all data on which its desired state depends."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from impersonation.reserved_names import ReservedName, reject_reserved
from impersonation.username_mapping import username_for_cluster
from management.authorization.access import access_of
from management.authorization.role_catalog import RoleCatalog
from management.kubernetes.manifests import RBAC
from store.access_records import Binding, Project, ProjectNamespace
from store.interfaces import Store
from store.records import Cluster, Membership, User

Subject = tuple[str, str]
"""``User`` or ``Group``, and the name in the cluster."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The stored data of one cluster.

    ``users`` are the users with a role in it, by id. ``accounts`` are the users with a service
    account in it who still have access to it, by id.
    """

    cluster: Cluster
    book: RoleCatalog
    bindings: Sequence[Binding]
    users: Mapping[str, User]
    projects: Mapping[str, Project]
    namespaces: Sequence[ProjectNamespace]
    accounts: Mapping[str, "UserServiceAccount"] = field(default_factory=dict)

    def subjects_of(self, bindings: Collection[Binding]) -> frozenset[Subject]:
        """Return the subjects of bindings, without disabled users and reserved names."""
        found: set[Subject] = set()
        for one in bindings:
            if one.user_id is not None:
                user = self.users.get(one.user_id)
                names = subject_names(self.cluster, user) if user and user.enabled else []
                found.update(("User", name) for name in names)
            elif one.group_id is not None and not _reserved(one.group_id):
                found.add(("Group", one.group_id))
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class UserServiceAccount:
    """A user with a service account. ``administrator``: the user administers every cluster."""

    user: User
    groups: Sequence[Membership]
    administrator: bool


def subject_names(cluster: Cluster, user: User) -> list[str]:
    """Return the user's names in the cluster: one, or one for each principal.

    Reserved names are left out: only Kubernetes assigns them.
    """
    names = {
        username_for_cluster(
            cluster.username_mapping,
            user_id=user.id,
            principal_id=principal.id,
            provider=principal.provider,
            username=principal.name,
        )
        for principal in user.principals
    }
    return sorted(name for name in names if not _reserved(name))


def subject_manifest(subject: Subject) -> dict[str, str]:
    """Return a subject in the form of a binding."""
    kind, name = subject
    return {"kind": kind, "apiGroup": RBAC, "name": name}


async def take_snapshot(store: Store, cluster: Cluster, accounts: Collection[str] = ()) -> Snapshot:
    """Return the current snapshot. ``accounts`` are the users with a service account.

    Raises:
        StoreError: the store is not available.
    """
    bindings = await store.bindings.in_cluster(cluster.id)
    bound = {one.user_id for one in bindings if one.user_id is not None}
    projects = await store.projects.list_all(cluster.id)
    return Snapshot(
        cluster=cluster,
        book=RoleCatalog(await store.roles.list_all()),
        bindings=bindings,
        users={user.id: user for user in await store.users.get_many(sorted(bound))},
        projects={one.id: one for one in projects},
        namespaces=await store.projects.namespaces(cluster_id=cluster.id),
        accounts=await _accounts(store, cluster, accounts),
    )


async def _accounts(
    store: Store, cluster: Cluster, user_ids: Collection[str]
) -> dict[str, UserServiceAccount]:
    """Return the users with a service account who still have access to the cluster."""
    if cluster.impersonator != "per_user":
        return {}
    found = {}
    for user in await store.users.get_many(sorted(user_ids)):
        groups = await store.users.memberships(user.id)
        held = await store.tokens.holdings(user.id, [one.id for one in groups])
        access = access_of(held.bindings, RoleCatalog(held.roles))
        if user.enabled and access.can_enter(cluster.id) and subject_names(cluster, user):
            found[user.id] = UserServiceAccount(user, groups, access.owns_clusters)
    return found


def _reserved(name: str) -> bool:
    try:
        reject_reserved([name])
    except ReservedName:
        return True
    return False
