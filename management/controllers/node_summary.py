"""The stored data of a node: identity, capacity and conditions. Pure.

A cluster's nodes are not trusted: each field is checked and cut.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from management.kubernetes.quantity import format_quantity, parse_quantity
from management.kubernetes.validation import MAX_NAME, mapping, mappings, text

_ROLE = "node-role.kubernetes.io/"
_RESOURCES = ("cpu", "memory", "pods", "ephemeral-storage")
_MOST_ROLES, _MOST_VERSIONS = 32, 16

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
    """Return the stored fields of a Node (core/v1), without those that each heartbeat changes."""
    metadata, spec = mapping(node.get("metadata")), mapping(node.get("spec"))
    status = mapping(node.get("status"))
    info = mapping(status.get("nodeInfo"))
    conditions = {text(one.get("type")): one for one in mappings(status.get("conditions"))}
    ready = conditions.get("Ready") or {}
    return {
        "provider_id": text(spec.get("providerID")),
        "addresses": [
            {"type": text(one.get("type")), "address": text(one.get("address"))}
            for one in mappings(status.get("addresses"))
        ],
        "roles": _roles(mapping(metadata.get("labels"))),
        "version": text(info.get("kubeletVersion")),
        "os": text(info.get("osImage")),
        "architecture": text(info.get("architecture")),
        "kernel": text(info.get("kernelVersion")),
        "container_runtime": text(info.get("containerRuntimeVersion")),
        "capacity": _resources(mapping(status.get("capacity"))),
        "allocatable": _resources(mapping(status.get("allocatable"))),
        "conditions": [
            {
                "type": name,
                "status": text(one.get("status")),
                "reason": text(one.get("reason")),
                "since": text(one.get("lastTransitionTime")),
            }
            for name, one in sorted(conditions.items(), key=lambda pair: str(pair[0]))
        ],
        "ready": ready.get("status") == "True",
        "unschedulable": spec.get("unschedulable") is True,
        "created_at": text(metadata.get("creationTimestamp")),
    }


def totals(nodes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the number of nodes, of ready nodes, and by version, and their total resources."""
    found = list(nodes)
    versions = Counter(str(one["version"]) for one in found if one["version"])
    return {
        "total": len(found),
        "ready": sum(bool(one["ready"]) for one in found),
        "versions": dict(versions.most_common(_MOST_VERSIONS)),
        "capacity": _sum(one["capacity"] for one in found),
        "allocatable": _sum(one["allocatable"] for one in found),
    }


def provider_guess(version: str, nodes: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the likely provider of the cluster, by its version and its nodes' provider ids."""
    for part, name in _VERSIONS.items():
        if part in version:
            return name
    for one in nodes:
        scheme = str(one.get("provider_id") or "").partition("://")[0]
        if scheme in _PROVIDERS:
            return _PROVIDERS[scheme]
    return None


def _roles(labels: Mapping[str, str]) -> list[str]:
    found = {key.removeprefix(_ROLE)[:MAX_NAME] for key in labels if key.startswith(_ROLE)}
    return sorted(found - {""})[:_MOST_ROLES]


def _resources(given: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(given[name])[:64] for name in _RESOURCES if _is_scalar(given.get(name))}


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _sum(some: Iterable[Mapping[str, str]]) -> dict[str, str]:
    total: dict[str, Decimal] = {}
    for one in some:
        for name, amount in one.items():
            try:
                total[name] = total.get(name, Decimal(0)) + parse_quantity(amount)
            except ValueError:
                continue
    return {name: format_quantity(value) for name, value in sorted(total.items())}
