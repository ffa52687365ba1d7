"""Custom resources of the providers whose classes ship, from the providers' Go modules.

Only the version that a class uses is kept: it is the stored one, and needs no conversion webhook.
The provider of RKE2 is not on Go's module proxy, so its kinds are stood in for by kinds with the
fields of :mod:`tests.support.capi.rke2_fields`.
"""

from collections.abc import Iterator
from typing import Any

import yaml

from tests.support.capi.definitions import CLUSTER_API, PROVIDERS, module_folder
from tests.support.capi.rke2_fields import RKE2_SPECS
from tests.support.custom_resources import module_folders

Object = dict[str, Any]

GCP = "sigs.k8s.io/cluster-api-provider-gcp@v1.13.1"
AWS = "sigs.k8s.io/cluster-api-provider-aws/v2@v2.13.0"
AZURE = "sigs.k8s.io/cluster-api-provider-azure@v1.21.0"
CHECKSUMS = {
    GCP: "h1:l4zdwsHFwcA8CP5P4NPar9fUu5kMwucKhp2IQBHduJs=",
    AWS: "h1:yQz7GBrIkPLuEJ5MXNuZ/6eUssTJK8reUnZ6t5QIPnU=",
    AZURE: "h1:8SYwQX4ANgy2CAa2NEk41mqBZrmyAH03Xlk214qvxCA=",
}
CONTRACTS = {
    CLUSTER_API: {"cluster.x-k8s.io/v1beta2": "v1beta2"},
    PROVIDERS: {"cluster.x-k8s.io/v1beta2": "v1beta2"},
    GCP: {"cluster.x-k8s.io/v1beta1": "v1beta1"},
    AWS: {"cluster.x-k8s.io/v1beta1": "v1beta1_v1beta2"},
    AZURE: {"cluster.x-k8s.io/v1beta1": "v1beta1"},
}
"""Labels that say which versions of a kind follow which contract. Providers add them on release."""

_PAIRS: dict[str, dict[str, tuple[str, ...]]] = {
    CLUSTER_API: {
        "controlplane/kubeadm/config/crd/bases/controlplane.cluster.x-k8s.io_": (
            "kubeadmcontrolplane",
        ),
        "bootstrap/kubeadm/config/crd/bases/bootstrap.cluster.x-k8s.io_": ("kubeadmconfig",),
    },
    PROVIDERS: {
        "infrastructure/docker/config/crd/bases/infrastructure.cluster.x-k8s.io_": (
            "devcluster",
            "devmachine",
        ),
    },
    GCP: {
        "config/crd/bases/infrastructure.cluster.x-k8s.io_": (
            "gcpmanagedcluster",
            "gcpmanagedcontrolplane",
            "gcpmanagedmachinepool",
        ),
        "config/crd/bases/bootstrap.cluster.x-k8s.io_": ("gkeconfig",),
    },
    AWS: {
        "config/crd/bases/infrastructure.cluster.x-k8s.io_": ("awsmanagedcluster", "awsmachine"),
        "config/crd/bases/controlplane.cluster.x-k8s.io_": ("awsmanagedcontrolplane",),
        "config/crd/bases/bootstrap.cluster.x-k8s.io_": ("nodeadmconfig",),
    },
    AZURE: {
        "config/crd/bases/infrastructure.cluster.x-k8s.io_": (
            "azureasomanagedcluster",
            "azureasomanagedcontrolplane",
            "azureasomanagedmachinepool",
        ),
    },
}
"""Kinds of each module, by the start of their files' paths. Each has a template beside it."""

_AZURE_RESOURCES = {
    "resourcegroups.resources.azure.com": "v1api20200601",
    "managedclusters.containerservice.azure.com": "v1api20240901",
    "managedclustersagentpools.containerservice.azure.com": "v1api20240901",
}
"""What the AKS class makes in Azure Service Operator, and the version that it uses."""

_RKE2_KINDS = {
    "RKE2ControlPlane": "controlplane.cluster.x-k8s.io",
    "RKE2ControlPlaneTemplate": "controlplane.cluster.x-k8s.io",
    "RKE2Config": "bootstrap.cluster.x-k8s.io",
    "RKE2ConfigTemplate": "bootstrap.cluster.x-k8s.io",
}


def provider_definitions() -> Iterator[Object]:
    """Yield the definitions. The modules of 12 MB are downloaded once, into Go's module cache."""
    folders = module_folders(CHECKSUMS)
    folders |= {name: module_folder(name) for name in (CLUSTER_API, PROVIDERS)}
    for module, files in _PAIRS.items():
        for start, kinds in files.items():
            for kind in kinds:
                for ending in ("s", "templates"):
                    text = (folders[module] / f"{start}{kind}{ending}.yaml").read_text()
                    yield _stored(_load(text), CONTRACTS[module])
    for text in (folders[AZURE] / "config/aso/crds.yaml").read_text().split("\n---\n"):
        # The file has 3.7 MB, so that only the needed documents are parsed.
        for name, version in _AZURE_RESOURCES.items():
            if f"\n  name: {name}\n" in text:
                yield _only(_load(text), version)
    for kind, group in _RKE2_KINDS.items():
        yield _rke2(kind, group)


def _load(text: str) -> Object:
    # The loader in C takes a tenth of the time.
    return dict(yaml.load(text, yaml.CSafeLoader))


def _stored(definition: Object, labels: dict[str, str]) -> Object:
    [version] = [one["name"] for one in definition["spec"]["versions"] if one["storage"]]
    definition["metadata"]["labels"] = labels
    return _only(definition, version)


def _only(definition: Object, version: str) -> Object:
    [kept] = [one for one in definition["spec"]["versions"] if one["name"] == version]
    definition["spec"]["versions"] = [kept | {"storage": True, "served": True}]
    definition["spec"].pop("conversion", None)
    definition["metadata"].get("annotations", {}).pop("cert-manager.io/inject-ca-from", None)
    return definition


def _rke2(kind: str, group: str) -> Object:
    plural = f"{kind.lower()}s"
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": RKE2_SPECS[kind], "status": anything}}
    version = {
        "name": "v1beta2",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            "labels": {"cluster.x-k8s.io/v1beta2": "v1beta2"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [version],
        },
    }
