"""Rancher's quotas and limits, with Kubernetes' names of resources. Pure."""

from collections.abc import Mapping
from typing import Any

from proxy.cli.rancher.findings import Findings, quoted

RESOURCES = {
    "pods": "pods",
    "services": "services",
    "replicationControllers": "replicationcontrollers",
    "secrets": "secrets",
    "configMaps": "configmaps",
    "persistentVolumeClaims": "persistentvolumeclaims",
    "servicesNodePorts": "services.nodeports",
    "servicesLoadBalancers": "services.loadbalancers",
    "requestsCpu": "requests.cpu",
    "requestsMemory": "requests.memory",
    "requestsStorage": "requests.storage",
    "limitsCpu": "limits.cpu",
    "limitsMemory": "limits.memory",
}
_LIMITS = {
    "requestsCpu": ("defaultRequest", "cpu"),
    "requestsMemory": ("defaultRequest", "memory"),
    "limitsCpu": ("default", "cpu"),
    "limitsMemory": ("default", "memory"),
}
_LONGEST = 64


def quota(limit: Mapping[str, Any], of: str, findings: Findings) -> dict[str, str]:
    """Return a quota. Resources that it does not know become findings about ``of``."""
    found = {}
    for key, value in limit.items():
        if key not in RESOURCES or not _is_quantity(value):
            findings.add("Quotas", of, f"the quota of {quoted(key)} is left out")
        elif value:
            found[RESOURCES[key]] = value
    return dict(sorted(found.items()))


def container_limits(limits: Mapping[str, Any], of: str, findings: Findings) -> dict[str, Any]:
    """Return the default limits and requests of containers."""
    found: dict[str, dict[str, str]] = {}
    for key, value in limits.items():
        if key not in _LIMITS or not _is_quantity(value):
            findings.add("Quotas", of, f"the container limit of {quoted(key)} is left out")
        elif value:
            section, resource = _LIMITS[key]
            found.setdefault(section, {})[resource] = value
    return dict(sorted(found.items()))


def _is_quantity(value: object) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= _LONGEST
        and value.isascii()
        and (value.isprintable())
    )
