"""Requests that change workloads through ``/v1``, for tests."""

from dataclasses import dataclass
from typing import Any

from tests.management.workload_changes.manifests import a_manifest
from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import HttpResponse, SekishoWithUsers
from tests.support.waiting import wait_until

APPS = "/apis/apps/v1/namespaces"


@dataclass(frozen=True, slots=True)
class Workloads:
    """The workloads of one namespace of the cluster ``test``."""

    proxy: SekishoWithUsers
    kubernetes: Kubernetes
    namespace: str
    tokens: dict[str, str]

    def post(self, who: str, path: str, body: object = None) -> HttpResponse:
        """Send a POST below the cluster's workloads."""
        url = f"/v1/clusters/test/workloads{path}"
        return self.proxy.request("POST", url, token=self.tokens[who], body=body)

    def apply(self, *parts: str, who: str = "alice", dry_run: bool = False) -> HttpResponse:
        """Apply documents with the name ``web``."""
        manifest = a_manifest(*parts, namespace=self.namespace)
        return self.post(who, "", {"manifest": manifest, "dry_run": dry_run})

    def change(
        self, action: str, body: object = None, *, kind: str = "deployment", who: str = "alice"
    ) -> HttpResponse:
        """Change the workload ``web``."""
        return self.post(who, f"/{self.namespace}/{kind}/web/{action}", body)

    def delete(self, query: str = "", *, who: str = "alice") -> HttpResponse:
        """Delete the Deployment ``web``."""
        url = f"/v1/clusters/test/workloads/{self.namespace}/deployment/web{query}"
        return self.proxy.request("DELETE", url, token=self.tokens[who])

    def read(self, path: str = "", *, kind: str = "deployments") -> dict[str, Any]:
        """Return an object of the cluster, as its administrator."""
        name = path or f"{APPS}/{self.namespace}/{kind}/web"
        return self.kubernetes.call(self.kubernetes.request("GET", name))

    def await_revision(self, number: int) -> None:
        """Wait until the Deployment's controller has made a revision, and changes nothing more."""

        def made() -> bool:
            annotations = self.read()["metadata"].get("annotations") or {}
            return bool(annotations.get("deployment.kubernetes.io/revision") == str(number))

        wait_until(made, 60, f"revision {number}")

    def image(self, kind: str = "deployments") -> str:
        """Return the image of the workload's container."""
        spec = self.read(kind=kind)["spec"]["template"]["spec"]
        return str(spec["containers"][0]["image"])


def actions(response: HttpResponse) -> list[tuple[str, str]]:
    """Return the kind and the action of each object in a response."""
    assert response.status == 200, response.body
    return [(one["kind"], one["action"]) for one in response.json()["items"]]
