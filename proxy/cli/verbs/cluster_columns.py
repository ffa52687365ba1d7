"""What is shown of a cluster, whether imported or ordered. Pure."""

from collections.abc import Mapping

from proxy.cli.output.columns import Column, Item, Kind, Value, age_of, time_of
from proxy.cli.verbs.order_steps import READY, order_of, remarks_of, step_of


def _status(item: Item) -> Item:
    found = item.get("status")
    return found if isinstance(found, Mapping) else {}


_CONSEQUENCES = ("AgentReady", "CollectionsSynced", "RBACReady")
"""Conditions that fail with others, which then say why."""


def _state(item: Item) -> str:
    """Return the cluster's state in a few words.

    It is that of the order until the order is ready, else a condition that does not hold.
    """
    step = step_of(item)
    if step is not None and (step.state != READY or step.engine_away):
        return str(step)
    if item.get("removing_since"):
        return "being removed"
    if item.get("pending_until"):
        return "registration not complete"
    conditions = _status(item).get("conditions") or ()
    failed = [one for one in conditions if one.get("status") != "True"]
    if not failed:
        return "healthy" if conditions else ""
    cause = next((one for one in failed if one.get("type") not in _CONSEQUENCES), failed[0])
    return f"{cause.get('type')}: {cause.get('reason') or 'no'}"


def _version(item: Item) -> object:
    return _status(item).get("version") or (order_of(item) or {}).get("version")


def _nodes(item: Item) -> object:
    totals = _status(item).get("nodes")
    return f"{totals.get('ready')}/{totals.get('total')}" if isinstance(totals, Mapping) else ""


def _ordered(*fields: str) -> Value:
    """Return a function for a field of the order."""

    def shown(item: Item) -> object:
        found: object = order_of(item)
        for one in fields:
            found = found.get(one) if isinstance(found, Mapping) else None
        return found

    return shown


def _machines(item: Item) -> str:
    ready = (order_of(item) or {}).get("ready")
    return f"{ready['machines']}/{ready['of']}" if isinstance(ready, Mapping) else ""


def _pools(item: Item) -> object:
    wanted = _ordered("wanted", "pools")(item)
    if not isinstance(wanted, list):
        return None
    return [f"{one['name']}={one['replicas']}" for one in wanted]


CLUSTER = Kind(
    "cluster",
    (
        Column("NAME", "name"),
        Column("ROLE", "role"),
        Column("STATE", _state),
        Column("VERSION", _version),
        Column("NODES", _nodes),
        Column("AGE", age_of("created_at")),
        Column("ID", "id"),
        Column("REACH", "reach", wide=True),
        Column("SERVERS", "servers", wide=True),
        Column("USERNAMES", "username_mapping", wide=True),
        Column("IMPERSONATOR", "impersonator", wide=True),
        Column("TOKENS UNTIL", time_of("tokens_expire_at"), wide=True),
        Column("URL", "url", wide=True),
        Column("LABELS", "labels", wide=True),
        Column("CLASS", _ordered("class"), wide=True),
        Column("POOLS", _pools, wide=True),
        Column("MACHINES", _machines, wide=True),
        Column("REMARKS", lambda item: "; ".join(remarks_of(item)), wide=True),
    ),
)
