"""Audit events of acts that no request caused: what became of an ordered cluster.

They are in the log beside the events of requests. The user in them is Sekisho's own, and the
annotation ``sekisho.io/user`` names the orderer.
"""

import time
from collections.abc import Mapping

from impersonation.identity import Subject
from proxy.audit.log import AuditLog
from proxy.request.context import RequestContext
from proxy.request.request_info import RequestInfo
from store.order_records import Order

PROVISIONER = Subject("system:sekisho:provisioner", None, ("system:sekisho:controllers",))
"""The user of these events. Sekisho refuses names of users that begin with ``system:``."""


def record_order_act(log: AuditLog, action: str, order: Order, facts: Mapping[str, str]) -> None:
    """Record what the controllers did with an order. ``facts`` are no secrets."""
    notes = {
        "action": action,
        "order": order.id,
        "user": order.owner_id,
        "class": order.wanted.class_name,
        "version": order.wanted.version,
        **facts,
    }
    path = f"/v1/clusters/{order.id}"
    access = RequestContext(
        "",
        "DELETE",
        path,
        time.time(),
        target=path,
        info=RequestInfo("delete", resource="clusters", name=order.id),
        cluster=order.name,
        cluster_id=order.id,
        status=200,
    )
    log.acted(access, PROVISIONER, notes)
