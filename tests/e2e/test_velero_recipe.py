"""The recipe for Velero (docs/recipes/velero.md), with its real server and command line.

Backups are kept in a folder by a plug-in of the tests, because object storage is not the subject.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.workers.child_process import die_with_parent
from tests.e2e.kubectl_commands import ok
from tests.support.go_programs import VELERO, VELERO_FOLDER, built, on_request, source
from tests.support.kubernetes import Kubernetes
from tests.support.page_session import ROOT, SERVER, PageSession
from tests.support.sekisho import PASSWORD, free_port, make_sekisho, running
from tests.support.waiting import wait_until

pytestmark = [on_request, pytest.mark.timeout(3600)]

PAGE = ROOT / "docs" / "recipes" / "velero.md"
CONTENT = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: green}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: own}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: readers}]
"""


@pytest.fixture
def velero(kubernetes: Kubernetes, tmp_path: Path) -> Iterator[Path]:
    """Velero's server in the cluster, with a place for backups; returns its command line."""
    admin = kubernetes.admin_kubeconfig
    program = built(VELERO, "velero")
    definitions = source(VELERO) / "config" / "crd"
    folders = [definitions / "v1" / "bases", definitions / "v2alpha1" / "bases"]
    for folder in folders:
        ok(admin, "apply", "--server-side", "-f", folder)
    ok(admin, "create", "namespace", "velero")
    # A restore reads which image the server has.
    image = ("--image", f"velero/velero:{VELERO.version}", "--replicas", "0")
    ok(admin, "-n", "velero", "create", "deployment", "velero", *image)
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    shutil.copy(built(VELERO_FOLDER, "velero-folder"), plugins / "velero-folder")
    place = {
        "apiVersion": "velero.io/v1",
        "kind": "BackupStorageLocation",
        "metadata": {"name": "default", "namespace": "velero"},
        "spec": {
            "provider": "sekisho.test/folder",
            "default": True,
            "config": {"root": str(tmp_path / "store")},
            "objectStorage": {"bucket": "backups"},
        },
    }
    (tmp_path / "store" / "backups").mkdir(parents=True)
    ok(admin, "apply", "-f", "-", input=json.dumps(place))
    process = start_server(program, admin, plugins, tmp_path)
    words = ("-n", "velero", "get", "backupstoragelocation", "default")
    phase = "jsonpath={.status.phase}"
    log = tmp_path / "velero.log"
    try:
        wait_until(
            lambda: ok(admin, *words, "-o", phase) == "Available", 300, lambda: log.read_text()
        )
        yield program
    finally:
        # While the server runs, because it removes finalizers.
        ok(admin, "-n", "velero", "delete", "restores.velero.io", "--all")
        process.terminate()
        process.wait(120)
        ok(admin, "delete", "namespace", "velero")
        for folder in folders:
            ok(admin, "delete", "-f", folder)


def start_server(
    program: Path, admin: Path, plugins: Path, folder: Path
) -> "subprocess.Popen[bytes]":
    command = [str(program), "server", "--kubeconfig", str(admin), "--namespace", "velero"]
    command += ["--plugin-dir", str(plugins), "--metrics-address", f"127.0.0.1:{free_port()}"]
    command += ["--profiler-address", f"127.0.0.1:{free_port()}", "--log-format", "json"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with (folder / "velero.log").open("w") as log:
        return subprocess.Popen(
            [*die_with_parent(), *command], env=environment, cwd=folder, stdout=log, stderr=log
        )


@pytest.fixture
def session(kubernetes: Kubernetes, velero: Path, tmp_path: Path) -> Iterator[PageSession]:
    """An administrator of a cluster with Velero, and a project with content."""
    folder = tmp_path / "sekisho"
    folder.mkdir()
    server = make_sekisho(folder, (free_port(), free_port()))
    admin = str(kubernetes.admin_kubeconfig)
    server.prepare("admin", "cluster", "import", "prod", "--kubeconfig", admin)
    with running(server):
        server.create_user("root", "--admin")
        made = PageSession(server, tmp_path / "people", {"administrator": PASSWORD})
        made.sign_in("administrator", "root")
        made.type_as("administrator", "sekisho project create shop --cluster prod")
        server.create_user("maria")
        made.type_as("administrator", "sekisho member add maria --role member --project shop")
        made.type_as("administrator", "sekisho namespace create shop-web --project shop")
        ok(kubernetes.admin_kubeconfig, "-n", "shop-web", "apply", "-f", "-", input=CONTENT)
        yield made


def test_page_names_the_version_that_is_tried() -> None:
    text = (PAGE.parent / "other-clients.md").read_text()
    assert VELERO.version.removeprefix("v") in text


def test_project_is_backed_up_and_restored(
    session: PageSession,
    kubernetes: Kubernetes,
    velero: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "velero").symlink_to(velero)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    session.follow(PAGE, "The account")
    shutil.copy(session.home(SERVER) / "velero.kubeconfig", session.home("administrator"))
    session.follow(PAGE, "Back up and restore a project")
    admin = kubernetes.admin_kubeconfig
    before = ok(admin, "get", "namespace", "shop-web", "-o", "jsonpath={.metadata.uid}")
    ok(admin, "delete", "namespace", "shop-web", "--wait")
    session.follow(PAGE, "After a loss")
    after = ok(admin, "get", "namespace", "shop-web", "-o", "jsonpath={.metadata.uid}")
    assert after != before
    colour = ("-n", "shop-web", "get", "configmap", "settings", "-o", "jsonpath={.data.colour}")
    assert ok(admin, *colour) == "green"
    bindings = ("-n", "shop-web", "get", "rolebindings", "-o", "name")
    wait_until(lambda: "sekisho:" in ok(admin, *bindings), 300, "the binding of maria")
    assert "rolebinding.rbac.authorization.k8s.io/own" in ok(admin, *bindings)
