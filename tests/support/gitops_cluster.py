"""A cluster in which programs run that manage other clusters: Flux and Argo CD.

It is apart from the session's cluster, so that all that they do there passes Sekisho.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from proxy.demo.local_cluster import LocalCluster
from proxy.workers.child_process import die_with_parent
from tests.support.custom_resources import await_definitions
from tests.support.kubernetes import kubectl, pinned_assets
from tests.support.log_lines import audit_events
from tests.support.loop_thread import LoopThread
from tests.support.sekisho import Sekisho

Object = dict[str, Any]

TAIL_CHARACTERS = 6_000
"""How much of a program's log a failure shows."""


class GitopsCluster:
    """The cluster, with one namespace for the programs, and their logs in ``folder``."""

    def __init__(self, folder: Path, local: LocalCluster, namespace: str) -> None:
        self.folder = folder
        self.namespace = namespace
        self._local = local

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self._local.admin_kubeconfig

    def kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002
        """Run kubectl in the namespace as the administrator, and return what it prints."""
        done = kubectl(self.kubeconfig, f"--namespace={self.namespace}", *arguments, input=input)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def apply(self, *objects: Object, status: bool = False) -> None:
        """Apply objects on the server's side, or the ``status`` of them."""
        documents = "\n---\n".join(json.dumps(one) for one in objects)
        part = ["--subresource=status"] if status else []
        self.kubectl(
            "apply", "--server-side", "--force-conflicts", *part, "-f", "-", input=documents
        )

    def define(self, *files: Path) -> None:
        """Create the definitions of files, and wait until they can be used."""
        for file in files:
            self.kubectl("apply", "--server-side", "-f", str(file))
        await_definitions(self.kubeconfig)

    def get(self, kind: str, name: str) -> Object:
        """Return an object of the namespace."""
        found: Object = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    @contextmanager
    def program(
        self, name: str, command: Sequence[str], environment: Mapping[str, str]
    ) -> Iterator[None]:
        """Run a program until the block ends, with a home of its own and its log in the folder."""
        home = self.folder / f"{name}-home"
        home.mkdir()
        kept = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home)}
        own = {"KUBECONFIG": str(self.kubeconfig), **environment}
        with (
            self.log(name).open("w") as log,
            subprocess.Popen(
                [*die_with_parent(), *command],
                stdout=log,
                stderr=log,
                env={**kept, **own},
                cwd=home,
            ) as process,
        ):
            try:
                yield
            finally:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()

    def log(self, name: str) -> Path:
        """Return the log of a program."""
        return self.folder / f"{name}.log"

    def tail(self, name: str) -> str:
        """Return the end of a program's log."""
        return self.log(name).read_text()[-TAIL_CHARACTERS:]


@contextmanager
def gitops_cluster(folder: Path, namespace: str) -> Iterator[GitopsCluster]:
    """Run a cluster with a namespace. It has no controllers, which the programs do not need."""
    with LoopThread() as loop:
        local = LocalCluster(folder, controllers=False, assets=pinned_assets())
        loop.call(local.__aenter__())
        try:
            cluster = GitopsCluster(folder, local, namespace)
            space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            cluster.apply(space)
            yield cluster
        finally:
            loop.call(local.__aexit__(None, None, None))


def manifest_of(page: Path, kind: str) -> Object:
    """Return the object of a kind that a page of the documentation shows."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    found: list[Object] = [one for text in blocks for one in yaml.safe_load_all(text)]
    [manifest] = [one for one in found if one.get("kind") == kind]
    return manifest


def config_map(name: str, namespace: str) -> str:
    """Return the manifest of a ConfigMap, as JSON."""
    metadata = {"name": name, "namespace": namespace}
    one = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": "1"}}
    return json.dumps(one)


def requests_of(server: Sekisho, user: str) -> list[Object]:
    """Return a user's requests to clusters, and others, from the audit log."""
    return [
        one
        for one in audit_events(server)
        if one["user"].get("extra", {}).get("username") == [user]
    ]
