"""Workloads in the tests' cluster. Its controllers create ReplicaSets, pods, and events."""

from typing import Any

from tests.support.kubernetes import Kubernetes

IMAGE = "example.invalid/web"


def create_web(kubernetes: Kubernetes, namespace: str, name: str = "web") -> None:
    """Create a Deployment of two pods. No node runs them, so they stay pending."""
    labels = {"app": name}
    pod = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "main", "image": f"{IMAGE}:1"}]},
    }
    body = {
        "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": pod},
    }
    kubernetes.call(kubernetes.request("POST", deployments(namespace), body))


def set_image(kubernetes: Kubernetes, namespace: str, image: str) -> None:
    """Give the Deployment ``web`` another image, and so a second revision."""
    pod = {"spec": {"containers": [{"name": "main", "image": image}]}}
    patch: dict[str, Any] = {"spec": {"template": pod}}
    kubernetes.call(kubernetes.request("PATCH", deployments(namespace, "web"), patch))


def delete_web(kubernetes: Kubernetes, namespace: str) -> None:
    """Delete the Deployment ``web``."""
    kubernetes.call(kubernetes.request("DELETE", deployments(namespace, "web")))


def deployments(namespace: str, name: str | None = None) -> str:
    """Return the path of the Deployments of a namespace, or of one."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    return path if name is None else f"{path}/{name}"
