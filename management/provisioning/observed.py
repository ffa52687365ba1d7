"""Read what the engine reports about a Cluster, its pools and its Machines. Pure.

An attacker who controls the management cluster chooses each byte of it, so texts and lists are
bounded, and a field of another type counts as absent.
"""

from dataclasses import dataclass
from datetime import datetime
from sys import intern

from management.kubernetes.manifests import CLUSTER_LABEL, Manifest
from management.kubernetes.validation import mapping, mappings, moment, number, text, uid_of
from management.provisioning.engine import CLUSTER_NAME, REVISION
from store.order_records import OrderCondition

MAX_CONDITIONS = 32
"""Conditions that are read of one object. The engine writes about twenty to a Cluster."""

MAX_MESSAGE = 2_000
"""Characters of a condition's message. The engine puts one line for each failing object into it."""

MAX_SHORT = 128
"""Characters of a reason, a version, or a phase."""

MAX_MACHINE_MESSAGE = 300
"""Characters of a Machine's message: an order may have hundreds of Machines."""

MAX_REVISION_DIGITS = 9
"""Digits of an order's revision, so that the next ones fit into a column of 32 bits."""

_TOPOLOGY_NAMES = (
    "topology.cluster.x-k8s.io/deployment-name",
    "topology.cluster.x-k8s.io/pool-name",
)
_OWNER_NAMES = (
    "cluster.x-k8s.io/deployment-name",
    "cluster.x-k8s.io/pool-name",
)
"""Labels of Machines: the pool's own name, which is its name in a Cluster without topology."""

_CONTROL_PLANE = "cluster.x-k8s.io/control-plane"


@dataclass(frozen=True, slots=True)
class ObservedCluster:
    """A Cluster as the engine reports it.

    ``order_id`` is Sekisho's label. ``revision`` is that of the order which was written last; None
    if Sekisho wrote none. ``class_name`` and ``version`` are those of the topology, and None
    without one; ``pool_sizes`` are the names and the replicas of its pools. ``lags``: the engine
    has not read the newest spec yet. ``endpoint`` is empty until there is one.
    """

    name: str
    uid: str
    order_id: str | None
    revision: int | None
    class_name: str | None
    version: str | None
    pool_sizes: tuple[tuple[str, int], ...]
    control_plane_versions: tuple[str, ...]
    phase: str
    paused: bool
    lags: bool
    initialized: bool
    endpoint: str
    deleting_since: datetime | None
    conditions: tuple[OrderCondition, ...]

    def condition(self, kind: str) -> OrderCondition | None:
        """Return the condition of a type."""
        return next((one for one in self.conditions if one.type == kind), None)

    def is_true(self, kind: str) -> bool:
        """Return whether the condition of a type is True."""
        found = self.condition(kind)
        return found is not None and found.status == "True"


@dataclass(frozen=True, slots=True)
class ObservedPool:
    """A MachineDeployment or MachinePool. ``name`` is that in the topology.

    The other fields are those of MachinePools: ``nodes`` are the names of their Nodes, and
    ``node_versions`` the versions of these, in another order. ``changed_at`` is when all Nodes
    became ready, or ceased to be.
    """

    name: str
    cluster: str
    wanted: int
    replicas: int
    ready: int
    machine_pool: bool = False
    version: str = ""
    nodes: tuple[str, ...] = ()
    node_versions: tuple[str, ...] = ()
    deleting: bool = False
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ObservedMachine:
    """A Machine. ``pool`` is None in the control plane. ``message`` is why it is not ready.

    ``changed_at`` is when it became ready, or ceased to be.
    """

    name: str
    cluster: str
    pool: str | None
    phase: str
    version: str
    kubelet_version: str
    node: str
    ready: bool
    deleting: bool
    message: str
    changed_at: datetime | None = None

    @property
    def has_other_kubelet(self) -> bool:
        """Return whether the node's version is the Machine's with a suffix of its vendor."""
        wanted, found = self.version.partition("+")[0], self.kubelet_version
        return (
            bool(wanted)
            and found != self.version
            and found.startswith((f"{wanted}-", f"{wanted}+"))
        )


