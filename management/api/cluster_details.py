"""What the response about one cluster has, and the list of clusters does not."""

from datetime import datetime

from management.api.agent_responses import agent_json
from management.api.authentication import Caller
from management.api.listing import Item
from management.api.services import Services
from management.authorization.permissions import NODES, READ_CLUSTER
from management.clusters.ending_credentials import expirations
from management.kubernetes.serving_certificates import Validity
from store.records import Cluster, ClusterStatus


async def cluster_details(
    services: Services, caller: Caller, cluster: Cluster, status: ClusterStatus | None
) -> Item:
    """Return the cluster's agents and when its credentials end, if the caller may read them."""
    held = caller.access.in_cluster(cluster.id).permissions
    found: Item = {}
    if cluster.reach == "agent" and NODES in held:
        found["agents"] = [agent_json(one) for one in services.agents(cluster.id)]
    if READ_CLUSTER in held:
        found["expirations"] = await _expirations(services, cluster, status)
    return found


async def _expirations(
    services: Services, cluster: Cluster, status: ClusterStatus | None
) -> list[Item]:
    certificate = Validity.read(status.data.get("certificate")) if status is not None else None
    agent_tokens = await services.store.agent_tokens.of_cluster(cluster.id)
    return [
        {"kind": one.kind, "ends_at": _time(one.ends_at), "renews_at": _time(one.renews_at)}
        for one in expirations(cluster, certificate, agent_tokens)
    ]


def _time(when: datetime | None) -> str | None:
    return when.isoformat() if when is not None else None
