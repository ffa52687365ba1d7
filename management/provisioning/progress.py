"""Whether the engine changes a cluster, or has lost a part of it. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from management.provisioning.observed import ObservedCluster, ObservedMachine, ObservedPool
from store.order_records import Order

GRACE = timedelta(seconds=60)
"""How long a condition must be False before a cluster counts as degraded. The engine's first probe
of a new cluster ends 10 to 20 seconds after its import."""

_ROLLOUTS = ("RollingOut", "ScalingUp", "ScalingDown")

_UPGRADING = (
    "ControlPlaneUpgradePending",
    "MachineDeploymentsCreatePending",
    "MachineDeploymentsUpgradePending",
    "MachinePoolsCreatePending",
    "MachinePoolsUpgradePending",
    "LifecycleHookBlocking",
    "ClusterUpgrading",
)
"""Reasons of ``TopologyReconciled`` while the engine goes on."""

_STARTING = frozenset({"", "Pending", "Provisioning", "Provisioned"})
"""Phases of a Machine that was not running before."""


def updating(
    cluster: ObservedCluster,
    pools: Sequence[ObservedPool],
    machines: Sequence[ObservedMachine],
    now: datetime,
) -> str:
    """Return a sentence about the change that the engine makes; empty: it makes none.

    Versions and sizes are compared here. The engine's own conditions are read as well, unless nodes
    have a version with a suffix: then these conditions do not become right.
    """
    if cluster.lags:
        return "The engine has not read the change yet."
    return (
        _versions(cluster, machines)
        or _sizes(cluster, pools, machines, now)
        or ("" if any(one.has_other_kubelet for one in machines) else _rollout(cluster))
    )


def _versions(cluster: ObservedCluster, machines: Sequence[ObservedMachine]) -> str:
    wanted = cluster.version
    if wanted is None:
        return ""
    if not all(_agrees(one, wanted) for one in cluster.control_plane_versions):
        return f"The control plane is upgraded to {wanted}."
    old = sum(bool(one.version) and not _agrees(one.version, wanted) for one in machines)
    if not old:
        return ""
    return f"{len(machines) - old} of {len(machines)} machines have version {wanted}."


def _agrees(version: str, wanted: str) -> bool:
    return version == wanted or version.startswith((f"{wanted}-", f"{wanted}+"))


def _sizes(
    cluster: ObservedCluster,
    pools: Sequence[ObservedPool],
    machines: Sequence[ObservedMachine],
    now: datetime,
) -> str:
    known = {one.name: one for one in pools}
    for name, size in cluster.pool_sizes:
        found = known.get(name)
        if (found.wanted if found is not None else 0) != size:
            exist = found.replicas if found is not None else 0
            return f"Pool {name}: {exist} of {size} machines exist."
    for pool in pools:
        exist = pool.replicas
        if pool.machine_pool and exist == pool.wanted:
            # The provider may count a machine before it is a Node.
            exist = sum(one.pool == pool.name for one in machines)
        if exist != pool.wanted:
            return f"Pool {pool.name}: {exist} of {pool.wanted} machines exist."
        if _is_short(pool) and _recent(pool.changed_at, now):
            return f"Pool {pool.name}: {pool.ready} of {pool.wanted} machines are ready."
    leaving = sum(one.deleting for one in machines)
    if leaving:
        return f"{leaving} of {len(machines)} machines are being deleted."
    starting = sum(_starts(one, now) for one in machines)
    if starting:
        return f"{starting} of {len(machines)} machines are starting."
    return ""


def _is_short(pool: ObservedPool) -> bool:
    """Return whether machines of a MachinePool are not ready."""
    return pool.machine_pool and pool.ready < len(pool.nodes)


def _recent(since: datetime | None, now: datetime) -> bool:
    return since is not None and now - since < GRACE


def _starts(machine: ObservedMachine, now: datetime) -> bool:
    """Return whether a machine becomes ready. One that runs reports that a moment later."""
    if machine.ready:
        return False
    if machine.phase in _STARTING:
        return True
    return machine.phase == "Running" and _recent(machine.changed_at, now)


def _rollout(cluster: ObservedCluster) -> str:
    for kind in _ROLLOUTS:
        found = cluster.condition(kind)
        if found is not None and found.status == "True":
            return " ".join(found.message.split()) or f"The engine reports {kind}."
    topology = cluster.condition("TopologyReconciled")
    if topology is not None and topology.status == "False" and topology.reason in _UPGRADING:
        return " ".join(topology.message.split()) or "The engine upgrades the cluster."
    return ""


def unhealthy(
    order: Order,
    cluster: ObservedCluster,
    pools: Sequence[ObservedPool],
    machines: Sequence[ObservedMachine],
    now: datetime,
) -> str:
    """Return a sentence about what a cluster has lost; empty: nothing, or not for long."""
    if order.imported_at is not None and now - order.imported_at < GRACE:
        return ""
    if cluster.is_true("Remediating"):
        found = cluster.condition("Remediating")
        said = " ".join(found.message.split()) if found is not None else ""
        return said or "The engine replaces machines."
    available = cluster.condition("Available")
    if (
        available is not None
        and available.status == "False"
        and (available.since is None or now - available.since >= GRACE)
    ):
        return " ".join(available.message.split()) or "The engine reports Available=False."
    short = next((one for one in pools if _is_short(one)), None)
    if short is not None:
        return f"Pool {short.name}: {short.ready} of {short.wanted} machines are ready."
    lost = [
        one
        for one in machines
        if one.phase == "Failed" or (one.phase == "Running" and not one.ready)
    ]
    if lost:
        reason = " ".join(lost[0].message.split()) or "it is not ready"
        return f"Machine {lost[0].name}: {reason}."
    return ""