def observed_cluster(manifest: Manifest) -> ObservedCluster:
    """Return what a Cluster reports. Raises MalformedObject if it has no uid."""
    metadata = manifest["metadata"]
    spec, status = mapping(manifest.get("spec")), mapping(manifest.get("status"))
    topology = mapping(spec.get("topology"))
    seen = number(status.get("observedGeneration"), 0, 2**53)
    return ObservedCluster(
        name=metadata["name"],
        uid=uid_of(manifest),
        order_id=_label(manifest, CLUSTER_LABEL),
        revision=_revision(manifest),
        class_name=text(mapping(topology.get("classRef")).get("name")),
        version=text(topology.get("version"), MAX_SHORT),
        pool_sizes=_pool_sizes(topology),
        control_plane_versions=tuple(
            _word(one.get("version"))
            for one in mappings(mapping(status.get("controlPlane")).get("versions"), 8)
        ),
        phase=_word(status.get("phase")),
        paused=spec.get("paused") is True,
        lags=seen < number(metadata.get("generation"), 0, 2**53),
        initialized=mapping(status.get("initialization")).get("controlPlaneInitialized") is True,
        endpoint=_endpoint(spec),
        deleting_since=moment(metadata.get("deletionTimestamp")),
        conditions=_conditions(status),
    )


def observed_pool(manifest: Manifest) -> ObservedPool:
    """Return what a MachineDeployment or a MachinePool reports."""
    spec, status = mapping(manifest.get("spec")), mapping(manifest.get("status"))
    names = (_label(manifest, one) for one in _TOPOLOGY_NAMES)
    return ObservedPool(
        name=next((one for one in names if one), manifest["metadata"]["name"]),
        cluster=_cluster_of(manifest),
        wanted=number(spec.get("replicas")),
        replicas=number(status.get("replicas"), 0),
        ready=number(status.get("readyReplicas"), 0),
    )


def observed_machine(manifest: Manifest) -> ObservedMachine:
    """Return what a Machine reports."""
    spec, status = mapping(manifest.get("spec")), mapping(manifest.get("status"))
    labels = manifest["metadata"].get("labels") or {}
    names = (_label(manifest, one) for one in (*_TOPOLOGY_NAMES, *_OWNER_NAMES))
    ready = next((one for one in _conditions(status) if one.type == "Ready"), None)
    is_ready = ready is not None and ready.status == "True"
    return ObservedMachine(
        name=manifest["metadata"]["name"],
        cluster=_cluster_of(manifest),
        pool=None if _CONTROL_PLANE in labels else intern(next((one for one in names if one), "")),
        phase=_word(status.get("phase")),
        version=_word(spec.get("version")),
        kubelet_version=_word(mapping(status.get("nodeInfo")).get("kubeletVersion")),
        node=text(mapping(status.get("nodeRef")).get("name")) or "",
        ready=is_ready,
        deleting=manifest["metadata"].get("deletionTimestamp") is not None,
        message="" if ready is None or is_ready else ready.message[:MAX_MACHINE_MESSAGE],
        changed_at=ready.since if ready is not None else None,
    )


def _conditions(status: object) -> tuple[OrderCondition, ...]:
    return tuple(
        OrderCondition(
            type=_word(one.get("type")),
            status=_word(one.get("status")) or "Unknown",
            reason=_word(one.get("reason")),
            message=text(one.get("message"), MAX_MESSAGE) or "",
            since=moment(one.get("lastTransitionTime")),
        )
        for one in mappings(mapping(status).get("conditions"), MAX_CONDITIONS)
    )


def _pool_sizes(topology: object) -> tuple[tuple[str, int], ...]:
    """Return the pools of a topology. A pool without replicas is not counted: others size it."""
    workers = mapping(mapping(topology).get("workers"))
    return tuple(
        (text(one.get("name")) or "", number(one.get("replicas"), 0))
        for kind in ("machineDeployments", "machinePools")
        for one in mappings(workers.get(kind))
        if "replicas" in one
    )


def _endpoint(spec: object) -> str:
    """Return the address of the control plane, as ``host:port``."""
    endpoint = mapping(mapping(spec).get("controlPlaneEndpoint"))
    host, port = text(endpoint.get("host")), number(endpoint.get("port"), 0, 65_535)
    return f"{host}:{port}" if host and port else ""


def _label(manifest: Manifest, name: str) -> str | None:
    """Return the value of a label, which an API server bounds to 63 characters."""
    return text((manifest["metadata"].get("labels") or {}).get(name), 63)


def _revision(manifest: Manifest) -> int | None:
    written = (manifest["metadata"].get("annotations") or {}).get(REVISION, "")
    if not (written.isascii() and written.isdigit() and len(written) <= MAX_REVISION_DIGITS):
        return None
    return int(written)


def _cluster_of(manifest: Manifest) -> str:
    """Return the name of the Cluster to which a Machine or a pool belongs."""
    named = text(mapping(manifest.get("spec")).get("clusterName"))
    return intern(named or _label(manifest, CLUSTER_NAME) or "")


def _word(value: object) -> str:
    """Return a short text, once in memory however many objects have it."""
    return intern(text(value, MAX_SHORT) or "")
