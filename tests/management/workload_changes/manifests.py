"""Manifests that tests apply."""

from typing import Any

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: NAMESPACE}
spec:
  replicas: 1
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
        - {name: web, image: "registry.example/web:1"}
"""

CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME, namespace: NAMESPACE}
data: {port: "80"}
"""

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: NAME, namespace: NAMESPACE}
spec: {selector: {app: NAME}, ports: [{port: 80}]}
"""


def a_manifest(*parts: str, name: str = "web", namespace: str = "shop") -> str:
    """Return documents with that name and namespace."""
    return "---\n".join(parts).replace("NAMESPACE", namespace).replace("NAME", name)


def a_deployment(**spec: Any) -> dict[str, Any]:
    """Return a Deployment as an API server returns it."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "u-1",
            "generation": 4,
            "annotations": {"deployment.kubernetes.io/revision": "3", "team": "now"},
        },
        "spec": {"replicas": 1, "template": a_template("web:3"), **spec},
    }


def a_template(image: str, **labels: str) -> dict[str, Any]:
    """Return a pod template with one container."""
    return {
        "metadata": {"labels": {"app": "web", **labels}},
        "spec": {"containers": [{"name": "web", "image": image}]},
    }


def a_replica_set(revision: str, image: str, *, owner: str = "u-1") -> dict[str, Any]:
    """Return a ReplicaSet of a Deployment."""
    return {
        "metadata": {
            "name": f"web-{revision}",
            "annotations": {"deployment.kubernetes.io/revision": revision, "team": f"r{revision}"},
            "ownerReferences": [{"uid": owner, "controller": True}],
        },
        "spec": {"template": a_template(image, **{"pod-template-hash": f"h{revision}"})},
    }


def a_controller_revision(number: int, image: str) -> dict[str, Any]:
    """Return a ControllerRevision, whose data is a patch."""
    template = {**a_template(image), "$patch": "replace"}
    return {
        "metadata": {
            "name": f"web-{number}",
            "ownerReferences": [{"uid": "u-1", "controller": True}],
        },
        "revision": number,
        "data": {"spec": {"template": template}},
    }
