"""The session's management cluster: the fixture ``management_cluster``.

It starts on first use, in about 10 s, and takes about 700 MB. A created cluster takes 5 to 9 s and
about 350 MB, so a test should have at most two of them at once.
"""

import base64
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from management.kubernetes.manifests import NAMESPACE as SEKISHO
from management.kubernetes.manifests import PROVISIONER, PROVISIONER_CLAIM
from proxy.demo.binaries import Binaries
from proxy.demo.local_cluster import LocalCluster, RequestError
from proxy.demo.processes import Component, ComponentError
from tests.support.capi.core_manager import Manager
from tests.support.capi.provider import DOWN
from tests.support.capi.standin_kinds import (
    CLASS,
    GROUPS,
    NAMESPACE,
    VERSION,
    VERSIONS,
    class_objects,
    collection,
    definitions,
)
from tests.support.custom_resources import await_definitions
from tests.support.kubernetes import kubectl
from tests.support.loop_thread import LoopThread
from tests.support.waiting import wait_until

CLUSTERS = f"/apis/cluster.x-k8s.io/{VERSION}/namespaces/{NAMESPACE}/clusters"
ATTEMPTS = 3
CREATION_SECONDS = 180.0
DELETION_SECONDS = 180.0
KINDS = "clusters,machinedeployments,machinesets,machinepools,machines,secrets"
PROVIDER_KINDS = ",".join(f"{kind.lower()}s" for kind in GROUPS)


