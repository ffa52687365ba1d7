"""From an order, what the engine reports, and the time to the state that users see. Pure.

A state has a time since when, and one sentence. It may be *slow*: that is said, and nothing else
follows from it. Sekisho neither gives an order up nor deletes a cluster because time has passed.

``ready`` means that users can enter the cluster: it is imported, and accepts Sekisho's credentials.
The engine's own conditions ``Available`` and ``RollingOut`` do not decide that. Where a vendor adds
a suffix to the version of its nodes (``v1.36.3-eks-…``), they never agree (cluster-api#14219).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from management.provisioning.engine import UNREADABLE
from management.provisioning.observed import ObservedCluster, ObservedMachine, ObservedPool
from management.provisioning.progress import unhealthy, updating
from store.order_records import (
    Order,
    OrderCondition,
    OrderObservation,
    OrderState,
    WantedCluster,
)

SLOW_AFTER: dict[OrderState, timedelta] = {
    "ordered": timedelta(seconds=30),
    "accepted": timedelta(minutes=5),
    "provisioning": timedelta(minutes=30),
    "initialized": timedelta(minutes=10),
    "importing": timedelta(minutes=10),
    "updating": timedelta(minutes=30),
    "deleting": timedelta(minutes=30),
}
"""How long a state usually lasts at most. States that wait for nothing are not slow."""

KUBELET_VERSIONS = "KubeletVersionsMatch"
"""A condition of Sekisho's, beside those of the engine: nodes have the version of their Machines.
It is present only while they do not."""

CHANGE_SENT = "The change is sent to the engine."

_PROBLEMS = (
    "TopologyReconciled",
    "InfrastructureReady",
    "ControlPlaneAvailable",
    "ControlPlaneInitialized",
    "WorkersAvailable",
)
"""Conditions whose message says what a cluster waits for, those that block others first."""

_NO_PROBLEMS = frozenset({"ClusterCreating", "ControlPlaneUpgradePending", "NoWorkers"})
"""Reasons of conditions that are False while all is well."""


NEWER = (
    "The Cluster has a newer revision of this order than Sekisho's database, which was restored: "
    "nothing is written. Compare its version, sizes and variables with the order's, and change the "
    "order."
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about an order beside its record.

    ``refusal``: why the engine refused what is wanted. ``taken``: why the Cluster of that name is
    not the order's. ``away``: why the engine does not respond. ``pending``: what is wanted was not
    written yet. ``import_problem``: why the last attempt to import the cluster failed; None: there
    was none. ``rejects_sekisho``: the imported cluster does not accept Sekisho's credentials.
    ``newer``: the Cluster has a newer revision than the order.
    """

    cluster: ObservedCluster | None = None
    pools: Sequence[ObservedPool] = ()
    machines: Sequence[ObservedMachine] = ()
    refusal: str = ""
    taken: str = ""
    away: str = ""
    pending: bool = False
    import_problem: str | None = None
    rejects_sekisho: bool = False
    newer: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """The state of an order: ``message`` is one sentence, ``since`` is when the state began."""

    state: OrderState
    message: str
    since: datetime
    slow: bool
    conditions: tuple[OrderCondition, ...]


def judge(order: Order, facts: Facts, now: datetime) -> Judgement:
    """Return the state of an order."""
    state, message = _state(order, facts, now)
    since = order.state_since if state == order.state else now
    begin = order.deleting_since if state == "deleting" and order.deleting_since else since
    limit = SLOW_AFTER.get(state)
    return Judgement(
        state=state,
        message=message,
        since=since,
        slow=limit is not None and now - begin > limit,
        conditions=_conditions(facts),
    )


def announced(order: Order, wanted: WantedCluster) -> OrderObservation:
    """Return what users see of an order after a change, until a controller has seen the change.

    So an order that was ready is not ready any longer when its change is stored.
    """
    if wanted == order.wanted:
        return {}
    if order.state == "refused" and order.imported_at is None:
        state: OrderState = "ordered" if order.engine_uid is None else "accepted"
    elif order.state in {"ready", "degraded", "refused"}:
        state = "updating"
    else:
        return {}
    return {"state": state, "message": CHANGE_SENT, "slow": False}


