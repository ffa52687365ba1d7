"""What the tests of classes do in the management cluster."""

import json
import subprocess
from pathlib import Path
from typing import Any

from proxy.demo.local_cluster import RequestError
from tests.deploy.classes.shipped import file_of
from tests.support.capi.management_cluster import ManagementCluster
from tests.support.kubernetes import kubectl
from tests.support.waiting import wait_until

NAMESPACE = "shipped-classes"
ENGINE = "/apis/cluster.x-k8s.io/v1beta2/namespaces/shipped-classes"
SECONDS = 120.0
STRICT = ("apply", "--server-side", "--dry-run=server", "--validate=strict")

Object = dict[str, Any]


class ClassCluster:
    """The management cluster, in the namespace of the shipped classes."""

    def __init__(self, management: ManagementCluster) -> None:
        self._management = management

    def kubectl(self, *arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl in the namespace, to its end with any exit code."""
        words = (f"--namespace={NAMESPACE}", *arguments)
        return kubectl(self._management.kubeconfig, *words, input=text or None)

    def refusal(self, one: Object) -> str:
        """Return why a strict dry run refuses to create an object, or an empty string."""
        group, version = one["apiVersion"].split("/")
        plural = one["kind"].lower() + ("es" if one["kind"].endswith("s") else "s")
        path = f"/apis/{group}/{version}/namespaces/{NAMESPACE}/{plural}"
        try:
            self._management.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", one)
        except RequestError as exc:
            return str(exc)
        return ""

    def create_class(self, name: str) -> None:
        """Create a class with its templates, and wait until it can be ordered."""
        done = self.kubectl("apply", "--server-side", "-f", file_of(name))
        assert done.returncode == 0, done.stderr

        def usable() -> bool:
            found = self._management.request("GET", f"{ENGINE}/clusterclasses/{name}")
            return _conditions(found, found["metadata"]["generation"]) >= {
                "VariablesReady",
                "RefVersionsUpToDate",
            }

        wait_until(usable, SECONDS, lambda: self.text("clusterclass", name))

    def create(self, clusters: list[Object]) -> None:
        """Create Clusters, and wait until the engine has made all objects of their classes."""
        text = "\n---\n".join(map(json.dumps, clusters))
        done = self.kubectl("create", "-f", "-", text=text)
        assert done.returncode == 0, done.stderr
        for cluster in clusters:
            self._await_objects(cluster["metadata"]["name"])

    def _await_objects(self, name: str) -> None:
        def reconciled() -> bool:
            found = self._management.request("GET", f"{ENGINE}/clusters/{name}")
            return "TopologyReconciled" in _conditions(found, 1)

        wait_until(reconciled, SECONDS, lambda: self.text("cluster", name))

    def specs_of(self, kind: str, cluster: str) -> list[Object]:
        """Return the specs of the objects of a kind that the engine made for a Cluster."""
        label = f"cluster.x-k8s.io/cluster-name={cluster}"
        done = self.kubectl("get", kind.lower(), "-l", label, "-o", "json")
        assert done.returncode == 0, done.stderr
        return [one["spec"] for one in json.loads(done.stdout)["items"]]

    def delete_all(self) -> None:
        """Delete all Clusters, whose objects no provider holds, and all classes."""
        timeout = f"--timeout={SECONDS:.0f}s"
        for kind in ("clusters", "clusterclasses"):
            done = self.kubectl("delete", kind, "--all", timeout)
            assert done.returncode == 0, done.stderr

    def text(self, kind: str, name: str) -> str:
        """Return an object as text, for a message."""
        return self.kubectl("get", kind, name, "-o", "yaml").stdout


def _conditions(found: Object, generation: int) -> set[str]:
    return {
        one["type"]
        for one in found.get("status", {}).get("conditions", [])
        if one["status"] == "True" and one.get("observedGeneration", generation) >= generation
    }
