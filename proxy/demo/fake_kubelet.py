"""A node whose pods are directories: a kubelet stand-in, its Node object, and running Pods.

The program is ``tests/kubernetes/cmd/kubelet-standin``. No scheduler and no container runtime takes
part: :meth:`Kubelet.run_pod` creates a Pod that is bound already, and says that it is running.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proxy.demo.assets import Assets, find_assets
from proxy.demo.downstream import Downstream
from proxy.demo.processes import Component

NODE = "standin"
"""The name of the one node."""

START_SECONDS = 10.0
"""How long the program may take until it listens; it takes a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod on the stand-in, with one container ``main`` whose main process is, as it were, cat."""

    namespace: str
    name: str
    directory: Path
    """Where its commands run."""
    log: Path
    """What it has said; append to it and ``kubectl logs -f`` shows it at once."""

    def say(self, line: str) -> None:
        """Append a line to the log."""
        with self.log.open("a") as log:
            log.write(f"{line}\n")


class Kubelet:
    """The stand-in and its Node, in a cluster that is running; commands run as the user we are."""

    def __init__(
        self, downstream: Downstream, directory: Path, *, assets: Assets | None = None
    ) -> None:
        self.directory = directory
        self._downstream = downstream
        self._assets = assets or find_assets()
        self._component = Component("kubelet-standin", directory / "kubelet-standin.log")

    async def start(self) -> None:
        """Start the program on a free port, and register the node."""
        program = self._assets.path("kubelet-standin")
        self.directory.mkdir(parents=True, exist_ok=True)
        pki = self._downstream.pki
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
        """Stop the program, and every command it runs with it."""
        await self._component.stop(grace=0)

    async def run_pod(self, name: str, namespace: str = "default") -> Pod:
        """Create a Pod, and report it as running and ready."""
        pods = f"/api/v1/namespaces/{namespace}/pods"
        await self._downstream.request("POST", pods, _pod(name))
        await self._downstream.request(
            "PATCH", f"{pods}/{name}/status", _running(datetime.now(UTC))
        )
        place = self.directory / namespace / name
        pod = Pod(namespace, name, directory=place / "main", log=place / "main.log")
        pod.directory.mkdir(parents=True, exist_ok=True)
        pod.log.write_bytes(b"")
        return pod

    def _port(self) -> int | None:
        """Return the port that the program says it listens on."""
        found = re.search(
            r"^listening on 127\.0\.0\.1:(\d+)$", self._component.tail(), re.MULTILINE
        )
        return int(found[1]) if found else None

    async def _register(self) -> None:
        """Create the Node, and report where its kubelet is."""
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
        await self._downstream.request("POST", "/api/v1/nodes", node)
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port()}},
            "capacity": {"cpu": "1", "memory": "1Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "StandIn"}],
            "nodeInfo": {"kubeletVersion": self._downstream.version},
        }
        await self._downstream.request("PATCH", f"/api/v1/nodes/{NODE}/status", {"status": status})


def _pod(name: str) -> dict[str, Any]:
    """Write a Pod that needs no scheduler, and no kubelet to be deleted: it gets no grace."""
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
    """Write the status that a kubelet would report of it."""
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