def _state(order: Order, facts: Facts, now: datetime) -> tuple[OrderState, str]:
    if order.release:
        return "released", "The Cluster stays in the management cluster; Sekisho has left it."
    if order.deleting_since is not None:
        return "deleting", _deleting(facts)
    if facts.taken:
        return "foreign", facts.taken
    if facts.refusal:
        return "refused", facts.refusal
    cluster = facts.cluster
    if cluster is None:
        return _absent(order, facts)
    if cluster.paused:
        return "paused", (
            "The Cluster is paused in the management cluster (spec.paused): the engine changes and "
            "deletes nothing until it is unpaused there."
        )
    if cluster.deleting_since is not None:
        return "deleting", "The Cluster is being deleted in the management cluster, not by Sekisho."
    if order.imported_at is None:
        return _creation(cluster, facts)
    return _operation(order, cluster, facts, now)


def _absent(order: Order, facts: Facts) -> tuple[OrderState, str]:
    """Return the state of an order that has no Cluster."""
    if order.engine_uid is not None:
        # It has vanished: what that means is not known yet.
        return order.state, order.message or "The Cluster is not in the management cluster."
    if order.adopted:
        return "ordered", f'There is no Cluster "{order.engine_name}" in the management cluster.'
    if order.unreadable:
        return "ordered", UNREADABLE
    return "ordered", facts.away or "The order is sent to the engine."


def _creation(cluster: ObservedCluster, facts: Facts) -> tuple[OrderState, str]:
    """Return the state of an order whose cluster is not imported yet."""
    if cluster.initialized and facts.import_problem is not None:
        waiting = facts.import_problem or "The cluster is being imported."
        return "importing", waiting
    if cluster.initialized:
        return "initialized", "The control plane is initialized; the cluster is imported next."
    problem = _problem(cluster)
    if not cluster.phase and not problem:
        return "accepted", "The engine has accepted the order."
    return "provisioning", problem or _machines(facts.machines)


def _operation(
    order: Order, cluster: ObservedCluster, facts: Facts, now: datetime
) -> tuple[OrderState, str]:
    """Return the state of an order whose cluster is imported."""
    if facts.rejects_sekisho:
        return "degraded", (
            "The cluster does not accept Sekisho's credentials; it is imported again with the "
            "engine's kubeconfig."
        )
    if facts.newer:
        return "degraded", NEWER
    if facts.pending:
        return "updating", CHANGE_SENT
    progress = updating(cluster, facts.pools, facts.machines, now)
    if progress:
        return "updating", progress
    problem = unhealthy(order, cluster, facts.pools, facts.machines, now)
    if problem:
        return "degraded", problem
    return "ready", _suffix_warning(facts.machines) or "Users can enter the cluster."


def _deleting(facts: Facts) -> str:
    cluster = facts.cluster
    if cluster is None:
        return facts.taken or facts.away or "The engine is asked to delete the Cluster."
    if cluster.paused:
        return (
            "The Cluster is paused in the management cluster (spec.paused): the engine deletes it "
            "only after it is unpaused there."
        )
    condition = cluster.condition("Deleting")
    said = one_line(condition.message) if condition is not None else ""
    left = len(facts.machines)
    count = f"{left} {'machine is' if left == 1 else 'machines are'} left" if left else ""
    return "; ".join(one for one in (said, count, facts.away) if one) or "The engine deletes it."


def _problem(cluster: ObservedCluster) -> str:
    """Return the engine's own sentence about what a cluster waits for; empty: none."""
    found = (cluster.condition(kind) for kind in _PROBLEMS)
    return next(
        (
            one_line(one.message)
            for one in found
            if one is not None
            and one.status == "False"
            and one.message
            and one.reason not in _NO_PROBLEMS
        ),
        "",
    )


def _machines(machines: Iterable[ObservedMachine]) -> str:
    known = list(machines)
    if not known:
        return "The engine makes the cluster."
    ready = sum(one.ready for one in known)
    return f"The engine makes the cluster: {ready} of {len(known)} machines are ready."


def _suffix_warning(machines: Iterable[ObservedMachine]) -> str:
    found = next((one for one in machines if one.has_other_kubelet), None)
    if found is None:
        return ""
    return (
        f"Users can enter the cluster; its nodes run kubelet {found.kubelet_version} where the "
        f"engine wants {found.version}, so that the engine shows a rollout that does not end."
    )


def _conditions(facts: Facts) -> tuple[OrderCondition, ...]:
    """Return the conditions of the engine, and a warning of Sekisho's."""
    conditions = facts.cluster.conditions if facts.cluster is not None else ()
    warning = _suffix_warning(facts.machines)
    if not warning:
        return conditions
    return (
        *conditions,
        OrderCondition(KUBELET_VERSIONS, "False", "VersionSuffix", warning, None),
    )


def one_line(message: str) -> str:
    """Return a message of the engine, which may be a list in several lines, on one line."""
    return " ".join(message.split())
