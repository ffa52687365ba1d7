"""The next act for an order, from what is wanted and what exists. Pure.

It is decided again after each change and after each act, from any state and any number of times, so
a replica that takes over continues where another one stopped.
"""

from typing import Literal

from management.provisioning.observed import ObservedCluster
from store.order_records import Order

Step = Literal["apply", "import", "delete", "forget", "vanished", "release"]


def owns(order: Order, cluster: ObservedCluster) -> bool:
    """Return whether a Cluster is the order's."""
    if order.engine_uid is not None and order.engine_uid != cluster.uid:
        return False
    return order.adopted or cluster.order_id == order.id


def why_foreign(order: Order, cluster: ObservedCluster) -> str:
    """Return why a Cluster is not the order's; empty: it is."""
    if owns(order, cluster):
        return ""
    if order.engine_uid is not None and order.engine_uid != cluster.uid:
        return (
            f'The Cluster "{cluster.name}" in the management cluster is another one than before '
            "(its uid has changed): Sekisho does not touch it. If it was restored from a backup, "
            "attach the order to it."
        )
    return (
        f'There is a Cluster "{cluster.name}" in the management cluster that is not this order\'s '
        "(label sekisho.io/cluster): Sekisho does not touch it."
    )


def next_step(
    order: Order,
    cluster: ObservedCluster | None,
    *,
    refused_revision: int | None = None,
    import_again: bool = False,
    left: bool = False,
) -> Step | None:
    """Return the next act; None: there is nothing to do.

    ``cluster`` is the Cluster of that name, after a complete list. ``refused_revision`` is the
    revision of the order that the engine refused. ``left``: what Sekisho had of a released Cluster
    is removed.
    """
    is_own = cluster is not None and owns(order, cluster)
    if order.release:
        if not left:
            return "release"
        return None if is_own else "forget"
    if order.deleting_since is not None:
        if order.adopted or cluster is None or not is_own:
            return "forget"
        return "delete" if cluster.deleting_since is None else None
    if cluster is None:
        if order.engine_uid is not None:
            return "vanished"
        is_held = order.adopted or bool(order.unreadable) or refused_revision == order.revision
        return None if is_held else "apply"
    if not is_own or cluster.deleting_since is not None:
        return None
    if _is_outdated(order, cluster) and refused_revision != order.revision:
        return "apply"
    if cluster.initialized and (order.imported_at is None or import_again):
        return "import"
    return None


def is_pending(order: Order, cluster: ObservedCluster | None) -> bool:
    """Return whether the engine has not got what is wanted."""
    return cluster is not None and owns(order, cluster) and _is_outdated(order, cluster)


def is_newer(order: Order, cluster: ObservedCluster) -> bool:
    """Return whether the Cluster has a revision of the order that the store has lost.

    The database was restored from a backup, or has failed over to a server that was behind. What
    the order wanted before is not written over what was wanted afterwards.
    """
    return not order.adopted and cluster.revision is not None and cluster.revision > order.revision


def _is_outdated(order: Order, cluster: ObservedCluster) -> bool:
    if order.adopted or order.unreadable:
        return False
    return cluster.revision is None or cluster.revision < order.revision
