"""A fake kubelet, its Node object, and running Pods whose containers are directories.

The program is ``tests/kubernetes/cmd/kubelet-standin``. There is no scheduler and no container
runtime: :meth:`FakeKubelet.run_pod` creates a Pod that is bound, and reports it as running.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proxy.demo.binaries import Binaries, find_assets
from proxy.demo.local_cluster import LocalCluster
from proxy.demo.processes import Component

_LISTENING = re.compile(r"^listening on 127\.0\.0\.1:(\d+)$", re.MULTILINE)
NODE = "standin"
"""The name of the one node."""

START_SECONDS = 300.0
"""How long the program may take until it listens; it takes a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod on the fake kubelet. It has one container, ``main``, whose process acts like cat."""

    namespace: str
    name: str
    directory: Path
    """Where its commands run."""
    log: Path
    """Its log. ``kubectl logs -f`` shows lines immediately when they are appended."""

    def say(self, line: str) -> None:
        """Append a line to the log."""
        with self.log.open("a") as log:
            log.write(f"{line}\n")


class FakeKubelet:
    """The program and its Node, in a running cluster. Commands run as the present user."""

    def __init__(
        self, cluster: LocalCluster, directory: Path, *, assets: Binaries | None = None
    ) -> None:
        self.directory = directory
        self._cluster = cluster
        self._assets = assets or find_assets()
        self._component = Component("kubelet-standin", directory / "kubelet-standin.log")

    async def start(self) -> None:
        """Start the program on a free port, and register the node."""
        program = self._assets.path("kubelet-standin")
        self.directory.mkdir(parents=True, exist_ok=True)
        pki = self._cluster.pki
        pki.issue_server("kubelet", now=datetime.now(UTC))
        await self._component.start(
            [
                program,
                f"--directory={self.directory}",
                f"--tls-cert-file={pki.certificate('kubelet')}",
                f"--tls-private-key-file={pki.key('kubelet')}",
                f"--client-ca-file={pki.certificate('ca')}",
            ]
        )

        async def listening() -> bool:
            return self._port() is not None

        await self._component.wait_until(listening, what="listening", seconds=START_SECONDS)
        await self._register()

    async def stop(self) -> None:
        """Stop the program and every command that it runs."""
        await self._component.stop(grace=0)

    async def run_pod(self, name: str, namespace: str = "default") -> Pod:
        """Create a Pod, and report it as running and ready."""
        pods = f"/api/v1/namespaces/{namespace}/pods"
        await self._cluster.request("POST", pods, _pod(name))
        await self._cluster.request("PATCH", f"{pods}/{name}/status", _running(datetime.now(UTC)))
        place = self.directory / namespace / name
        pod = Pod(namespace, name, directory=place / "main", log=place / "main.log")
        pod.directory.mkdir(parents=True, exist_ok=True)
        pod.log.write_bytes(b"")
        return pod

    def _port(self) -> int | None:
        """Return the port that the program says it listens on."""
        found = _LISTENING.search(self._component.tail())
        return int(found[1]) if found else None

    async def _register(self) -> None:
        """Create the Node, and report where its kubelet is."""
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
        await self._cluster.request("POST", "/api/v1/nodes", node)
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port()}},
            "capacity": {"cpu": "1", "memory": "1Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "StandIn"}],
            "nodeInfo": {"kubeletVersion": self._cluster.version},
        }
        await self._cluster.request("PATCH", f"/api/v1/nodes/{NODE}/status", {"status": status})


def _pod(name: str) -> dict[str, Any]:
    """Return a Pod that needs no scheduler. It has no grace period, so that it can be deleted."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "nodeName": NODE,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": "standin", "stdin": True, "tty": True}],
        },
    }


def _running(now: datetime) -> dict[str, Any]:
    """Return the status of a running Pod, as a kubelet reports it."""
    since = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    container = {
        "name": "main",
        "image": "standin",
        "imageID": "standin",
        "containerID": "standin://main",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": since}},
    }
    kinds = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    return {
        "status": {
            "phase": "Running",
            "startTime": since,
            "hostIP": "127.0.0.1",
            "containerStatuses": [container],
            "conditions": [{"type": kind, "status": "True"} for kind in kinds],
        }
    }
