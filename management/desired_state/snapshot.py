"""All that decides what shall be true of one cluster, read from the store at one go."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from impersonation.policy import ReservedName, refuse_reserved
from impersonation.subject_name import subject_name
from management.authorization.access import access_of
from management.authorization.book import RoleBook
from management.downstream.objects import RBAC
from store.access_records import Binding, Project, ProjectNamespace
from store.interfaces import Cluster, Membership, Store, User

Subject = tuple[str, str]
"""``User`` or ``Group``, and the name by which the cluster knows it."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the store says of a cluster. ``users`` are those who hold something in it.

    ``accounts`` are the users who have an account of their own in it and may still enter it.
    """

    cluster: Cluster
    book: RoleBook
    bindings: Sequence[Binding]
    users: Mapping[str, User]
    projects: Mapping[str, Project]
    namespaces: Sequence[ProjectNamespace]
    accounts: Mapping[str, "Account"] = field(default_factory=dict)

    def subjects_of(self, bindings: Collection[Binding]) -> frozenset[Subject]:
        """Whom bindings name, as the cluster knows them. The disabled and the nameless are out."""
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
class Account:
    """A user with an account of their own. ``administrator``: of every cluster."""

    user: User
    groups: Sequence[Membership]
    administrator: bool


def subject_names(cluster: Cluster, user: User) -> list[str]:
    """Every name that the cluster may know the user by: one, or one for each principal.

    None that is reserved: those only Kubernetes hands out.
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
    return sorted(name for name in names if not _reserved(name))


def subject_manifest(subject: Subject) -> dict[str, str]:
    """A subject as a binding names it."""
    kind, name = subject
    return {"kind": kind, "apiGroup": RBAC, "name": name}


async def take_snapshot(store: Store, cluster: Cluster, accounts: Collection[str] = ()) -> Snapshot:
    """What the store says now; of ``accounts``, those users' who have one. Raises StoreError."""
    bindings = await store.bindings.in_cluster(cluster.id)
    bound = {one.user_id for one in bindings if one.user_id is not None}
    projects = await store.projects.list_all(cluster.id)
    return Snapshot(
        cluster=cluster,
        book=RoleBook(await store.roles.list_all()),
        bindings=bindings,
        users={user.id: user for user in await store.users.get_many(sorted(bound))},
        projects={one.id: one for one in projects},
        namespaces=await store.projects.namespaces(cluster_id=cluster.id),
        accounts=await _accounts(store, cluster, accounts),
    )


async def _accounts(
    store: Store, cluster: Cluster, user_ids: Collection[str]
) -> dict[str, Account]:
    """Those who may still enter the cluster."""
    if cluster.isolation != "per_user":
        return {}
    found = {}
    for user in await store.users.get_many(sorted(user_ids)):
        groups = await store.users.memberships(user.id)
        held = await store.tokens.holdings(user.id, [one.id for one in groups])
        access = access_of(held.bindings, RoleBook(held.roles))
        if user.enabled and access.enters(cluster.id) and subject_names(cluster, user):
            found[user.id] = Account(user, groups, access.owns_clusters)
    return found


def _reserved(name: str) -> bool:
    try:
        refuse_reserved([name])
    except ReservedName:
        return True
    return False
