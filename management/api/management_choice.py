"""The management cluster that a request about an order names."""

from collections.abc import Sequence

from management.api.access_requirements import require_token_for
from management.api.authentication import Caller
from management.api.services import Services
from management.authorization.builtin_roles import BUILT_IN, OWNER_OF
from management.authorization.escalation import lacking_for
from management.authorization.role_catalog import RoleCatalog
from management.errors import printable
from management.http.problem import ApiProblem
from management.provisioning.classes import InvalidOrder, Problem
from store.order_records import ManagementCluster


async def managements(services: Services, named: str | None) -> Sequence[ManagementCluster]:
    """Return the management cluster of that id or name, or all. Raises InvalidOrder."""
    if named is None:
        return await services.store.management_clusters.list_all()
    cluster = await services.store.clusters.get(named)
    found = cluster and await services.store.management_clusters.get(cluster.id)
    if not found:
        raise _no_management(named)
    return [found]


async def owned_management(
    services: Services, caller: Caller, named: str, needs: str
) -> ManagementCluster:
    """Return a management cluster in which the caller holds all that an owner holds.

    ``needs`` begins the sentence about what is lacking. The permission to edit its record does not
    include what its owners can do: read the kubeconfigs there.

    Raises:
        InvalidOrder: there is none of that name, or the caller may not see it.
        ApiProblem: the caller lacks a permission, or the token is for other clusters (403).
    """
    (management,) = await managements(services, named)
    cluster = await services.store.clusters.get(management.cluster_id)
    if cluster is None or not caller.access.sees_cluster(cluster.id):
        raise _no_management(named)
    require_token_for(caller, cluster)
    catalog = RoleCatalog(await services.store.roles.list_all())
    owner = BUILT_IN[OWNER_OF["cluster"]]
    if missing := lacking_for(owner, catalog, caller.access, cluster_id=cluster.id):
        raise ApiProblem(
            403,
            f"{needs} all that an owner of the management cluster holds; you lack: "
            f"{', '.join(missing[:5])}",
        )
    return management


def _no_management(named: str) -> InvalidOrder:
    shown_name = printable(named[:100])
    return InvalidOrder(Problem("management", f'there is no management cluster "{shown_name}"'))
