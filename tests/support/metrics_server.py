"""A real metrics-server in a local cluster, built from its Go module when a test needs it."""

from contextlib import suppress
from pathlib import Path

from proxy.demo.fake_kubelet import START_SECONDS
from proxy.demo.local_cluster import LocalCluster, RequestError, Reserved
from proxy.demo.processes import Component
from tests.support.builds import built_program

SERVICE = "/api/v1/namespaces/kube-system/services"
API_SERVICE = "/apis/apiregistration.k8s.io/v1/apiservices"
NAME = "v1beta1.metrics.k8s.io"


class MetricsServer:
    """The program, and the API service with which the cluster delegates its API to it.

    The cluster needs ``aggregation=True`` and a node with figures, such as a fake kubelet's.
    """

    def __init__(self, cluster: LocalCluster, directory: Path) -> None:
        self._cluster = cluster
        self._component = Component("metrics-server", directory / "metrics-server.log")
        self._reserved = Reserved.take()
        self._directory = directory

    async def start(self) -> None:
        """Start the program, and wait until the cluster's API server delegates to it."""
        kubeconfig = self._cluster.admin_kubeconfig
        pki = self._cluster.pki
        await self._component.start(
            [
                built_program("metrics-server"),
                "--bind-address=127.0.0.1",
                f"--secure-port={self._reserved.port}",
                "--permit-port-sharing",
                f"--cert-dir={self._directory}",
                f"--kubeconfig={kubeconfig}",
                f"--authentication-kubeconfig={kubeconfig}",
                f"--authorization-kubeconfig={kubeconfig}",
                "--kubelet-use-node-status-port",
                "--kubelet-preferred-address-types=InternalIP",
                f"--kubelet-certificate-authority={pki.certificate('ca')}",
                f"--kubelet-client-certificate={pki.certificate('kubelet-client')}",
                f"--kubelet-client-key={pki.key('kubelet-client')}",
                "--kubelet-request-timeout=5s",
                "--metric-resolution=10s",
            ]
        )
        await self._register()
        await self._component.wait_until(
            self._available, what="an available API service", seconds=START_SECONDS
        )

    async def stop(self) -> None:
        """Remove the API service, and stop the program."""
        with suppress(RequestError):
            await self._cluster.request("DELETE", f"{API_SERVICE}/{NAME}")
            await self._cluster.request("DELETE", f"{SERVICE}/metrics-server")
        await self._component.stop(grace=0)
        self._reserved.socket.close()

    async def _register(self) -> None:
        """Create a service without pods: the API server connects to its name and port itself."""
        service = {
            "metadata": {"name": "metrics-server"},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        }
        await self._cluster.request("POST", SERVICE, service)
        port = self._reserved.port
        reference = {"name": "metrics-server", "namespace": "kube-system", "port": port}
        delegation = {
            "metadata": {"name": NAME},
            "spec": {
                "service": reference,
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "insecureSkipTLSVerify": True,  # As in metrics-server's manifest.
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        }
        await self._cluster.request("POST", API_SERVICE, delegation)

    async def _available(self) -> bool:
        found = await self._cluster.request("GET", f"{API_SERVICE}/{NAME}")
        conditions = found.get("status", {}).get("conditions", [])
        return any(one["type"] == "Available" and one["status"] == "True" for one in conditions)
