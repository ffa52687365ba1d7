"""Flux's kustomize-controller in a cluster of its own, and its sources.

The controller is the real one. The source is an archive on a loopback server and a GitRepository
with the status that source-controller writes: source-controller itself needs a module that is not
served. It sends nothing to the clusters to which Flux applies.
"""

import hashlib
import io
import tarfile
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.gitops_cluster import GitopsCluster, gitops_cluster
from tests.support.go_programs import KUSTOMIZE_CONTROLLER, SOURCE_CONTROLLER, built, source
from tests.support.isolation import free_port
from tests.support.waiting import wait_until

NAMESPACE = "flux-system"
CONTROLLER = "kustomize-controller"
SECONDS = 300.0

WHEN = "2026-01-01T00:00:00Z"
"""A time in the status of sources. Flux shows it."""


class Flux:
    """A running kustomize-controller. Kustomizations and their sources have the same name."""

    def __init__(self, cluster: GitopsCluster, files: Path, address: str) -> None:
        self.cluster = cluster
        self._files = files
        self._address = address

    def add_secret(self, name: str, kubeconfig: Path) -> None:
        """Create the Secret with a kubeconfig, as the recipe does."""
        file = f"--from-file=value={kubeconfig}"
        self.cluster.kubectl("create", "secret", "generic", name, file)

    def push(self, name: str, files: Mapping[str, str]) -> str:
        """Publish a revision of a source, and return its name."""
        packed = _archive(files)
        digest = hashlib.sha256(packed).hexdigest()
        (self._files / f"{digest}.tar.gz").write_bytes(packed)
        revision = f"main@sha1:{uuid.uuid4().hex}00000000"
        repository = {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": {"name": name, "namespace": NAMESPACE},
        }
        spec = {"url": "https://git.example.com/shop", "interval": "10m"}
        artifact = {
            "path": f"{digest}.tar.gz",
            "url": f"{self._address}/{digest}.tar.gz",
            "revision": revision,
            "digest": f"sha256:{digest}",
            "size": len(packed),
            "lastUpdateTime": WHEN,
        }
        self.cluster.apply({**repository, "spec": spec})
        self.cluster.apply({**repository, "status": {"artifact": artifact}}, status=True)
        return revision

    def apply(self, name: str, manifest: Mapping[str, Any], **spec: Any) -> None:
        """Apply a Kustomization like ``manifest`` with a name, and changes of its ``spec``."""
        changed = {**manifest["spec"], "sourceRef": {"kind": "GitRepository", "name": name}, **spec}
        metadata = {"name": name, "namespace": NAMESPACE}
        self.cluster.apply({**manifest, "metadata": metadata, "spec": changed})

    def reconcile(self, name: str) -> None:
        """Request a reconciliation, as ``flux reconcile`` does, and wait for its end."""
        asked = uuid.uuid4().hex
        note = f"reconcile.fluxcd.io/requestedAt={asked}"
        self.cluster.kubectl("annotate", "--overwrite", "kustomization", name, note)
        self._wait(lambda: self._status(name).get("lastHandledReconcileAt") == asked, name)

    def await_applied(self, name: str, revision: str) -> None:
        """Wait until a revision is applied, and all that is waited for is healthy."""

        def applied() -> bool:
            done = self._status(name).get("lastAppliedRevision") == revision
            return done and self.ready(name)["status"] == "True"

        self._wait(applied, name)

    def await_failed(self, name: str, *words: str) -> str:
        """Wait until a Kustomization is not ready with all words in its message; return it."""

        def failed() -> bool:
            now = self.ready(name)
            return now["status"] == "False" and all(word in now["message"] for word in words)

        self._wait(failed, name)
        return self.ready(name)["message"]

    def ready(self, name: str) -> dict[str, str]:
        """Return the condition ``Ready`` of a Kustomization."""
        none = {"type": "Ready", "status": "Unknown", "message": ""}
        conditions = self._status(name).get("conditions", [])
        return next((one for one in conditions if one["type"] == "Ready"), none)

    def _status(self, name: str) -> dict[str, Any]:
        status: dict[str, Any] = self.cluster.get("kustomization", name).get("status", {})
        return status

    def _wait(self, condition: Any, name: str) -> None:
        def seen() -> str:
            return f"{self._status(name)}\n{self.cluster.tail(CONTROLLER)}"

        wait_until(condition, SECONDS, seen)


@contextmanager
def running_flux(folder: Path) -> Iterator[Flux]:
    """Run a cluster with the controller, and a server of archives."""
    files = folder / "archives"
    files.mkdir(parents=True)
    program = built(KUSTOMIZE_CONTROLLER, CONTROLLER)
    with ExitStack() as stack:
        cluster = stack.enter_context(gitops_cluster(folder / "cluster", NAMESPACE))
        cluster.define(
            *sorted((source(KUSTOMIZE_CONTROLLER) / "config/crd/bases").iterdir()),
            *sorted((source(SOURCE_CONTROLLER) / "config/crd/bases").iterdir()),
        )
        address = stack.enter_context(_served(files))
        command = [str(program), "--enable-leader-election=false", "--log-level=debug"]
        command += [f"--metrics-addr=127.0.0.1:{free_port()}"]
        command += [f"--health-addr=127.0.0.1:{free_port()}"]
        environment = {"RUNTIME_NAMESPACE": NAMESPACE}
        stack.enter_context(cluster.program(CONTROLLER, command, environment))
        yield Flux(cluster, files, address)


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback, and yield its URL."""
    handler = partial(_QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", free_port()), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


def _archive(files: Mapping[str, str]) -> bytes:
    """Return a compressed archive of text files by path."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()
