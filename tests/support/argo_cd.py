"""Argo CD's application controller and repository server in a cluster of their own.

Both are real, and so is Redis, from Debian. The sources are Git repositories in a folder.
"""

import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support.debian import need_programs
from tests.support.gitops_cluster import GitopsCluster, Object, gitops_cluster
from tests.support.go_programs import ARGO_CD, built, source
from tests.support.isolation import free_port
from tests.support.waiting import wait_until

NAMESPACE = "argocd"
CONTROLLER = "argocd-application-controller"
REPO_SERVER = "argocd-repo-server"
SECONDS = 300.0

LABELS = {"app.kubernetes.io/part-of": "argocd"}
"""Argo CD reads only ConfigMaps and Secrets with this label."""


class ArgoCd:
    """A running Argo CD. Applications and their repositories have the same name."""

    def __init__(self, cluster: GitopsCluster, repositories: Path) -> None:
        self.cluster = cluster
        self._repositories = repositories

    def push(self, name: str, files: Mapping[str, str]) -> str:
        """Replace the files of a repository, and return the commit."""
        folder = self._repositories / name
        if not folder.exists():
            folder.mkdir()
            _git(folder, "init", "--quiet", "--initial-branch=main")
        for file in folder.iterdir():
            if file.is_file():
                file.unlink()
        for path, text in files.items():
            (folder / path).write_text(text)
        _git(folder, "add", "--all")
        _git(folder, "commit", "--quiet", "--allow-empty", f"--message={uuid.uuid4().hex}")
        return _git(folder, "rev-parse", "HEAD").strip()

    def apply(self, name: str, cluster: str, **spec: Any) -> None:
        """Apply an Application that deploys its repository to a registered cluster."""
        described = {
            "project": "default",
            "source": {
                "repoURL": f"file://{self._repositories / name}",
                "targetRevision": "main",
                "path": ".",
            },
            "destination": {"name": cluster, "namespace": "default"},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
            **spec,
        }
        finalizer = "resources-finalizer.argocd.argoproj.io"
        metadata = {"name": name, "namespace": NAMESPACE, "finalizers": [finalizer]}
        self.cluster.apply(_object("argoproj.io/v1alpha1", "Application", metadata, spec=described))

    def refresh(self, name: str) -> None:
        """Have Argo CD look at the repository again, as its webhook does."""
        note = "argocd.argoproj.io/refresh=hard"
        self.cluster.kubectl("annotate", "--overwrite", "application", name, note)

    def await_synced(self, name: str, commit: str) -> None:
        """Wait until a commit is applied and healthy."""

        def synced(status: Object) -> bool:
            sync = status.get("sync", {})
            right = sync.get("status") == "Synced" and sync.get("revision") == commit
            healthy = status.get("health", {}).get("status") == "Healthy"
            return bool(right and healthy)

        self.await_status(name, synced)

    def await_status(self, name: str, wanted: Callable[[Object], bool]) -> Object:
        """Wait until ``wanted`` holds for the status of an Application; return the status."""
        status: Object = {}

        def reached() -> bool:
            nonlocal status
            status = self.cluster.get("application", name).get("status", {})
            return wanted(status)

        wait_until(
            reached,
            SECONDS,
            lambda: f"{status}\n{self.cluster.tail(CONTROLLER)}\n{self.cluster.tail(REPO_SERVER)}",
        )
        return status


@contextmanager
def running_argo_cd(folder: Path) -> Iterator[ArgoCd]:
    """Run a cluster with Argo CD, its Redis, and a folder of repositories."""
    repositories = folder / "repositories"
    repositories.mkdir(parents=True)
    redis = need_programs(("redis-server",), ("redis-server",))["redis-server"]
    with ExitStack() as stack:
        cluster = stack.enter_context(gitops_cluster(folder / "cluster", NAMESPACE))
        crds = source(ARGO_CD) / "manifests/crds"
        cluster.define(*sorted(crds.glob("*-crd.yaml")))
        cluster.apply(*_settings())
        cache, served = free_port(), free_port()
        command = [str(redis), "--port", str(cache), "--bind", "127.0.0.1", "--save", ""]
        stack.enter_context(cluster.program("redis", command, {}))
        for name, arguments in _programs(cache, served).items():
            command = [str(_linked(folder, name)), *arguments]
            stack.enter_context(cluster.program(name, command, _environment(folder)))
        yield ArgoCd(cluster, repositories)


