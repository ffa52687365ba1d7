"""Orders as the API shows them, depending on what the caller holds in the cluster."""

from collections.abc import Collection
from datetime import datetime

from management.api.listing import Item
from management.api.order_visibility import shown_message
from management.authorization.permissions import EDIT_CLUSTER, NODES, READ_CLUSTER
from management.clusters.kubeconfig import cluster_url
from store.order_records import Order, OrderSummary


def order_json(order: OrderSummary, held: Collection[str], *, imported: bool = True) -> Item:
    """Return what a caller who holds ``held`` may read of an order, as in lists.

    ``imported``: its cluster has a record.
    """
    body: Item = {
        "state": order.state,
        "since": order.state_since.isoformat(),
        "slow": order.slow,
        "imported": imported,
    }
    if NODES not in held:
        return body
    body |= {
        "message": shown_message(order, held),
        "engine_away": _time(order.engine_away_since),
        "class": order.wanted.class_name,
        "version": order.wanted.version,
        "management": order.management_id,
        "adopted": order.adopted,
        "infrastructure": _infrastructure(order),
        "ready": {"machines": order.ready_machines, "of": order.machines},
    }
    return body


def detailed_json(order: Order, held: Collection[str], *, imported: bool = True) -> Item:
    """Return an order with what is wanted, and with the engine's conditions."""
    body = order_json(order, held, imported=imported)
    if NODES not in held:
        return body
    body["wanted"] = _wanted(order, with_values=EDIT_CLUSTER in held)
    if order.unreadable:
        body["unreadable"] = "the stored variables cannot be decrypted"
    if READ_CLUSTER in held:
        body["conditions"] = [
            {
                "type": one.type,
                "status": one.status,
                "reason": one.reason,
                "message": one.message,
                "since": _time(one.since),
            }
            for one in order.conditions
        ]
    return body


def pending_json(order: OrderSummary, held: Collection[str], role: str, external_url: str) -> Item:
    """Return an order whose cluster has no record, in the form of a cluster."""
    return {
        "id": order.id,
        "name": order.name,
        "role": role,
        "permissions": sorted(held),
        "url": cluster_url(external_url, order.id),
        "created_at": order.created_at.isoformat(),
        "removing_since": _time(order.deleting_since),
        "pending_until": None,
        "labels": {},
        "provision": order_json(order, held, imported=False),
    }


def _wanted(order: Order, *, with_values: bool) -> Item:
    wanted = order.wanted
    body: Item = {
        "version": wanted.version,
        "control_plane": {"replicas": wanted.control_plane_replicas},
        "pools": [
            {
                "name": one.name,
                "class": one.worker_class,
                "replicas": one.replicas,
                "kind": one.kind,
            }
            for one in wanted.pools
        ],
        "workers": wanted.workers,
        "reach": wanted.reach,
    }
    if with_values:
        body["variables"] = dict(wanted.variables)
    return body


def _infrastructure(order: OrderSummary) -> str | None:
    if order.release:
        return "keep"
    return "delete" if order.deleting_since is not None else None


def _time(when: datetime | None) -> str | None:
    return when.isoformat() if when is not None else None
