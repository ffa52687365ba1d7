"""The stand-in provider: a program that keeps processes equal to the provider's objects.

It is level-triggered. After each change of an object of its kinds it reads all of them, and does
the next step for each. Its created clusters end with it: another provider starts empty ones for the
same objects, at other ports.

    python -m tests.support.capi.provider DIRECTORY SERVER PKI
"""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from proxy.demo.local_cluster import RequestError
from tests.support.capi.api import Api
from tests.support.capi.created_cluster import CreatedCluster
from tests.support.capi.standin_kinds import GROUPS, NAMESPACE, VERSION, collection
from tests.support.capi.standin_objects import (
    Object,
    cluster_of,
    conditions_of,
    machine_path,
    owner_of,
    path_of,
    secret,
)

FINALIZER = "standin.sekisho.invalid/process"
DOWN = "standin.sekisho.invalid/api-server-down"
"""An annotation on a ProcessControlPlane: while it is set, the API server is killed."""

SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
POOLS = f"/apis/cluster.x-k8s.io/{VERSION}/namespaces/{NAMESPACE}/machinepools"
RESYNC_SECONDS = 5.0
UPGRADE_SECONDS = 1.0
"""How long an upgrade of a control plane takes at least, so that it can be observed."""

Step = Callable[[Object], Awaitable[None]]

_logger = logging.getLogger("standin")


