"""What the stand-in provider reads of objects, and the Secret that it writes. Pure."""

import base64
from typing import Any

from tests.support.capi.standin_kinds import CONTROL_PLANE, NAMESPACE, VERSION, collection

CLUSTER_NAME = "cluster.x-k8s.io/cluster-name"

Object = dict[str, Any]


def conditions_of(status: Object) -> list[Object]:
    """Return the conditions of a status."""
    found: list[Object] = status.get("conditions", [])
    return found


def owner_of(one: Object, kind: str) -> str:
    """Return the name of the owner of a kind, or an empty string."""
    owners = one["metadata"].get("ownerReferences", [])
    return next((owner["name"] for owner in owners if owner["kind"] == kind), "")


def cluster_of(one: Object) -> str:
    """Return the name of the Cluster to which an object belongs, or an empty string."""
    name: str = one["metadata"].get("labels", {}).get(CLUSTER_NAME, "")
    return name


def path_of(one: Object) -> str:
    """Return the API path of an object of the provider's kinds."""
    return f"{collection(one['kind'])}/{one['metadata']['name']}"


def machine_path(name: str) -> str:
    """Return the API path of a Machine."""
    return f"/apis/cluster.x-k8s.io/{VERSION}/namespaces/{NAMESPACE}/machines/{name}"


def secret(one: Object, cluster: str, kubeconfig: str) -> Object:
    """Return the Secret with a cluster's kubeconfig, as Cluster API's contract describes it."""
    metadata = one["metadata"]
    owner = {
        "apiVersion": f"{CONTROL_PLANE}/{VERSION}",
        "kind": "ProcessControlPlane",
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "cluster.x-k8s.io/secret",
        "metadata": {
            "name": f"{cluster}-kubeconfig",
            "labels": {CLUSTER_NAME: cluster},
            "ownerReferences": [owner],
        },
        "data": {"value": base64.b64encode(kubeconfig.encode()).decode()},
    }
