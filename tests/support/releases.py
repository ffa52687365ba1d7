"""Earlier releases of Sekisho, whose code is kept, and servers of several releases on one database.

``make release-fixture`` adds the code of HEAD as ``schema-<HEAD of store.schema>.zip``, and keeps
the newest two.
"""

import itertools
import threading
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from store.encryption import generate_key
from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import IMAGES_SETTING, Sekisho, free_port, make_sekisho
from tests.support.waiting import wait_until

PODS = "/k8s/clusters/test/api/v1/namespaces/default/pods"

RATE = 20.0
"""Requests in a second to each server."""

FIRST_WITH_DOWNGRADES = "0021"
"""The schema of the first releases that read which newer schemas they work with."""


@dataclass(frozen=True, slots=True)
class Release:
    """The code of a release, in a file. ``schema`` is its newest migration."""

    schema: str
    file: Path

    def server(self, folder: Path, database: str) -> Sekisho:
        """Return a stopped server of this release on an empty database."""
        code = folder / "release"
        with zipfile.ZipFile(self.file) as packed:
            packed.extractall(code)
        configured = folder / "previous"
        configured.mkdir()
        store = f'store: {{url: "{database}", encryption_keys: ["{generate_key()}"]}}\n'
        made = make_sekisho(configured, (free_port(), free_port()), store)
        if self.schema < FIRST_WITH_DOWNGRADES:  # They do not know the setting.
            made.config.write_text(made.config.read_text().replace(IMAGES_SETTING, ""))
        made.environment = {"PYTHONPATH": str(code), "PYTHONSAFEPATH": "1"}
        return made


RELEASES = [
    Release(file.stem.removeprefix("schema-"), file)
    for file in sorted((Path(__file__).parents[1] / "fixtures" / "releases").glob("schema-*.zip"))
]
"""The kept releases, the oldest first."""


class Load:
    """Reads at a steady rate from a server, in a thread."""

    def __init__(self, server: Sekisho, token: str) -> None:
        self.responses: list[int | str] = []
        self._server = server
        self._token = token
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stopped.set()
        self._thread.join()

    @property
    def failures(self) -> list[int | str]:
        """Return everything but successful responses."""
        return [one for one in self.responses if one != 200]

    def served(self, more: int) -> None:
        """Wait for that many further responses."""
        wanted = len(self.responses) + more
        wait_until(lambda: len(self.responses) >= wanted, 120, "responses")

    def _run(self) -> None:
        for path in itertools.cycle((PODS, "/v1/me", "/v1/clusters")):
            if self._stopped.wait(1 / RATE):
                return
            try:
                found = self._server.request("GET", path, token=self._token)
                self.responses.append(found.status)
            except OSError as exc:
                self.responses.append(repr(exc))


def fill(server: Sekisho, kubernetes: Kubernetes) -> None:
    """Add the cluster ``test``, and alice as its member."""
    kubeconfig = str(kubernetes.admin_kubeconfig)
    server.run("admin", "cluster", "import", "test", "--kubeconfig", kubeconfig)
    server.create_user("alice")
    server.run("admin", "cluster", "grant", "test", "--user", "alice", "--role", "member")


def beside(server: Sekisho, folder: Path) -> Sekisho:
    """Return a stopped server of this version with the same database."""
    folder.mkdir()
    made = replace(
        server,
        folder=folder,
        port=free_port(),
        metrics_port=free_port(),
        environment={},
        process=None,
    )
    text = server.config.read_text()
    for old, new in ((server.port, made.port), (server.metrics_port, made.metrics_port)):
        text = text.replace(f":{old}", f":{new}")
    made.config.write_text(text)
    return made


def stop_if_running(server: Sekisho) -> None:
    """Stop a server that a failed test may have left."""
    if server.process is not None and server.process.poll() is None:
        server.stop()
