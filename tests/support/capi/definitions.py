"""Cluster API's own definitions and webhooks, from its Go module, for a core manager on loopback.

Its manifests expect the manager to be a Service. Only the addresses of the webhooks are replaced.
"""

import base64
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.kubernetes.build import MODULE, environment, find_go

MODULE_FILE = "core-manager.mod"
CLUSTER_API = "sigs.k8s.io/cluster-api"
PROVIDERS = "sigs.k8s.io/cluster-api/test"
"""The module with the Docker provider's definitions."""

Object = dict[str, Any]


def module_folder(name: str = CLUSTER_API) -> Path:
    """Return the folder of a module that ``core-manager.mod`` pins. It is downloaded if missing."""
    done = subprocess.run(
        [find_go(), "mod", "download", f"-modfile={MODULE_FILE}", "-json", name],
        cwd=MODULE,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(json.loads(done.stdout)["Dir"])


@dataclass(frozen=True, slots=True)
class Part:
    """A manager of Cluster API: its program, and where its module has its ``config``."""

    program: str
    folder: str
    module: str = CLUSTER_API

    @property
    def config(self) -> Path:
        """The folder with its definitions and webhooks."""
        return module_folder(self.module) / self.folder / "config"


CORE = Part("core-manager", "core")


def definitions(webhooks: str, authority: bytes, part: Part = CORE) -> Iterator[Object]:
    """Yield the custom resources, whose other versions are converted at the URL ``webhooks``."""
    for file in sorted((part.config / "crd/bases").glob("*.yaml")):
        # The loader in C takes 0.5 s for all files, and the other one 3.4 s.
        one: Object = yaml.load(file.read_text(), yaml.CSafeLoader)
        one["spec"]["conversion"] = {
            "strategy": "Webhook",
            "webhook": {
                "conversionReviewVersions": ["v1"],
                "clientConfig": _client(f"{webhooks}/convert", authority),
            },
        }
        if part is not CORE:  # the release of a provider has this label
            one["metadata"].setdefault("labels", {})["cluster.x-k8s.io/v1beta2"] = "v1beta2"
        yield one


def webhook_configurations(webhooks: str, authority: bytes, part: Part = CORE) -> Iterator[Object]:
    """Yield the configurations of defaulting and validation, at the URL ``webhooks``."""
    manifests = part.config / "webhook/manifests.yaml"
    for one in yaml.safe_load_all(manifests.read_text()):
        for webhook in one["webhooks"]:
            path = webhook["clientConfig"]["service"]["path"]
            webhook["clientConfig"] = _client(webhooks + path, authority)
        prefix = "capi" if part is CORE else part.program
        one["metadata"]["name"] = f"{prefix}-{one['metadata']['name']}"
        yield one


def _client(url: str, authority: bytes) -> Object:
    return {"url": url, "caBundle": base64.b64encode(authority).decode()}
