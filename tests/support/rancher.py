"""Objects of Rancher on a local cluster, with the definitions of Rancher's own module.

Rancher itself does not run here. Its definitions check the objects that tests create, as they do
on the cluster in which Rancher runs. Rancher 2.10 has no schema for users, their attributes and
clusters, so these take any fields, as there.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from tests.support.custom_resources import installed, module_folders
from tests.support.kubernetes import Kubernetes

MODULE = "github.com/rancher/rancher@v0.0.0-20241119163817-d801b4924311"
"""Of Rancher 2.10. The Go proxy has no versions of the module, but commits."""

CHECKSUM = "h1:1LQW1FxHHNhyPy4wvtM7o/7ZePjnQ6SwEqxV8giytlQ="

FOLDER = "pkg/crds/yaml/generated"
WITH_SCHEMA = (
    "clusterroletemplatebindings",
    "globalrolebindings",
    "globalroles",
    "projectroletemplatebindings",
    "projects",
    "roletemplates",
)
WITHOUT_SCHEMA = {"users": "User", "userattributes": "UserAttribute", "clusters": "Cluster"}
GROUP = "management.cattle.io"

NAMESPACED = {
    "projects": "Project",
    "clusterroletemplatebindings": "ClusterRoleTemplateBinding",
    "projectroletemplatebindings": "ProjectRoleTemplateBinding",
}
CLUSTER_WIDE = {
    **WITHOUT_SCHEMA,
    "globalroles": "GlobalRole",
    "globalrolebindings": "GlobalRoleBinding",
    "roletemplates": "RoleTemplate",
}


def definitions() -> Iterator[dict[str, Any]]:
    """Yield the definitions of the kinds that are moved."""
    folder = module_folders({MODULE: CHECKSUM})[MODULE] / FOLDER
    for plural in WITH_SCHEMA:
        yield yaml.safe_load((folder / f"{GROUP}_{plural}.yaml").read_text())
    for plural, kind in WITHOUT_SCHEMA.items():
        yield _open_definition(plural, kind)


@dataclass(frozen=True)
class Rancher:
    """Creates objects of Rancher in a cluster."""

    cluster: Kubernetes

    def create(self, plural: str, name: str, fields: Mapping[str, Any], place: str = "") -> None:
        """Create an object. ``place`` is its namespace, which is created if it does not exist."""
        self.create_all([(plural, name, fields, place)])

    def create_all(self, objects: list[tuple[str, str, Mapping[str, Any], str]]) -> None:
        """Create many objects, given as the arguments of ``create``."""
        for place in {one[3] for one in objects} - {""}:
            if not self.cluster.call(self.cluster.exists(f"/api/v1/namespaces/{place}")):
                self.cluster.create_namespace(place)
        self.cluster.call(self._create_all(objects))

    async def _create_all(self, objects: list[tuple[str, str, Mapping[str, Any], str]]) -> None:
        gate = asyncio.Semaphore(16)

        async def create(plural: str, name: str, fields: Mapping[str, Any], place: str) -> None:
            manifest = {
                "apiVersion": f"{GROUP}/v3",
                "kind": (CLUSTER_WIDE | NAMESPACED)[plural],
                "metadata": {"name": name},
                **fields,
            }
            within = f"/namespaces/{place}" if place else ""
            async with gate:
                path = f"/apis/{GROUP}/v3{within}/{plural}"
                await self.cluster.request("POST", path, manifest)

        await asyncio.gather(*(create(*one) for one in objects))


@contextmanager
def rancher(cluster: Kubernetes) -> Iterator[Rancher]:
    """Install the definitions, and remove them with all objects afterwards."""
    with installed(cluster, definitions()):
        yield Rancher(cluster)


def _open_definition(plural: str, kind: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Cluster",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
            },
            "versions": [
                {
                    "name": "v3",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }
