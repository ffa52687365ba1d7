"""A node as it is remembered: who it is, what it has, and how it is. Pure."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from management.quantities import format_quantity, parse_quantity

_ROLE = "node-role.kubernetes.io/"
_RESOURCES = ("cpu", "memory", "pods", "ephemeral-storage")

_PROVIDERS = {
    "aws": "aws",
    "gce": "gcp",
    "azure": "azure",
    "kind": "kind",
    "k3s": "k3s",
    "rke2": "rke2",
    "openstack": "openstack",
    "vsphere": "vsphere",
    "digitalocean": "digitalocean",
    "hcloud": "hetzner",
    "harvester": "harvester",
}
_VERSIONS = {"+k3s": "k3s", "+rke2": "rke2", "-gke.": "gke", "-eks-": "eks", "+vmware": "tanzu"}


def node_data(node: Mapping[str, Any]) -> dict[str, Any]:
    """What is remembered of a Node (core/v1). Without what changes with every heartbeat."""
    metadata, spec = node.get("metadata") or {}, node.get("spec") or {}
    status = node.get("status") or {}
    info = status.get("nodeInfo") or {}
    conditions = {one.get("type"): one for one in status.get("conditions") or []}
    ready = conditions.get("Ready") or {}
    return {
        "provider_id": spec.get("providerID"),
        "addresses": [
            {"type": one.get("type"), "address": one.get("address")}
            for one in status.get("addresses") or []
        ],
        "roles": _roles(metadata.get("labels") or {}),
        "version": info.get("kubeletVersion"),
        "os": info.get("osImage"),
        "architecture": info.get("architecture"),
        "kernel": info.get("kernelVersion"),
        "container_runtime": info.get("containerRuntimeVersion"),
        "capacity": _resources(status.get("capacity")),
        "allocatable": _resources(status.get("allocatable")),
        "conditions": [
            {
                "type": name,
                "status": one.get("status"),
                "reason": one.get("reason"),
                "since": one.get("lastTransitionTime"),
            }
            for name, one in sorted(conditions.items(), key=lambda pair: str(pair[0]))
        ],
        "ready": ready.get("status") == "True",
        "unschedulable": bool(spec.get("unschedulable")),
        "created_at": metadata.get("creationTimestamp"),
    }


def totals(nodes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """How many nodes there are and are ready, and what they have together."""
    found = list(nodes)
    return {
        "total": len(found),
        "ready": sum(bool(one["ready"]) for one in found),
        "capacity": _sum(one["capacity"] for one in found),
        "allocatable": _sum(one["allocatable"] for one in found),
    }


def provider_guess(version: str, nodes: Iterable[Mapping[str, Any]]) -> str | None:
    """Whose Kubernetes it seems to be, by its version and its nodes' provider ids."""
    for mark, name in _VERSIONS.items():
        if mark in version:
            return name
    for one in nodes:
        scheme = str(one.get("provider_id") or "").partition("://")[0]
        if scheme in _PROVIDERS:
            return _PROVIDERS[scheme]
    return None


def _roles(labels: Mapping[str, str]) -> list[str]:
    found = {key.removeprefix(_ROLE) for key in labels if key.startswith(_ROLE)}
    return sorted(found - {""})


def _resources(given: Mapping[str, str] | None) -> dict[str, str]:
    return {name: str(given[name]) for name in _RESOURCES if given and name in given}


def _sum(some: Iterable[Mapping[str, str]]) -> dict[str, str]:
    total: dict[str, Decimal] = {}
    for one in some:
        for name, text in one.items():
            try:
                total[name] = total.get(name, Decimal(0)) + parse_quantity(text)
            except ValueError:
                continue
    return {name: format_quantity(value) for name, value in sorted(total.items())}
