"""Make a user the owner of a cluster."""

from datetime import UTC, datetime

from management.authorization.builtin_roles import OWNER_OF
from management.clusters.members import MemberService
from management.identity.holdings import access_of_user
from management.identity.users import random_id
from store.access_records import Binding
from store.interfaces import Store
from store.records import Cluster, User


async def grant_ownership(store: Store, cluster: Cluster, user: User) -> None:
    """Make the user who brought a cluster its owner, unless they own all clusters."""
    if await ownership_of(store, cluster.id, user) is not None:
        await MemberService(store).grant(cluster.id, user.id, "owner")


async def ownership_of(store: Store, cluster_id: str, user: User) -> Binding | None:
    """Return the binding to store with a new cluster; None if its user owns all clusters.

    With it, there is no moment in which the user can neither see the order nor the cluster.
    """
    access = await access_of_user(store, user)
    if access.owns_clusters:
        return None
    return Binding(
        id=random_id("b"),
        role_id=OWNER_OF["cluster"],
        user_id=user.id,
        group_id=None,
        name=user.username,
        created_at=datetime.now(UTC),
        cluster_id=cluster_id,
    )
