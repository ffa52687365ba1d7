"""A cluster in a network namespace of its own, which the tests' processes cannot connect to.

All of its programs listen on the namespace's loopback interface, which is not that of the tests.
Programs inside, like the cluster's agent, connect to the tests' side over a pair of interfaces.
There is no way in the other direction: nothing in the namespace listens on its end of the pair.

Run as a program, the module is the cluster: it prints one line of JSON when everything is ready,
and ends with its standard input.
"""

import asyncio
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.demo.fake_kubelet import FakeKubelet
from proxy.demo.local_cluster import LocalCluster
from proxy.workers.child_process import die_with_parent
from tests.support.debian import need_programs
from tests.support.kubernetes import kubectl_command, kubectl_environment, pinned_assets

POD = "web"
"""A running Pod in the namespace ``default``."""


@dataclass(frozen=True, slots=True)
class HiddenCluster:
    """A running cluster. ``gateway`` is the address of the tests' side, as seen from inside.

    ``address`` is the namespace's own, ``api_server`` is ``host:port`` inside, and ``kubeconfig``
    is the administrator's, which works inside only.
    """

    namespace: str
    gateway: str
    address: str
    api_server: str
    kubeconfig: Path
    pod_directory: Path
    pod_log: Path

    def inside(self, command: Sequence[str | Path]) -> list[str]:
        """Return the command that runs another one inside."""
        return ["ip", "netns", "exec", self.namespace, *map(str, command)]

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Run kubectl inside as the administrator, and return what it prints."""
        command = self.inside(kubectl_command(self.kubeconfig, *arguments))
        environment = kubectl_environment(self.kubeconfig)
        done = subprocess.run(
            command, input=text, env=environment, capture_output=True, text=True, timeout=180
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def hidden_cluster(
    kubernetes_assets: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HiddenCluster]:
    """Run a cluster that only its own programs can reach. Needs root, for the namespace."""
    if os.geteuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("a network namespace needs root", pytrace=False)
        pytest.skip("run the tests as root to have a cluster in a network namespace")
    need_programs(["ip"], ["iproute2"])
    name = f"sekisho-{secrets.token_hex(3)}"
    pair = secrets.randbelow(1 << 14) * 4
    gateway, address = (f"198.19.{(pair + one) >> 8}.{(pair + one) & 255}" for one in (1, 2))
    _ip("netns", "add", name)
    try:
        _connect(name, gateway, address)
        directory = tmp_path_factory.mktemp("hidden")
        with _started(name, directory) as process:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline() or "{}")
            assert ready, "the cluster did not start"
            yield HiddenCluster(
                name,
                gateway,
                address,
                ready["api_server"],
                Path(ready["kubeconfig"]),
                Path(ready["pod_directory"]),
                Path(ready["pod_log"]),
            )
            process.communicate(timeout=120)
    finally:
        _ip("netns", "del", name)


def _connect(name: str, gateway: str, address: str) -> None:
    """Make the pair of interfaces. The namespace has no route to anything else."""
    host, inside = f"sk{name[-6:]}h", f"sk{name[-6:]}c"
    _ip("link", "add", host, "type", "veth", "peer", "name", inside, "netns", name)
    _ip("addr", "add", f"{gateway}/30", "dev", host)
    _ip("link", "set", host, "up")
    _ip("-n", name, "addr", "add", f"{address}/30", "dev", inside)
    for link in (inside, "lo"):
        _ip("-n", name, "link", "set", link, "up")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def _started(name: str, directory: Path) -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "tests.support.hidden_cluster", str(directory)]
    return subprocess.Popen(
        [*die_with_parent(), "/usr/bin/env", "ip", "netns", "exec", name, *program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def _serve(directory: Path) -> None:
    """Run the cluster until standard input ends."""
    assets = pinned_assets()
    async with LocalCluster(directory, assets=assets) as cluster:
        kubelet = FakeKubelet(cluster, directory / "node", assets=assets)
        await kubelet.start()
        try:
            pod = await kubelet.run_pod(POD)
            ready = {
                "api_server": cluster.servers[0].removeprefix("https://"),
                "kubeconfig": str(cluster.admin_kubeconfig),
                "pod_directory": str(pod.directory),
                "pod_log": str(pod.log),
            }
            print(json.dumps(ready), flush=True)
            await asyncio.to_thread(sys.stdin.read)
        finally:
            await kubelet.stop()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
