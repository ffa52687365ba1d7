"""Rows of orders and management clusters, to and from records; secrets are encrypted."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from sys import intern
from typing import Any

from store.encryption import Keyring, Undecryptable
from store.order_records import (
    AllowedClass,
    ManagementCluster,
    Order,
    OrderCondition,
    OrderLimits,
    OrderSummary,
    Pool,
    WantedCluster,
    WantedSummary,
)
from store.sealed_values import sealing_context
from store.tables import management_clusters, orders

_COUNTED = ("class_name", "workers")
"""Columns that repeat a part of ``wanted``."""

SUMMARY_COLUMNS = tuple(one for one in orders.c if one.name != "variables")
"""The columns that a summary is made of."""


def order_row(order: Order, keyring: Keyring) -> dict[str, Any]:
    """Return the columns of an order; without its variables if those are unreadable."""
    other = {"wanted", "conditions", "unreadable"}
    row = {one.name: getattr(order, one.name) for one in fields(order) if one.name not in other}
    return row | wanted_row(order, keyring) | {"conditions": conditions_row(order.conditions)}


def wanted_row(order: Order, keyring: Keyring) -> dict[str, Any]:
    """Return the columns of what an order wants; without variables if those are unreadable."""
    wanted = order.wanted
    row: dict[str, Any] = {
        "class_name": wanted.class_name,
        "workers": wanted.workers,
        "wanted": {
            "version": wanted.version,
            "control_plane_replicas": wanted.control_plane_replicas,
            "pools": [asdict(pool) for pool in wanted.pools],
            "reach": wanted.reach,
        },
    }
    if order.unreadable and not wanted.variables:
        return row
    text = json.dumps(dict(wanted.variables), separators=(",", ":"))
    return row | {"variables": keyring.encrypt(text, variables_context(order.id))}


def conditions_row(conditions: tuple[OrderCondition, ...]) -> list[dict[str, Any]]:
    """Return conditions as JSON."""
    return [
        asdict(one) | {"since": None if one.since is None else one.since.isoformat()}
        for one in conditions
    ]


def order_of(row: Any, keyring: Keyring) -> Order:
    """Return the row's order. One whose variables cannot be decrypted has none, and says why."""
    variables: Mapping[str, Any] = {}
    unreadable = ""
    try:
        variables = json.loads(keyring.decrypt(row.variables, variables_context(row.id)))
    except Undecryptable as exc:
        unreadable = str(exc)
    wanted = WantedCluster(**_wanted(row), variables=variables)
    return Order(**_values(row), wanted=wanted, unreadable=unreadable)


def summary_of(row: Any) -> OrderSummary:
    """Return the row's order without the values of variables."""
    return OrderSummary(**_values(row), wanted=WantedSummary(**_wanted(row)))


def _values(row: Any) -> dict[str, Any]:
    """Return the fields of an order that are not ``wanted``."""
    other = {*_COUNTED, "variables", "wanted"}
    values = {name: value for name, value in row._mapping.items() if name not in other}
    return values | {"conditions": tuple(_condition(one) for one in row.conditions)}


def _wanted(row: Any) -> dict[str, Any]:
    """Return the fields of what is wanted that are not secret."""
    return {
        "class_name": row.class_name,
        "version": row.wanted["version"],
        "control_plane_replicas": row.wanted["control_plane_replicas"],
        "pools": tuple(Pool(**one) for one in row.wanted["pools"]),
        "reach": row.wanted["reach"],
    }


def _condition(stored: Mapping[str, Any]) -> OrderCondition:
    since = stored["since"]
    at = None if since is None else datetime.fromisoformat(since).astimezone(UTC)
    words = {name: intern(stored[name]) for name in ("type", "status", "reason")}
    return OrderCondition(**words, message=stored["message"], since=at)


def management_row(management: ManagementCluster, keyring: Keyring) -> dict[str, Any]:
    """Return the columns of a management cluster; without its token if that is unreadable."""
    row: dict[str, Any] = {
        "cluster_id": management.cluster_id,
        "namespace": management.namespace,
        "classes": [{**asdict(one), "roles": list(one.roles)} for one in management.classes],
        "limits": asdict(management.limits),
        "token_expires_at": management.token_expires_at,
        "revision": management.revision,
    }
    if management.unreadable and not management.token:
        return row
    context = token_context(management.cluster_id)
    return row | {"token": keyring.encrypt(management.token, context)}


def management_of(row: Any, keyring: Keyring) -> ManagementCluster:
    """Return the row's management cluster. An undecryptable token is empty, and says why."""
    token = unreadable = ""
    try:
        token = keyring.decrypt(row.token, token_context(row.cluster_id))
    except Undecryptable as exc:
        unreadable = str(exc)
    return ManagementCluster(
        cluster_id=row.cluster_id,
        namespace=row.namespace,
        token=token,
        token_expires_at=row.token_expires_at,
        classes=tuple(AllowedClass(**{**one, "roles": tuple(one["roles"])}) for one in row.classes),
        limits=OrderLimits(**row.limits),
        revision=row.revision,
        unreadable=unreadable,
    )


def variables_context(order_id: str) -> str:
    """Return the context to which the encrypted variables are bound."""
    return sealing_context(orders.c.variables, order_id)


def token_context(cluster_id: str) -> str:
    """Return the context to which the encrypted token is bound."""
    return sealing_context(management_clusters.c.token, cluster_id)
