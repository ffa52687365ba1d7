"""Nodes of the clusters in which the caller may see them."""

from collections.abc import Sequence

from aiohttp import web

from management.api import answers
from management.api.listing import Item, Listing
from management.api.requirements import CLUSTER
from management.authentication import caller_of
from management.authorization.permissions import NODES
from management.services import services_of
from store.fleet_records import Node


async def collect(request: web.Request) -> Sequence[Item]:
    """Nodes, of the path's cluster if it names one; ``?left=true``: also those that have left."""
    services, caller = services_of(request), caller_of(request)
    cluster = request.get(CLUSTER)
    clusters = [cluster] if cluster is not None else await services.store.clusters.list_all()
    names = {
        one.id: one.name
        for one in clusters
        if NODES in caller.access.in_cluster(one.id).permissions
    }
    found = await services.store.fleet.nodes(sorted(names))
    gone_too = request.query.get("left") == "true"
    return [
        node_json(one, names[one.cluster_id]) for one in found if gone_too or one.left_at is None
    ]


LIST = Listing(
    collect,
    answer=answers.NodeAnswer,
    key="uid",
    sorts=("name", "cluster_name", "appeared_at"),
    filters=("cluster", "cluster_name", "name", "ready"),
    kinds=frozenset({"status", "cluster", "user", "group", "role"}),
    own_parameters=("left",),
)


def node_json(node: Node, cluster_name: str) -> Item:
    """A node as the API shows one."""
    return {
        **node.data,
        "cluster": node.cluster_id,
        "cluster_name": cluster_name,
        "uid": node.uid,
        "name": node.name,
        "appeared_at": node.appeared_at.isoformat(),
        "left_at": node.left_at.isoformat() if node.left_at else None,
    }
