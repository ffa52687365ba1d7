"""A cluster with two API servers, one of which goes away and comes back."""

import time
from pathlib import Path

from proxy.demo.downstream import Downstream
from tests.parts.kubernetes import Kubernetes
from tests.parts.loop_thread import LoopThread
from tests.parts.sekisho import free_port, make_sekisho

NAMESPACES = "/k8s/clusters/two/api/v1/namespaces"


def test_requests_go_on_while_a_master_is_away(
    tmp_path: Path, kubernetes_assets: object, kubernetes: Kubernetes
) -> None:
    sekisho = make_sekisho(tmp_path, (free_port(), free_port()))
    with LoopThread() as loop:
        (tmp_path / "two").mkdir()
        cluster = Downstream(tmp_path / "two", masters=2, controllers=False)
        loop.call(cluster.__aenter__())
        try:
            servers = [part for url in cluster.servers for part in ("--server", url)]
            config = str(cluster.admin_kubeconfig)
            sekisho.run("cluster", "import", "two", "--kubeconfig", config, *servers)
            sekisho.start()
            sekisho.create_user("root", "--admin")
            token = sekisho.token("root")
            for master in (0, 1):
                assert sekisho.ask("GET", NAMESPACES, token=token).status == 200
                loop.call(cluster.stop_master(master, kill=True))
                # A reader is never told: a connection that broke is replaced by the other master's.
                statuses = [sekisho.ask("GET", NAMESPACES, token=token).status for _ in range(10)]
                assert statuses == [200] * 10
                loop.call(cluster.start_master(master))
            for master in (0, 1):
                loop.call(cluster.stop_master(master, kill=True))
            down = sekisho.ask("GET", NAMESPACES, token=token)
            assert down.status in {502, 503}
            assert down.json()["kind"] == "Status"
            assert 'cluster "two"' in down.json()["message"]
            loop.call(cluster.start_master(0))
            deadline = time.monotonic() + 40
            while sekisho.ask("GET", NAMESPACES, token=token).status != 200:
                assert time.monotonic() < deadline
        finally:
            if sekisho.process is not None:
                sekisho.stop()
            loop.call(cluster.__aexit__(None, None, None))
