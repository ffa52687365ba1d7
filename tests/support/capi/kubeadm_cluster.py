"""A management cluster whose clusters are made by kubeadm's managers, with machines in memory.

The managers are Cluster API's own. The provider in memory serves what kubeadm's control plane asks
of an API server and of etcd, and nothing else: ``/version`` is 404, so Sekisho cannot import such a
cluster. What Sekisho orders, follows, and changes before the import can be seen with it.
"""

import sys
from pathlib import Path
from subprocess import run
from typing import Any

import yaml

from proxy.demo.binaries import Binaries
from tests.kubernetes.build import KUBEADM
from tests.support.builds import BUILD
from tests.support.capi.core_manager import Manager
from tests.support.capi.definitions import PROVIDERS, Part, module_folder
from tests.support.capi.management_cluster import ManagementCluster
from tests.support.loop_thread import LoopThread

CLASS = "in-memory"
DOCKER = "infrastructure/docker"
PARTS = (
    Part("kubeadm-bootstrap", "bootstrap/kubeadm"),
    Part("kubeadm-control-plane", "controlplane/kubeadm"),
    Part("docker-provider", DOCKER, PROVIDERS),
)
KINDS = (
    "clusters,machinedeployments,machinesets,machines,secrets,devclusters,devmachines,"
    "kubeadmcontrolplanes,kubeadmconfigs"
)


def build_managers() -> None:
    """Build the managers. The first time takes about ten minutes of two cores."""
    components = [word for one in (*KUBEADM, "core-manager") for word in ("--component", one)]
    run([sys.executable, str(BUILD), *components], check=True)


class KubeadmCluster(ManagementCluster):
    """The cluster, with the class ``in-memory`` of Cluster API's own tests."""

    class_name = CLASS

    def __init__(self, directory: Path, loop: LoopThread, assets: Binaries) -> None:
        super().__init__(directory, loop, assets)
        self._managers = [Manager(self.local, directory, part) for part in PARTS]

    def start(self) -> None:
        """Start the programs, and create the definitions, the namespace, and the class."""
        self._loop.call(self.local.__aenter__())
        space = {"metadata": {"name": self.namespace}}
        self.apply([{"apiVersion": "v1", "kind": "Namespace", **space}])
        self._start_engine()
        for manager in self._managers:
            self.apply(manager.objects())
        self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=170s")
        for manager in self._managers:
            self._loop.call(manager.start())
        self.apply(class_objects())
        ready = "--for=condition=VariablesReady"
        self.kubectl("wait", ready, f"clusterclass/{CLASS}", "--timeout=170s")

    def stop(self) -> None:
        """End the programs."""
        for manager in self._managers:
            self._loop.call(manager.stop())
        self._loop.call(self.core_manager.stop())
        self._loop.call(self.local.__aexit__(None, None, None))

    def leftovers(self) -> list[str]:
        """Return what exists of any cluster."""
        return self.kubectl("get", KINDS, "-o", "name").split()


def class_objects() -> list[dict[str, Any]]:
    """Return the class with its templates, from the module of the provider."""
    file = module_folder(PROVIDERS) / DOCKER / "templates/clusterclass-in-memory.yaml"
    return [one for one in yaml.safe_load_all(file.read_text()) if one]
