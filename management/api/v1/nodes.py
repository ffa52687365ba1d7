"""Nodes of the clusters where the caller may read them."""

from collections.abc import Sequence

from aiohttp import web

from management.api import observation_models
from management.api.access_requirements import CLUSTER
from management.api.authentication import caller_of
from management.api.listing import Item, Listing
from management.api.services import services_of
from management.authorization.permissions import NODES
from store.pieces import in_pieces
from store.records import Node


async def collect(request: web.Request) -> Sequence[Item]:
    """List the nodes, of one cluster if the path names it; ``?left=true``: also removed ones."""
    services, caller = services_of(request), caller_of(request)
    cluster = request.get(CLUSTER)
    clusters = [cluster] if cluster is not None else await services.store.clusters.list_all()
    names = {
        one.id: one.name
        for one in clusters
        if NODES in caller.access.in_cluster(one.id).permissions
    }
    found = await services.store.fleet.nodes(sorted(names))
    include_left = request.query.get("left") == "true"
    return [
        node_json(one, names[one.cluster_id])
        async for one in in_pieces(found)
        if include_left or one.left_at is None
    ]


LIST = Listing(
    collect,
    response=observation_models.NodeResponse,
    key="uid",
    sorts=("name", "cluster_name", "appeared_at"),
    filters=("cluster", "cluster_name", "name", "ready"),
    kinds=frozenset({"status", "cluster", "user", "group", "role"}),
    own_parameters=("left",),
)


def node_json(node: Node, cluster_name: str) -> Item:
    """Return a node as the API shows it."""
    return {
        **node.data,
        "cluster": node.cluster_id,
        "cluster_name": cluster_name,
        "uid": node.uid,
        "name": node.name,
        "appeared_at": node.appeared_at.isoformat(),
        "left_at": node.left_at.isoformat() if node.left_at else None,
    }
