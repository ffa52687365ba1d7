"""``sekisho workload`` with tokens that are limited to clusters or projects."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.admin.database import offline_store
from tests.e2e.test_workload_token_scopes import limited
from tests.e2e.test_workload_token_scopes import project as project
from tests.management.workload_changes.manifests import CONFIG_MAP, a_manifest
from tests.proxy.cli.test_completion import complete
from tests.proxy.cli.verbs.conftest import CommandLine
from tests.store.records import a_cluster
from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import SekishoWithUsers
from tests.support.workload_objects import create_web

WEB = "deployment/web"


@dataclass(frozen=True)
class Pipeline:
    """Command lines with tokens of alice, who may enter two clusters."""

    proxy: SekishoWithUsers
    folder: Path

    def line(self, **scope: Any) -> CommandLine:
        """Return a command line with a token of that scope."""
        environment = {
            "SEKISHO_SERVER": self.proxy.url,
            "SEKISHO_TOKEN": limited(self.proxy, **scope),
            "SEKISHO_CA_FILE": str(self.proxy.folder / "data" / "tls" / "ca.crt"),
        }
        return CommandLine(self.proxy, self.folder, environment)


@pytest.fixture(scope="module")
def elsewhere(proxy: SekishoWithUsers) -> Iterator[str]:
    """Another cluster of alice, which doesn't respond."""
    asyncio.run(_add_cluster(proxy, "elsewhere"))
    proxy.change("admin", "cluster", "grant", "elsewhere", "--user", "alice", "--role", "owner")
    yield "elsewhere"
    path = "/v1/clusters/elsewhere?keep_cluster_objects=true"
    removed = proxy.request("DELETE", path, token=proxy.token("root"))
    assert removed.status == 200, removed.body


async def _add_cluster(proxy: SekishoWithUsers, name: str) -> None:
    async with offline_store(str(proxy.config)) as (_, store):
        await store.clusters.create(a_cluster(name))


@pytest.fixture
def pipeline(proxy: SekishoWithUsers, elsewhere: str, tmp_path: Path) -> Pipeline:
    return Pipeline(proxy, tmp_path)


def test_only_cluster_of_a_token_needs_no_option(
    pipeline: Pipeline, kubernetes: Kubernetes, namespace: str
) -> None:
    create_web(kubernetes, namespace)
    inside = ("-n", namespace)
    assert "name the cluster" in pipeline.line().fails("workload", "list", *inside)
    for scope in ({}, {"read_only": True}, {"proxy_read": True}):
        line = pipeline.line(clusters=["test"], **scope)
        [web] = line.json("workload", "list", *inside, "--kind", "deployment")
        assert web["name"] == "web"
        assert line.json("workload", "show", WEB, *inside)["name"] == "web"
        assert complete(line, f"sekisho workload show -n {namespace} dep") == [WEB]
        assert complete(line, "sekisho workload list --cluster ") == ["test"]
    line = pipeline.line(clusters=["test"])
    manifest = a_manifest(CONFIG_MAP, namespace=namespace)
    assert "1 changed" in line.run("workload", "apply", "-f", "-", stdin=manifest).stdout


def test_token_for_several_clusters_names_them(pipeline: Pipeline) -> None:
    line = pipeline.line(clusters=["test", "elsewhere"])
    assert "--cluster with one of elsewhere, test" in line.fails("workload", "list")
    assert complete(line, "sekisho workload list --cluster ") == ["elsewhere", "test"]
    assert "cluster elsewhere, cluster test" in line.run("whoami").stdout


def test_token_for_a_project_lists_its_workloads(
    pipeline: Pipeline, kubernetes: Kubernetes, namespace: str, project: str
) -> None:
    create_web(kubernetes, namespace)
    line = pipeline.line(projects=[project])
    name = f"project-{namespace}"
    for options in ((), ("--project", name), ("--project", f"test/{name}"), ("--project", project)):
        [web] = line.json("workload", "list", *options, "--kind", "deployment")
        assert web["namespace"] == namespace
    assert "not found" in line.fails("workload", "list", "--project", "other")
    assert complete(line, "sekisho workload list --project ") == [name]
    assert f"project test/{name}" in line.run("whoami").stdout
    reach = line.json("whoami")["token_reach"]
    assert [one["name"] for one in reach["clusters"]] == ["test"]


def test_commands_beyond_workloads_are_refused_with_the_remedy(pipeline: Pipeline) -> None:
    line = pipeline.line(clusters=["test"])
    for words in (("clusters",), ("project", "list"), ("who-can", "get", "pods"), ("audit",)):
        refused = line.fails(*words)
        assert "its clusters only" in refused
        assert "use one without clusters and projects" in refused
        assert refused.count("\n") == 1
    unlimited = pipeline.line()
    assert unlimited.json("whoami")["token_reach"] is None
    assert "everything" in unlimited.run("whoami").stdout
