"""Definitions of other projects' resources, from their Go modules, in a local cluster.

The chart makes objects of them. Only the definitions are taken: no code of these modules runs.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from proxy.demo.local_cluster import RequestError
from tests.kubernetes.build import environment, find_go
from tests.support.kubernetes import Kubernetes, kubectl
from tests.support.waiting import wait_until

MODULES = {
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        (
            "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        ),
    ),
    "sigs.k8s.io/gateway-api@v1.4.1": (
        "h1:NPxFutNkKNa8UfLd2CMlEuhIPMQgDQ6DXNKG9sHbJU8=",
        (
            "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
            "config/crd/standard/gateway.networking.k8s.io_backendtlspolicies.yaml",
            "config/crd/experimental/gateway.networking.k8s.io_tlsroutes.yaml",
        ),
    ),
    "github.com/cert-manager/cert-manager@v1.21.2": (
        "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=",
        (
            "deploy/crds/cert-manager.io_certificates.yaml",
            "deploy/crds/cert-manager.io_issuers.yaml",
        ),
    ),
    "github.com/external-secrets/external-secrets@v1.3.2": (
        "h1:u2J8RjlHIeF0oZCqtl92adI/uZWUwOesJIDkfql6LqQ=",
        ("config/crds/bases/external-secrets.io_externalsecrets.yaml",),
    ),
}
"""Modules with version, the checksum as in a go.sum, and the files that are used."""

PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definitions() -> Iterator[dict[str, Any]]:
    """Yield the definitions. The modules are downloaded once, into Go's module cache."""
    folders = module_folders({module: checksum for module, (checksum, _) in MODULES.items()})
    for module, (_, files) in MODULES.items():
        for file in files:
            yield yaml.safe_load((folders[module] / file).read_text())


def module_folders(modules: Mapping[str, str]) -> dict[str, Path]:
    """Return the folders of ``path@version`` modules, downloaded if Go's cache lacks them.

    The values of ``modules`` are their checksums, as in a go.sum.
    """
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [find_go(), "mod", "download", "-json", *modules],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    folders: dict[str, Path] = {}
    decoder, rest = json.JSONDecoder(), done.stdout.strip()
    while rest:
        module, end = decoder.raw_decode(rest)
        rest = rest[end:].strip()
        name = f"{module['Path']}@{module['Version']}"
        assert module["Sum"] == modules[name], module
        folders[name] = Path(module["Dir"])
    return folders


def await_definitions(kubeconfig: Path) -> None:
    """Wait until a cluster serves all kinds that are defined in it.

    ``kubectl wait`` fails for a definition whose status has no conditions yet, so it is repeated.
    """
    wait = ("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
    done: list[str] = []

    def served() -> bool:
        ended = kubectl(kubeconfig, *wait)
        done.append(ended.stdout + ended.stderr)
        return ended.returncode == 0

    wait_until(served, 300, lambda: done[-1])


@contextmanager
def installed(
    cluster: Kubernetes, wanted: Iterable[Mapping[str, Any]] | None = None
) -> Iterator[None]:
    """Install definitions into a cluster, and remove them afterwards. Default: the chart's."""
    made: list[str] = []
    try:
        for definition in definitions() if wanted is None else wanted:
            # The API server's own group of protected names needs an approval, which this is.
            created = cluster.call(cluster.request("POST", PATH, definition))
            made.append(created["metadata"]["name"])
        for name in made:
            wait_until(lambda name=name: _established(cluster, name), 60, name)  # type: ignore[misc]
        yield
    finally:
        for name in made:
            cluster.call(cluster.request("DELETE", f"{PATH}/{name}"))
        for name in made:
            wait_until(lambda name=name: _gone(cluster, name), 60, name)  # type: ignore[misc]


def _established(cluster: Kubernetes, name: str) -> bool:
    found = cluster.call(cluster.request("GET", f"{PATH}/{name}"))
    conditions = found.get("status", {}).get("conditions", [])
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def _gone(cluster: Kubernetes, name: str) -> bool:
    try:
        cluster.call(cluster.request("GET", f"{PATH}/{name}"))
    except RequestError as exc:
        return exc.status == 404
    return False
