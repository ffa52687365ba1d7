"""MachinePools, of which some have no Machines: managed node groups of clouds. Pure.

The engine then knows only how many machines the provider reports, and which Nodes they became. A
machine is made here of each Node, so that sizes, versions, and health are judged by one rule. The
engine's own counters are not enough: ``readyReplicas`` of such a pool equals ``replicas`` (Cluster
API 1.14), and no condition of the Cluster includes MachinePools.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from management.kubernetes.manifests import Manifest
from management.kubernetes.validation import mapping, mappings, moment, number, text
from management.provisioning.observed import (
    MAX_SHORT,
    ObservedMachine,
    ObservedPool,
    observed_pool,
)

MAX_NODES = 1_000
"""Nodes that are read of one pool."""

NOT_READY = "Not ready"
"""The phase of machines that are not ready. The engine has none for them."""


def observed_machine_pool(manifest: Manifest) -> ObservedPool:
    """Return what a MachinePool reports."""
    found = observed_pool(manifest)
    template = mapping(mapping(mapping(manifest.get("spec")).get("template")).get("spec"))
    status = mapping(manifest.get("status"))
    nodes = [text(one.get("name")) for one in mappings(status.get("nodeRefs"), MAX_NODES)]
    former = mapping(mapping(status.get("deprecated")).get("v1beta1"))
    ready = min(found.ready, len(nodes))
    if former:  # the only counter of nodes that are ready
        ready = min(ready, number(former.get("readyReplicas"), 0))
    conditions = mappings(former.get("conditions"))
    changed = next((one for one in conditions if one.get("type") == "ReplicasReady"), {})
    return replace(
        found,
        machine_pool=True,
        ready=ready,
        version=text(template.get("version"), MAX_SHORT) or "",
        nodes=tuple(one for one in nodes if one),
        node_versions=tuple(islice(_versions(status.get("versions")), MAX_NODES)),
        deleting=manifest["metadata"].get("deletionTimestamp") is not None,
        changed_at=moment(changed.get("lastTransitionTime")),
    )


def with_pool_machines(
    machines: Sequence[ObservedMachine], pools: Iterable[ObservedPool]
) -> list[ObservedMachine]:
    """Return the machines, and those of pools that have Nodes and no Machines."""
    known = {one.pool for one in machines}
    found = list(machines)
    for pool in pools:
        if pool.machine_pool and pool.name not in known:
            found += _machines(pool)
    return found


def _machines(pool: ObservedPool) -> Iterator[ObservedMachine]:
    """Yield a machine for each Node. Which are not ready, and have which version, is not known."""
    count = len(pool.nodes)
    message = f"{pool.ready} of {count} machines of the pool are ready."
    for number_, node in enumerate(pool.nodes):
        kubelet = pool.node_versions[number_] if number_ < len(pool.node_versions) else ""
        ready = number_ < pool.ready
        yield ObservedMachine(
            name=node,
            cluster=pool.cluster,
            pool=pool.name,
            phase="Running" if ready else NOT_READY,
            version=_version(pool.version, kubelet),
            kubelet_version=kubelet,
            node=node,
            ready=ready,
            deleting=pool.deleting,
            message="" if ready else message,
            changed_at=pool.changed_at,
        )


def _version(wanted: str, kubelet: str) -> str:
    """Return the version of a machine: the pool's, if the Node has it, with a suffix or without."""
    plain = wanted.partition("+")[0]
    if not kubelet or kubelet == wanted or kubelet.startswith((f"{plain}-", f"{plain}+")):
        return wanted
    return kubelet


def _versions(listed: object) -> Iterator[str]:
    """Yield the version of each Node."""
    for one in mappings(listed, MAX_NODES):
        version = text(one.get("version"), MAX_SHORT) or ""
        yield from [version] * min(number(one.get("replicas"), 0), MAX_NODES)