class ManagementCluster:
    """The cluster with its programs. Its methods work with and without an event loop."""

    namespace = NAMESPACE
    class_name = CLASS
    version = VERSIONS[0]

    def __init__(self, directory: Path, loop: LoopThread, assets: Binaries) -> None:
        self.local = LocalCluster(directory, assets=assets)
        self.core_manager = Manager(self.local, directory)
        self._directory = directory
        self._loop = loop
        self._provider = Component("standin-provider", directory / "provider.log")

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.local.admin_kubeconfig

    def start(self) -> None:
        """Start the programs, and create the definitions, the namespace, and the class."""
        self._loop.call(self.local.__aenter__())
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        self.apply([space, *definitions()])
        self._start_engine()
        self.create_class(CLASS)
        self.start_provider()

    def stop(self) -> None:
        """End the programs, and with the provider all created clusters."""
        self._loop.call(self._provider.stop(grace=30))
        self._loop.call(self.core_manager.stop())
        self._loop.call(self.local.__aexit__(None, None, None))

    def request(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Send a request as the administrator, ``PATCH`` as a merge patch. Raises RequestError."""
        return self._loop.call(self.local.request(method, path, body))

    def kubectl(self, *arguments: str | Path, input: str | None = None) -> str:  # noqa: A002
        """Run kubectl in the namespace of the clusters, and return what it prints."""
        done = kubectl(self.kubeconfig, f"--namespace={NAMESPACE}", *arguments, input=input)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def apply(self, objects: list[dict[str, Any]]) -> None:
        """Apply objects on the server's side, as the administrator."""
        documents = "\n---\n".join(json.dumps(one) for one in objects)
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=documents)

    def create_class(self, name: str) -> None:
        """Create another class that is like ``standin``, and wait until it can be used."""
        self.apply(class_objects(name))
        ready = "--for=condition=VariablesReady"
        self.kubectl("wait", ready, f"clusterclass/{name}", "--timeout=170s")

    def cluster(self, name: str) -> dict[str, Any] | None:
        """Return a Cluster, or None if it does not exist."""
        try:
            return self.request("GET", f"{CLUSTERS}/{name}")
        except RequestError as exc:
            if exc.status == 404:
                return None
            raise

    def await_initialized(self, name: str) -> None:
        """Wait until the control plane of a Cluster is initialized."""

        def initialized() -> bool:
            status = (self.cluster(name) or {}).get("status", {})
            return bool(status.get("initialization", {}).get("controlPlaneInitialized"))

        wait_until(initialized, CREATION_SECONDS, lambda: str(self.cluster(name)))

    def await_references(self, name: str) -> None:
        """Wait until the engine has made a Cluster's own objects."""

        def made() -> bool:
            found = self.cluster(name) or {}
            return bool(found.get("spec", {}).get("infrastructureRef"))

        wait_until(made, 60, lambda: str(self.cluster(name)))

    def can_i(self, user: str, *question: str) -> bool:
        """Return whether a user has a permission, by the cluster's authorizer."""
        arguments = ("auth", "can-i", *question, f"--as={user}")
        return kubectl(self.kubeconfig, *arguments).stdout.strip() == "yes"

    def start_provider(self) -> None:
        """Start the stand-in provider. It knows nothing of clusters of a former one."""
        self._loop.call(self._start_provider())

    def kill_provider(self) -> None:
        """Kill the stand-in provider, and with it all created clusters."""
        self._loop.call(self._provider.stop(grace=0))

    def stop_core_manager(self) -> None:
        """Stop the core manager: its webhooks refuse connections."""
        self._loop.call(self.core_manager.stop())

    def start_core_manager(self) -> None:
        """Start the core manager again."""
        self._loop.call(self.core_manager.start())

    def restart_api_server(self) -> None:
        """Stop the API server, and start it again with its data."""
        self._loop.call(self.local.restart())

    def created_kubeconfig(self, name: str, directory: Path) -> Path:
        """Write the kubeconfig of a created cluster to a file."""
        value = "jsonpath={.data.value}"
        encoded = self.kubectl("get", "secret", f"{name}-kubeconfig", "-o", value)
        path = directory / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_bytes(base64.b64decode(encoded))
        return path

    def keep_down(self, name: str, down: bool) -> None:
        """Have the API server of a created cluster killed, or started again with its data."""
        for one in self.request("GET", collection("ProcessControlPlane"))["items"]:
            if one["metadata"]["labels"]["cluster.x-k8s.io/cluster-name"] == name:
                change = {"metadata": {"annotations": {DOWN: "true" if down else None}}}
                path = f"{collection('ProcessControlPlane')}/{one['metadata']['name']}"
                self.request("PATCH", path, change)

    def leftovers(self) -> list[str]:
        """Return what exists of any cluster: objects of all kinds, and Secrets."""
        return self.kubectl("get", f"{KINDS},{PROVIDER_KINDS}", "-o", "name").split()

    def created_processes(self) -> dict[int, str]:
        """Return the processes of created clusters by id: those that name one of their files."""
        folder = f"{self._directory / 'created'}/"
        found = {}
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # It has ended meanwhile.
                words = file.read_text(errors="replace").split("\0")
                if any(folder in word for word in words):
                    found[int(file.parent.name)] = Path(words[0]).name
        return found

    def delete_all(self) -> None:
        """Delete all Clusters, also paused ones, and wait until nothing is left."""
        for one in self.request("GET", CLUSTERS)["items"]:
            path = f"{CLUSTERS}/{one['metadata']['name']}"
            try:
                self.request("PATCH", path, {"spec": {"paused": None}})
                self.request("DELETE", path)
            except RequestError as exc:
                if exc.status != 404:  # It may have been deleted before, and end now.
                    raise
        wait_until(lambda: not self.leftovers(), DELETION_SECONDS, lambda: str(self.leftovers()))

    def forget_sekisho(self) -> None:
        """Delete the account and the claim that the Sekisho of an earlier test left."""
        claim = f"clusterrole/{PROVISIONER_CLAIM}"
        account = (f"serviceaccount/{PROVISIONER}", f"--namespace={SEKISHO}")
        self.kubectl("delete", "--ignore-not-found", claim)
        self.kubectl("delete", "--ignore-not-found", *account)

    def _start_engine(self) -> None:
        """Start the core manager. Other ports are tried if another process takes one of them."""
        for attempt in range(1, ATTEMPTS + 1):
            self.apply(self.core_manager.objects())
            await_definitions(self.kubeconfig)
            try:
                self._loop.call(self.core_manager.start())
                break
            except ComponentError:
                if attempt == ATTEMPTS:
                    raise
                self.core_manager = Manager(self.local, self._directory)

    async def _start_provider(self) -> None:
        module = "tests.support.capi.provider"
        created, pki = self._directory / "created", self.local.pki.directory
        command = [sys.executable, "-m", module, str(created), self.local.servers[0], str(pki)]
        await self._provider.start(command)


def cluster_manifest(name: str, *, workers: int = 1, **variables: Any) -> dict[str, Any]:
    """Return a Cluster of the class ``standin``, as an operator would write it."""
    pool = {"name": "workers", "class": "default", "replicas": workers}
    topology = {
        "classRef": {"name": CLASS},
        "version": VERSIONS[0],
        "workers": {"machineDeployments": [pool]},
        "variables": [{"name": key, "value": value} for key, value in variables.items()],
    }
    return {
        "apiVersion": f"cluster.x-k8s.io/{VERSION}",
        "kind": "Cluster",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"topology": topology},
    }


@pytest.fixture(scope="session")
def management_cluster(
    kubernetes_assets: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ManagementCluster]:
    """Run the session's management cluster. A test deletes the Clusters that it creates."""
    with LoopThread() as loop:
        cluster = ManagementCluster(tmp_path_factory.mktemp("capi"), loop, kubernetes_assets)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