class Provider:
    """The four reconcilers, which share the created clusters, by the names of their Clusters."""

    def __init__(self, api: Api, directory: Path) -> None:
        self._api = api
        self._directory = directory
        self._clusters: dict[str, CreatedCluster] = {}
        self._upgrades: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._count = 0

    async def run(self) -> None:
        """Reconcile until cancelled, and end all created clusters then."""
        watched = [*map(collection, GROUPS), SECRETS, POOLS]
        watches = [
            asyncio.create_task(self._api.wake_on_changes(path, self._changed)) for path in watched
        ]
        try:
            while True:
                self._changed.clear()
                await self._reconcile_all()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), RESYNC_SECONDS)
        finally:
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*(one.stop() for one in self._clusters.values()))

    async def _reconcile_all(self) -> None:
        steps: dict[str, Step] = {
            "ProcessCluster": self._cluster,
            "ProcessControlPlane": self._control_plane,
            "ProcessConfig": self._config,
            "ProcessMachine": self._machine,
            "ProcessMachinePool": self._pool,
        }
        for kind, step in steps.items():
            try:
                listed = await self._api.request("GET", collection(kind))
            except (RequestError, aiohttp.ClientError, TimeoutError) as exc:
                _logger.warning("%s: %s", kind, exc)
                await asyncio.sleep(0.5)
                self._changed.set()
                return
            for one in listed["items"]:
                try:
                    await step({"kind": kind, **one})
                except (RequestError, aiohttp.ClientError, TimeoutError) as exc:
                    # Another writer was faster, or a server restarts: the next pass repeats it.
                    _logger.info("%s %s: %s", kind, one["metadata"]["name"], exc)
                    self._again(0.2)

    async def _cluster(self, one: Object) -> None:
        if owner_of(one, "Cluster") and not one["metadata"].get("deletionTimestamp"):
            await self._report(one, {"initialization": {"provisioned": True}})

    async def _config(self, one: Object) -> None:
        owned = owner_of(one, "Machine") or owner_of(one, "MachinePool")
        if owned and not one["metadata"].get("deletionTimestamp"):
            ready = {"initialization": {"dataSecretCreated": True}}
            await self._report(one, ready | {"dataSecretName": one["metadata"]["name"]})

    async def _control_plane(self, one: Object) -> None:
        # The topology controller creates the object before it sets the owner.
        name = owner_of(one, "Cluster")
        cluster = self._clusters.get(name) if name else None
        if one["metadata"].get("deletionTimestamp"):
            if cluster is not None:
                await cluster.stop()
                del self._clusters[name]
                _logger.info("stopped %s", name)
            await self._release(one)
        elif not name:
            return
        elif refusal := one["spec"].get("fail"):
            await self._report(one, {}, "QuotaExceeded", refusal)
        elif cluster is None:
            await self._hold(one)
            self._count += 1
            cluster = CreatedCluster(self._directory / f"{self._count}-{name}")
            self._clusters[name] = cluster
            cluster.start(float(one["spec"].get("delay", 0)), self._changed)
            await self._report(one, {}, "Starting", "the API server is starting")
        elif cluster.ready:
            await cluster.keep(down=DOWN in one["metadata"].get("annotations", {}))
            await self._serve(one, name, cluster)
        elif cluster.failure:
            await self._report(one, {}, "StartFailed", cluster.failure)

    async def _serve(self, one: Object, name: str, cluster: CreatedCluster) -> None:
        """Report a running control plane: its address, its kubeconfig, and its version."""
        endpoint = {"host": "127.0.0.1", "port": cluster.port}
        if one["spec"].get("controlPlaneEndpoint") != endpoint:
            await self._patch(one, {"spec": {"controlPlaneEndpoint": endpoint}})
        if await self._api.find(f"{SECRETS}/{name}-kubeconfig") is None:
            await self._api.request("POST", SECRETS, secret(one, name, cluster.kubeconfig))
        replicas = one["spec"].get("replicas", 1)
        version = self._version(one)
        status = {
            "initialization": {"controlPlaneInitialized": True},
            "version": version,
            "versions": [{"version": version, "replicas": replicas}],
            "externalManagedControlPlane": True,
        }
        counts = ("replicas", "readyReplicas", "availableReplicas", "upToDateReplicas")
        await self._report(one, status | dict.fromkeys(counts, replicas))

    def _version(self, one: Object) -> str:
        """Return the version to report: the desired one, some time after it was desired."""
        desired: str = one["spec"]["version"]
        reported: str = one.get("status", {}).get("version", desired)
        if reported == desired:
            return desired
        now = asyncio.get_running_loop().time()
        key = f"{one['metadata']['uid']} {desired}"
        due = self._upgrades.setdefault(
            key, now + max(UPGRADE_SECONDS, float(one["spec"].get("delay", 0)))
        )
        if now >= due:
            return desired
        self._again(due - now)
        return reported

    async def _machine(self, one: Object) -> None:
        metadata, cluster = one["metadata"], self._clusters.get(cluster_of(one))
        if metadata.get("deletionTimestamp"):
            if cluster is not None:
                await cluster.remove_node(metadata["name"])
            await self._release(one)
            return
        name = owner_of(one, "Machine")
        machine = await self._api.find(machine_path(name)) if name else None
        if machine is None or cluster is None or not cluster.ready:
            return
        await self._hold(one)
        version = machine["spec"].get("version", "") + one["spec"].get("kubeletSuffix", "")
        provider_id = f"process://{cluster_of(one)}/{metadata['name']}"
        if one.get("status", {}).get("kubeletVersion") != version:
            await cluster.put_node(metadata["name"], provider_id, version)
        if one["spec"].get("providerID") != provider_id:
            await self._patch(one, {"spec": {"providerID": provider_id}})
        addresses = [{"type": "InternalIP", "address": "127.0.0.1"}]
        status = {"initialization": {"provisioned": True}, "addresses": addresses}
        await self._report(one, status | {"kubeletVersion": version})

    async def _pool(self, one: Object) -> None:
        """Make a Node for each machine of a pool. The engine has no object for any of them."""
        name, cluster = owner_of(one, "MachinePool"), self._clusters.get(cluster_of(one))
        pool = await self._api.find(f"{POOLS}/{name}") if name else None
        gone = one["metadata"].get("deletionTimestamp")
        if not gone and (pool is None or cluster is None or not cluster.ready):
            return
        before = one.get("status", {}).get("nodes", [])
        spec = {} if gone or pool is None else pool["spec"]
        nodes = [f"{one['metadata']['name']}-{n}" for n in range(spec.get("replicas", 0))]
        for node in before:
            if node not in nodes and cluster is not None:
                await cluster.remove_node(node)
        if gone:
            await self._release(one)
            return
        await self._hold(one)
        version = spec["template"]["spec"]["version"] + one["spec"].get("kubeletSuffix", "")
        made = {node: f"process://{cluster_of(one)}/{node}" for node in nodes}
        for node, provider_id in made.items():
            if cluster and (node not in before or one["status"].get("kubeletVersion") != version):
                await cluster.put_node(node, provider_id, version)
        if one["spec"].get("providerIDList", []) != list(made.values()):
            await self._patch(one, {"spec": {"providerIDList": list(made.values())}})
        status = {"initialization": {"provisioned": True}, "ready": True, "replicas": len(nodes)}
        await self._report(one, status | {"nodes": nodes, "kubeletVersion": version})

    async def _hold(self, one: Object) -> None:
        """Set the finalizer, before anything exists that has to be ended."""
        present = one["metadata"].get("finalizers", [])
        if FINALIZER not in present:
            await self._patch(one, {"metadata": {"finalizers": [*present, FINALIZER]}})

    async def _release(self, one: Object) -> None:
        present = one["metadata"].get("finalizers", [])
        if FINALIZER in present:
            others = [name for name in present if name != FINALIZER]
            await self._patch(one, {"metadata": {"finalizers": others}})

    async def _report(
        self, one: Object, status: Object, reason: str = "Ready", message: str = ""
    ) -> None:
        """Write the status with the conditions that Cluster API reads, if it differs."""
        kinds = ("Ready", "Available") if one["kind"] == "ProcessControlPlane" else ("Ready",)
        value = "False" if message else "True"
        wanted = [
            {"type": kind, "status": value, "reason": reason, "message": message} for kind in kinds
        ]
        before = one.get("status", {})
        shown = [
            {key: condition.get(key) for key in wanted[0]} for condition in conditions_of(before)
        ]
        if shown == wanted and all(before.get(key) == value for key, value in status.items()):
            return
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        conditions = [{**condition, "lastTransitionTime": now} for condition in wanted]
        body = {"status": status | {"conditions": conditions}}
        await self._api.request("PATCH", f"{path_of(one)}/status", body)

    async def _patch(self, one: Object, change: Object) -> None:
        await self._api.request("PATCH", path_of(one), change)

    def _again(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._changed.set)


async def _main(directory: Path, server: str, pki: Path) -> None:
    api = Api(server, pki)
    running = asyncio.create_task(Provider(api, directory).run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await running
    finally:
        await api.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    asyncio.run(_main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
