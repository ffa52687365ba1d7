"""The stand-in provider's kinds, and the ClusterClass ``standin`` with its templates.

A class like it, ``managed``, has pools without Machines, as the managed classes of clouds do. The
kinds follow Cluster API's contract v1beta2 for providers. A variable of the class is a knob:
``fail`` is the sentence with which the provider refuses to make the control plane, ``delay`` is in
seconds, and ``kubeletSuffix`` is appended to the version that Nodes report, as EKS and GKE do.
"""

from typing import Any

Object = dict[str, Any]

NAMESPACE = "sekisho-clusters"
CLASS = "standin"
MANAGED_CLASS = "managed"
VERSION = "v1beta2"
INFRASTRUCTURE = "infrastructure.cluster.x-k8s.io"
BOOTSTRAP = "bootstrap.cluster.x-k8s.io"
CONTROL_PLANE = "controlplane.cluster.x-k8s.io"
GROUPS = {
    "ProcessCluster": INFRASTRUCTURE,
    "ProcessMachine": INFRASTRUCTURE,
    "ProcessMachinePool": INFRASTRUCTURE,
    "ProcessConfig": BOOTSTRAP,
    "ProcessControlPlane": CONTROL_PLANE,
}
WORKER_CLASSES = ("default", "large")
POOL_CLASS = "nodes"
"""The class of workers of ``managed``: machine pools, whose machines only the provider knows."""

VERSIONS = ("v1.36.3", "v1.37.0", "v1.38.0")


def collection(kind: str) -> str:
    """Return the API path of the objects of a kind."""
    return f"/apis/{GROUPS[kind]}/{VERSION}/namespaces/{NAMESPACE}/{kind.lower()}s"


def definitions() -> list[Object]:
    """Return the custom resources of the kinds and of their templates."""
    return [
        _definition(group, kind + suffix)
        for kind, group in GROUPS.items()
        for suffix in ("", "Template")
    ]


def class_objects(name: str = CLASS, namespace: str = NAMESPACE) -> list[Object]:
    """Return the ClusterClass and the templates to which it refers."""
    templates = {kind: _template(kind, name, namespace) for kind in GROUPS}
    managed = name == MANAGED_CLASS
    machines = "ProcessMachinePool" if managed else "ProcessMachine"
    workers = [
        {
            "class": worker,
            "bootstrap": {"templateRef": _reference(templates["ProcessConfig"])},
            "infrastructure": {"templateRef": _reference(templates[machines])},
        }
        for worker in ((POOL_CLASS,) if managed else WORKER_CLASSES)
    ]
    matching = _POOLS if managed else _WORKERS
    spec = {
        "infrastructure": {"templateRef": _reference(templates["ProcessCluster"])},
        "controlPlane": {"templateRef": _reference(templates["ProcessControlPlane"])},
        "workers": {"machinePools" if managed else "machineDeployments": workers},
        "variables": _variables(),
        "patches": [
            _patch("fail", "ProcessControlPlane", {"controlPlane": True}),
            _patch("delay", "ProcessControlPlane", {"controlPlane": True}),
            *(_patch(one, machines, matching) for one in ("kubeletSuffix", "machineSize")),
        ],
    }
    return [*templates.values(), _object("cluster.x-k8s.io", "ClusterClass", name, namespace, spec)]


_WORKERS = {"machineDeploymentClass": {"names": list(WORKER_CLASSES)}}
_POOLS = {"machinePoolClass": {"names": [POOL_CLASS]}}


def _variables() -> list[Object]:
    schemas = {
        "fail": {"type": "string", "default": "", "description": "Refuse with this sentence."},
        "delay": {"type": "integer", "default": 0, "minimum": 0, "maximum": 600},
        "kubeletSuffix": {"type": "string", "default": "", "maxLength": 32},
        "machineSize": {"type": "string", "default": "small", "enum": ["small", "large"]},
    }
    return [
        {"name": name, "required": False, "schema": {"openAPIV3Schema": schema}}
        for name, schema in schemas.items()
    ]


def _patch(variable: str, kind: str, matching: Object) -> Object:
    """Return the patch that writes a variable into the specs made from a template."""
    return {
        "name": variable,
        "definitions": [
            {
                "selector": {
                    "apiVersion": f"{GROUPS[kind]}/{VERSION}",
                    "kind": f"{kind}Template",
                    "matchResources": matching,
                },
                "jsonPatches": [
                    {
                        "op": "add",
                        "path": f"/spec/template/spec/{variable}",
                        "valueFrom": {"variable": variable},
                    }
                ],
            }
        ],
    }


def _template(kind: str, name: str, namespace: str) -> Object:
    spec: Object = {"template": {"spec": {"standin": True}}}
    return _object(GROUPS[kind], f"{kind}Template", name, namespace, spec)


def _object(group: str, kind: str, name: str, namespace: str, spec: Object) -> Object:
    return {
        "apiVersion": f"{group}/{VERSION}",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def _reference(template: Object) -> Object:
    return {
        "apiVersion": template["apiVersion"],
        "kind": template["kind"],
        "name": template["metadata"]["name"],
    }


def _definition(group: str, kind: str) -> Object:
    """Return a custom resource with any fields. The label says which contract it follows."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    plural = f"{kind.lower()}s"
    version: Object = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "properties": {"spec": anything, "status": anything},
            }
        },
    }
    if not kind.endswith("Template"):
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            "labels": {"cluster.x-k8s.io/v1beta2": VERSION},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [version],
        },
    }
