"""A cluster of kubeadm in memory, by hand: ``.venv/bin/pytest -s tests/e2e/kubeadm_by_hand.py``.

It prints what Sekisho shows of a real kubeadm control plane, which docs/decisions/0065 quotes. The
managers are built before, which takes ten minutes. Sekisho cannot import the created API server, so
the order stays in ``importing``. The sentences of an imported cluster are printed beside.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from management.provisioning.observed import observed_cluster, observed_machine, observed_pool
from management.provisioning.progress import updating
from proxy.demo.binaries import Binaries
from tests.e2e.ordering import world as world
from tests.proxy.cli.verbs.conftest import CommandLine, World
from tests.proxy.cli.verbs.conftest import alice as alice
from tests.support.capi.kubeadm_cluster import CLASS, KubeadmCluster, build_managers
from tests.support.loop_thread import LoopThread
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(3600)

FIRST, SECOND = "v1.35.0", "v1.36.0"
SECONDS = 480.0
NAME = "mem"


@pytest.fixture(scope="module")
def management_cluster(
    kubernetes_assets: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KubeadmCluster]:
    """The management cluster with kubeadm's managers."""
    build_managers()
    with LoopThread() as loop:
        cluster = KubeadmCluster(tmp_path_factory.mktemp("capi"), loop, kubernetes_assets)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


class Watcher:
    """Prints each sentence about the cluster once, with the seconds since the present act."""

    def __init__(self, alice: CommandLine, management: KubeadmCluster) -> None:
        self._alice = alice
        self._management = management
        self._begin = time.monotonic()
        self._last = ("", "")

    def act(self, *words: str) -> None:
        """Run a command, and count from now."""
        self._begin = time.monotonic()
        print(f"$ sekisho {' '.join(words)}")
        print(self._alice.run(*words).stdout, end="")

    def until(self, done: Callable[[], bool], what: str) -> None:
        """Print sentences until a condition holds."""

        def looked() -> bool:
            self._look()
            return done()

        wait_until(looked, SECONDS, lambda: f"{what}: {self._last} {self.machines()}")
        print(f"{self._passed()}  {what}")

    def machines(self) -> list[dict[str, Any]]:
        """Return the machines as Sekisho lists them."""
        listed: list[dict[str, Any]] = self._alice.json("cluster", "machines", NAME)
        return listed

    def ready(self, count: int, version: str) -> bool:
        """Return whether there are that many machines, all ready and of that version."""
        found = [one for one in self.machines() if one["ready"] and one["version"] == version]
        return len(found) == len(self.machines()) == count and not self.progress()

    def gone(self) -> bool:
        """Return whether no cluster is listed."""
        return bool(self._alice.json("clusters") == [])

    def progress(self) -> str:
        """Return what Sekisho would say of the cluster if it were imported."""
        found = self._management.cluster(NAME)
        if found is None:
            return "no Cluster"
        return updating(
            observed_cluster(found),
            [observed_pool(one) for one in self._items("machinedeployments")],
            [observed_machine(one) for one in self._items("machines")],
            datetime.now(UTC),
        )

    def _items(self, kind: str) -> list[dict[str, Any]]:
        path = f"/apis/cluster.x-k8s.io/v1beta2/namespaces/{self._management.namespace}/{kind}"
        items: list[dict[str, Any]] = self._management.request("GET", path)["items"]
        return items

    def _look(self) -> None:
        listed = self._alice.json("clusters")
        order = listed[0]["provision"] if listed else {"state": "gone", "message": ""}
        seen = (f"{order['state']}: {order['message']}", self.progress())
        for shown, before, label in zip(seen, self._last, ("", "as imported: "), strict=True):
            if shown != before:
                print(f"{self._passed()}  {label}{shown or 'no change is under way'}")
        self._last = seen

    def _passed(self) -> str:
        return f"{time.monotonic() - self._begin:6.1f} s"


def test_order_of_a_kubeadm_cluster_is_followed_scaled_upgraded_and_deleted(
    world: World, alice: CommandLine, management_cluster: KubeadmCluster
) -> None:
    watcher = Watcher(alice, management_cluster)
    order = ("--class", CLASS, "--version", FIRST, "--workers", "2", "--control-plane", "1")
    watcher.act("cluster", "provision", NAME, *order)
    watcher.until(lambda: watcher.ready(3, FIRST), "three machines are ready")
    watcher.act("cluster", "scale", NAME, "workers", "3")
    watcher.until(lambda: watcher.ready(4, FIRST), "four machines are ready")
    watcher.act("cluster", "upgrade", NAME, SECOND)
    watcher.until(lambda: watcher.ready(4, SECOND), f"four machines have {SECOND}")
    print(alice.run("cluster", "machines", NAME).stdout)
    print(alice.run("cluster", "show", NAME).stdout)
    watcher.act("cluster", "remove", NAME, "--infrastructure", "delete", "--yes")
    watcher.until(watcher.gone, "the cluster is gone")
    assert management_cluster.leftovers() == []
