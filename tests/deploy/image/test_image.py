"""The image is built for real, and its root is started. With ``make image-test`` only: minutes.

CI runs that as its last step. The base is made by debootstrap, because the tests may reach no
registry. See :mod:`tests.support.image_base`.
"""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.built_image import REGISTRY, VARIABLE
from tests.support.image_container import ImageContainer
from tests.support.isolation import free_port
from tests.support.kubernetes import Kubernetes, kubectl
from tests.support.sekisho import PASSWORD
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[3]
HOUR = 3600

MOST_OWN_BYTES = 130 * 1024**2
"""What Sekisho may add to a base. The slim one has 120 MB, and the image may have 250."""

pytestmark = [
    pytest.mark.skipif(not os.environ.get(VARIABLE), reason="run: make image-test"),
    pytest.mark.timeout(HOUR),
]


@pytest.fixture(scope="module")
def container(built_image: tuple[str, Path]) -> Iterator[ImageContainer]:
    # Not in pytest's folder, which only this user may enter.
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        mounted = ImageContainer(built_image[0], Path(name) / "volume")
        yield mounted
        mounted.close()


@pytest.fixture(scope="module")
def server(container: ImageContainer) -> Iterator[tuple[int, int]]:
    """Serve in the container; yield its process id and its port."""
    port = free_port()
    environment = {
        "SEKISHO_SERVER__LISTEN": f"127.0.0.1:{port}",
        "SEKISHO_METRICS__LISTEN": f"127.0.0.1:{free_port()}",
        "SEKISHO_CLUSTERS__ALLOW_NETWORKS": '["127.0.0.0/8"]',
    }
    entry = [*container.config["Entrypoint"], *container.config["Cmd"]]
    [check] = [container.config["Healthcheck"]["Test"][1:]]

    def is_healthy() -> bool:
        assert process.poll() is None
        command = container.command(*check, **environment)
        return subprocess.run(command, check=False).returncode == 0

    process = subprocess.Popen(container.command(*entry, **environment))
    try:
        wait_until(is_healthy, 300, "a passing health check")
        yield process.pid, port
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    finally:
        process.kill()
        process.wait()


def test_image_runs_as_a_user_and_knows_its_own_name(
    built_image: tuple[str, Path], container: ImageContainer
) -> None:
    assert container.config["User"] == "10001"
    assert container.config["Volumes"] == {"/var/lib/sekisho": {}}
    assert built_image[0] == container.environment["SEKISHO_IMAGES__AGENT"]
    assert built_image[0].startswith(f"{REGISTRY}/sekisho:")


def test_version_shows_commit_and_build_time(container: ImageContainer) -> None:
    shown = json.loads(container.run("sekisho", "version", "-o", "json"))
    git = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    head = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    assert shown["commit"].removesuffix("-dirty") == head
    assert shown["built"].endswith("Z")


def test_image_has_no_compiler_and_installs_nothing(container: ImageContainer) -> None:
    folders = [container.root / folder.lstrip("/") for folder in ("/opt/sekisho/bin", "/usr/bin")]
    programs = {file.name for folder in folders for file in folder.iterdir()}
    assert programs & {"gcc", "cc", "c++", "as", "ld", "make", "pip", "pip3", "uv"} == set()


def test_request_path_is_compiled(container: ImageContainer) -> None:
    code = "import proxy.fastpath.handler as one; print(one.__file__)"
    assert container.run("python", "-c", code).strip().endswith(".so")


def test_sekisho_adds_little_to_its_base(container: ImageContainer) -> None:
    files = [*(container.root / "opt").rglob("*"), *container.root.glob("usr/lib/*/libjemalloc*")]
    assert sum(file.lstat().st_size for file in files) < MOST_OWN_BYTES


def test_documents_name_packages_and_origin(
    built_image: tuple[str, Path], container: ImageContainer
) -> None:
    bill = json.loads((built_image[1] / "sekisho-image.cdx.json").read_text())
    names = {one["name"] for one in bill["components"]}
    assert {"aiohttp", "cryptography", "libc6", "libjemalloc2"} <= names
    assert names & {"gcc", "mypy", "pytest"} == set()
    origin = json.loads((built_image[1] / "sekisho-image.provenance.json").read_text())
    digest = container.digest.removeprefix("sha256:")
    assert origin["subject"] == [{"name": built_image[0], "digest": {"sha256": digest}}]


def test_server_uses_jemalloc_and_no_capability(server: tuple[int, int]) -> None:
    process = Path("/proc", str(server[0]))
    assert "libjemalloc.so.2" in (process / "maps").read_text()
    status = (process / "status").read_text()
    assert "Uid:\t10001\t10001\t10001\t10001" in status
    assert "CapEff:\t0000000000000000" in status
    assert "CapBnd:\t0000000000000000" in status


def test_server_of_the_image_serves_kubectl(
    server: tuple[int, int], container: ImageContainer, kubernetes: Kubernetes, tmp_path: Path
) -> None:
    def admin(*words: str, stdin: str | None = None) -> str:
        allowed = '["127.0.0.0/8"]'
        environment = {"SEKISHO_CLUSTERS__ALLOW_NETWORKS": allowed}
        return container.run("sekisho", "admin", *words, stdin=stdin, **environment)

    # Readable inside, as after `docker cp`.
    (container.volume / "given").write_bytes(kubernetes.admin_kubeconfig.read_bytes())
    admin("cluster", "import", "test", "--kubeconfig", "/var/lib/sekisho/given")
    admin("user", "create", "alice", "--password-stdin", stdin=f"{PASSWORD}\n")
    admin("cluster", "grant", "test", "--user", "alice", "--role", "owner")
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(admin("kubeconfig", "test", "--user", "alice"))
    at = f"--server=https://127.0.0.1:{server[1]}/k8s/clusters/test"
    read = ("get", "namespace", "default", "-o", "name", at)
    wait_until(
        lambda: kubectl(kubeconfig, *read).stdout == "namespace/default\n",
        120,
        lambda: kubectl(kubeconfig, *read).stderr,
    )
