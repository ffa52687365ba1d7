"""The recipe for Prometheus (docs/recipes/prometheus.md), with the real one."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.demo.fake_kubelet import NODE
from tests.support.isolation import free_port
from tests.support.kubernetes import kubectl
from tests.support.prometheus import running
from tests.support.sekisho import SekishoWithUsers
from tests.support.waiting import wait_until

RECIPE = Path(__file__).parents[2] / "docs" / "recipes" / "prometheus.md"
KUBELET = f"/k8s/clusters/test/api/v1/nodes/{NODE}/proxy"

pytestmark = pytest.mark.timeout(900)


def block(name: str) -> str:
    """Return the file of that name in the recipe."""
    found = re.search(
        rf"<!-- {re.escape(name)} -->\n```yaml\n(.*?)```", RECIPE.read_text(), re.DOTALL
    )
    assert found is not None
    return found[1]


def configuration(port: int) -> dict[str, Any]:
    """Return the recipe's configuration for a server on a port, without service discovery."""
    text = block("prometheus.yml").replace("sekisho.example.com:443", f"127.0.0.1:{port}")
    jobs = yaml.safe_load(text.replace("/clusters/prod/", "/clusters/test/"))["scrape_configs"]
    known = [job for job in jobs if "kubernetes_sd_configs" not in job]
    return {"global": {"scrape_interval": "1s"}, "scrape_configs": known}


@pytest.fixture(scope="module")
def scraper(proxy: SekishoWithUsers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Follow the recipe. Return the folder with its files."""
    folder = tmp_path_factory.mktemp("prometheus")
    proxy.create_user("prometheus")
    root = proxy.token("root")
    role = {
        "name": "metrics-reader",
        "scope": "cluster",
        **yaml.safe_load(block("metrics-reader.yaml")),
    }
    made = proxy.request("POST", "/v1/roles", token=root, body=role)
    assert made.status == 201, made.body
    proxy.change(
        "admin", "cluster", "grant", "test", "--user", "prometheus", "--role", "metrics-reader"
    )
    limits = ("--proxy-read", "--ttl", "90d")
    (folder / "sekisho-token").write_text(proxy.token("prometheus", *limits, "--cluster", "test"))
    (folder / "prod.kubeconfig").write_text(
        proxy.kubeconfig("prometheus", "test", *limits).read_text()
    )
    (folder / "sekisho-ca.crt").write_bytes((proxy.folder / "data" / "tls" / "ca.crt").read_bytes())
    return folder


def test_prometheus_scrapes_the_api_server_through_the_gate(
    proxy: SekishoWithUsers, scraper: Path, prometheus_program: Path
) -> None:
    config = configuration(proxy.port)
    with running(prometheus_program, scraper, config, free_port()) as prometheus:
        wait_until(lambda: bool(prometheus.query("apiserver_request_total")))
        [up] = prometheus.query("up")
        assert up["metric"]["cluster"] == "prod"


def test_service_discovery_lists_nodes_with_the_kubeconfig(scraper: Path) -> None:
    """Debian's Prometheus is built without service discovery, whose requests are these."""
    listed = kubectl(scraper / "prod.kubeconfig", "get", "nodes", "-o", "name")
    assert f"node/{NODE}" in listed.stdout
    assert kubectl(scraper / "prod.kubeconfig", "get", "pods", "-A").returncode != 0


@pytest.mark.parametrize(
    "path", ["/run/default/x/y?cmd=id", "/exec/default/x/y?command=id", "/logs/", "/pods"]
)
def test_token_of_the_recipe_reads_nothing_else_of_a_kubelet(
    proxy: SekishoWithUsers, scraper: Path, path: str
) -> None:
    token = (scraper / "sekisho-token").read_text()
    assert proxy.request("GET", KUBELET + path, token=token).status == 403
    allowed = proxy.request("GET", KUBELET + "/metrics/resource", token=token)
    assert allowed.json()["message"] == "address not allowed", "so the API server answers loopback"
