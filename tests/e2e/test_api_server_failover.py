"""A cluster with two API servers, one of which stops and starts again."""

from pathlib import Path

from proxy.demo.local_cluster import LocalCluster
from tests.support.kubernetes import Kubernetes
from tests.support.loop_thread import LoopThread
from tests.support.sekisho import free_port, make_sekisho
from tests.support.waiting import wait_until

NAMESPACES = "/k8s/clusters/two/api/v1/namespaces"


def test_requests_while_one_api_server_is_down_succeed(
    tmp_path: Path, kubernetes_assets: object, kubernetes: Kubernetes
) -> None:
    sekisho = make_sekisho(tmp_path, (free_port(), free_port()))
    with LoopThread() as loop:
        (tmp_path / "two").mkdir()
        cluster = LocalCluster(tmp_path / "two", api_servers=2, controllers=False)
        loop.call(cluster.__aenter__())
        try:
            servers = [part for url in cluster.servers for part in ("--server", url)]
            config = str(cluster.admin_kubeconfig)
            sekisho.change("admin", "cluster", "import", "two", "--kubeconfig", config, *servers)
            sekisho.start()
            sekisho.create_user("root", "--admin")
            token = sekisho.token("root")
            for number in (0, 1):
                assert sekisho.request("GET", NAMESPACES, token=token).status == 200
                loop.call(cluster.stop_api_server(number, kill=True))
                # A read never fails: Sekisho repeats it on a connection to the other API server.
                statuses = [
                    sekisho.request("GET", NAMESPACES, token=token).status for _ in range(10)
                ]
                assert statuses == [200] * 10
                loop.call(cluster.start_api_server(number))
            for number in (0, 1):
                loop.call(cluster.stop_api_server(number, kill=True))
            down = sekisho.request("GET", NAMESPACES, token=token)
            assert down.status in {502, 503}
            assert down.json()["kind"] == "Status"
            assert 'cluster "two"' in down.json()["message"]
            loop.call(cluster.start_api_server(0))
            wait_until(lambda: sekisho.request("GET", NAMESPACES, token=token).status == 200)
        finally:
            if sekisho.process is not None:
                sekisho.stop()
            loop.call(cluster.__aexit__(None, None, None))
