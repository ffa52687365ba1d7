"""A cluster that the stand-in provider made: a kube-apiserver, and a Node for each machine."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import aiohttp

from proxy.demo.local_cluster import LocalCluster, RequestError
from tests.support.kubernetes import pinned_assets

NODES = "/api/v1/nodes"
HEALTHY = {"MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False"}
"""Cluster API regards a Node as healthy only if it reports these conditions, beside Ready."""


class CreatedCluster:
    """The processes of one cluster. They are children of this process, and end with it."""

    def __init__(self, directory: Path) -> None:
        self._local = LocalCluster(directory, assets=pinned_assets())
        self._starting: asyncio.Task[LocalCluster] | None = None
        self._down = False

    @property
    def ready(self) -> bool:
        """Whether the cluster has started."""
        task = self._starting
        return task is not None and task.done() and not task.cancelled() and not task.exception()

    @property
    def started(self) -> bool:
        """Whether a start was requested."""
        return self._starting is not None

    @property
    def failure(self) -> str:
        """Why the start failed, or an empty string."""
        task = self._starting
        failed = task is not None and task.done() and not task.cancelled() and task.exception()
        return str(failed) if failed else ""

    @property
    def port(self) -> int:
        """The API server's port on loopback."""
        return int(self._local.servers[0].rpartition(":")[2])

    @property
    def kubeconfig(self) -> str:
        """The administrator's kubeconfig."""
        return self._local.admin_kubeconfig.read_text()

    def start(self, delay: float, done: asyncio.Event) -> None:
        """Start the processes after ``delay`` seconds, and set ``done`` when they are ready."""
        self._starting = asyncio.create_task(self._start(delay))
        self._starting.add_done_callback(lambda _: done.set())

    async def stop(self) -> None:
        """End the processes, also while they start."""
        if self._starting is None:
            return
        self._starting.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self._starting
        await self._local.__aexit__(None, None, None)

    async def keep(self, *, down: bool) -> None:
        """Have the API server killed (``down``) or running, with its data."""
        if down and not self._down:
            await self._local.stop_api_server(kill=True)
        elif self._down and not down:
            await self._local.start_api_server()
        self._down = down

    async def put_node(self, name: str, provider_id: str, version: str) -> None:
        """Create a Node that is ready, if it does not exist, and report its version."""
        spec = {"providerID": provider_id}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": spec}
        with contextlib.suppress(RequestError):
            await self._local.request("POST", NODES, node)
        conditions = {"Ready": "True"} | HEALTHY
        status: dict[str, Any] = {
            "conditions": [
                {"type": kind, "status": status, "reason": "StandIn"}
                for kind, status in conditions.items()
            ],
            "nodeInfo": {"kubeletVersion": version},
            "capacity": {"cpu": "2", "memory": "4Gi", "pods": "110"},
            "allocatable": {"cpu": "2", "memory": "4Gi", "pods": "110"},
        }
        await self._local.request("PATCH", f"{NODES}/{name}/status", {"status": status})

    async def remove_node(self, name: str) -> None:
        """Delete a Node. An API server that does not respond is no obstacle."""
        if self.ready and not self._down:
            with contextlib.suppress(RequestError, aiohttp.ClientError, TimeoutError):
                await self._local.request("DELETE", f"{NODES}/{name}")

    async def _start(self, delay: float) -> LocalCluster:
        await asyncio.sleep(delay)
        return await self._local.__aenter__()
