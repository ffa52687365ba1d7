"""Tests of the namespaces of projects at a real cluster: adopted, moved, and with quotas."""

import secrets
from collections.abc import Iterator

import pytest

from proxy.cli.apply.documents import Source, parse
from tests.proxy.cli.verbs.conftest import CommandLine
from tests.support.kubernetes import Kubernetes


def a_project(name: str, *namespaces: str, pods: int = 10) -> str:
    """Return a project; a namespace may have a quota: ``web=5``."""
    listed = []
    for one in namespaces:
        namespace, _, quota = one.partition("=")
        asked = f", quota: {{pods: {quota}}}" if quota else ""
        listed.append(f"{{name: {namespace}{asked}}}")
    spec = f"{{cluster: prod, quota: {{pods: {pods}}}, namespaces: [{', '.join(listed)}]}}"
    return f"apiVersion: sekisho.io/v1\nkind: Project\nmetadata: {{name: {name}}}\nspec: {spec}\n"


@pytest.fixture
def unassigned(kubernetes: Kubernetes) -> Iterator[str]:
    """A namespace of the cluster in no project."""
    name = f"adopted-{secrets.token_hex(3)}"
    kubernetes.create_namespace(name)
    yield name
    kubernetes.delete_namespace(name)


def applied(root: CommandLine, *documents: str) -> list[str]:
    return root.run("apply", "-f", "-", stdin="---\n".join(documents)).stdout.splitlines()


def projects(root: CommandLine) -> dict[str, list[str]]:
    """Return the namespaces of each project."""
    found = parse([Source("export", root.run("export", "project").stdout)])
    return {one.name: [inside["name"] for inside in one.spec["namespaces"]] for one in found}


def test_existing_namespace_is_adopted_and_moved_between_projects_of_one_run(
    root: CommandLine, unassigned: str, kubernetes: Kubernetes
) -> None:
    applied(root, a_project("first", f"{unassigned}=3"), a_project("second"))
    assert projects(root)["first"] == [unassigned]
    path = f"/api/v1/namespaces/{unassigned}"
    before = kubernetes.call(kubernetes.request("GET", path))["metadata"]["uid"]
    moved = applied(root, a_project("first"), a_project("second", f"{unassigned}=2"))
    assert moved[-1] == "2 changed"
    found = projects(root)
    assert (found["first"], found["second"]) == ([], [unassigned])
    quota = kubernetes.call(kubernetes.request("GET", f"{path}/resourcequotas/sekisho-project"))
    assert quota["spec"]["hard"]["pods"] == "2"
    assert kubernetes.call(kubernetes.request("GET", path))["metadata"]["uid"] == before
    assert applied(root, a_project("second"))[-1] == "1 changed"
    assert projects(root)["second"] == []


def test_quota_of_a_project_and_of_its_namespaces_shrink_in_one_run(
    root: CommandLine, unassigned: str
) -> None:
    applied(root, a_project("shrinking", f"{unassigned}=8"))
    assert applied(root, a_project("shrinking", f"{unassigned}=2", pods=3))[-1] == "1 changed"
    assert applied(root, a_project("shrinking", f"{unassigned}=2", pods=3))[-1] == "1 unchanged"
    assert applied(root, a_project("shrinking", f"{unassigned}=20", pods=30))[-1] == "1 changed"
    too_much = a_project("shrinking", f"{unassigned}=40", pods=31)
    done = root.run("apply", "-f", "-", stdin=too_much, code=1)
    assert done.stdout.endswith("1 failed\n")
    assert "quota" in done.stderr
    applied(root, a_project("shrinking"))