def _programs(cache: int, served: int) -> dict[str, list[str]]:
    """Return the arguments of the programs by name. Their traffic is on loopback, without TLS."""
    redis = f"--redis=127.0.0.1:{cache}"
    return {
        REPO_SERVER: [
            redis,
            "--disable-tls",
            "--client-ca-path=",
            "--address=127.0.0.1",
            f"--port={served}",
            "--metrics-address=127.0.0.1",
            f"--metrics-port={free_port()}",
        ],
        CONTROLLER: [
            redis,
            f"--namespace={NAMESPACE}",
            f"--repo-server=127.0.0.1:{served}",
            "--repo-server-plaintext",
            f"--metrics-port={free_port()}",
            "--self-heal-backoff-timeout-seconds=0",
        ],
    }


def _environment(folder: Path) -> dict[str, str]:
    """Return settings that keep the programs within a folder."""
    names = ("ARGOCD_SSH_DATA_PATH", "ARGOCD_TLS_DATA_PATH", "ARGOCD_APP_CONF_PATH")
    for name in names:
        (folder / name).mkdir(exist_ok=True)
    own = {"ARGOCD_ASK_PASS_SOCK": str(folder / "ask-pass.sock"), "ARGOCD_GPG_ENABLED": "false"}
    path = {"PATH": f"{_script(folder).parent}{os.pathsep}{os.environ['PATH']}"}
    return {name: str(folder / name) for name in names} | own | path


def _script(folder: Path) -> Path:
    """Return the script that the repository server runs for each commit, from the module."""
    name = "git-verify-wrapper.sh"
    script = folder / "scripts" / name
    script.parent.mkdir(exist_ok=True)
    script.write_text((source(ARGO_CD) / "hack" / name).read_text())
    script.chmod(0o755)
    return script


def _linked(folder: Path, name: str) -> Path:
    """Return the program under the name that selects what it does."""
    link = folder / name
    link.symlink_to(built(ARGO_CD, "argo-cd"))
    return link


def _settings() -> list[Object]:
    """Return the objects without which Argo CD does not start, and the setting of the recipe."""
    secret = {"name": "argocd-secret", "namespace": NAMESPACE, "labels": LABELS}
    everything = {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}
    kinds = [{"group": "*", "kind": "*"}]
    project = {"name": "default", "namespace": NAMESPACE}
    return [
        _config_map({"cluster.inClusterEnabled": "false", "resource.respectRBAC": "normal"}),
        _object("v1", "Secret", secret, stringData={"server.secretkey": uuid.uuid4().hex}),
        _object(
            "argoproj.io/v1alpha1",
            "AppProject",
            project,
            spec={**everything, "clusterResourceWhitelist": kinds},
        ),
    ]


def _config_map(data: Mapping[str, str]) -> Object:
    metadata = {"name": "argocd-cm", "namespace": NAMESPACE, "labels": LABELS}
    return _object("v1", "ConfigMap", metadata, data=dict(data))


def _object(version: str, kind: str, metadata: Mapping[str, Any], **rest: Any) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": dict(metadata), **rest}


def _git(folder: Path, *arguments: str) -> str:
    """Run Git in a repository, as an author without settings of the machine."""
    author = {"GIT_AUTHOR_NAME": "shop", "GIT_AUTHOR_EMAIL": "shop@example.com"}
    author |= {key.replace("AUTHOR", "COMMITTER"): value for key, value in author.items()}
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, **author}
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=os.environ | own,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def cluster_secret(manifest: Object, server: str, token: str, authority: str) -> Object:
    """Return the Secret that a page shows, with a real address, token, and CA (base64)."""
    config = json.loads(manifest["stringData"]["config"])
    config |= {"bearerToken": token, "tlsClientConfig": {"caData": authority}}
    data = {**manifest["stringData"], "server": server, "config": json.dumps(config)}
    return {**manifest, "stringData": data}
