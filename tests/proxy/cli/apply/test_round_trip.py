"""Tests of apply, diff, export, and prune at a real server with a real cluster."""

import shutil
from pathlib import Path

import pytest

from proxy.cli.apply.documents import Document, Source, parse
from tests.proxy.cli.verbs.conftest import CommandLine
from tests.support.kubernetes import Kubernetes

EXAMPLES = Path(__file__).parents[4] / "docs" / "examples" / "gitops"
QUOTA = "/api/v1/namespaces/storefront-web/resourcequotas/sekisho-project"
GITOPS = ("--prune", "-l", "managed-by=gitops")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of the examples of the docs."""
    copy = tmp_path / "sekisho"
    shutil.copytree(EXAMPLES, copy)
    return copy


def described(text: str) -> set[tuple[object, ...]]:
    """Return what documents describe, for comparisons."""
    return {_described(one) for one in parse([Source("export", text)])}


def _described(one: Document) -> tuple[object, ...]:
    spec = {key: value for key, value in one.spec.items() if value not in ("", {}, [], False)}
    for key in ("provider", "enabled"):  # the export has the shortest name, and every setting
        spec.pop(key, None)
    return (one.kind.name, one.name, str(dict(one.labels)), str(sorted(spec.items())))


def test_applied_examples_are_exported_equal_and_a_second_run_changes_nothing(
    root: CommandLine, repository: Path, kubernetes: Kubernetes
) -> None:
    dry = root.run("apply", "-f", str(repository), "--dry-run").stdout
    assert "project/prod/storefront created (dry run)" in dry
    assert root.run("diff", "-f", str(repository), code=1).stdout.startswith("--- /dev/null")
    first = root.run("apply", "-f", str(repository)).stdout.splitlines()
    assert first == [
        "user/maria created",
        "cluster/prod changed",
        "role/project/deployer created",
        "role/project/release-manager created",
        "project/prod/storefront created",
        "binding/maria/standard-user created",
        "member/prod/github_team://1042/read-only created",
        "member/prod/storefront/maria/release-manager created",
        "member/prod/storefront/github_team://1007/read-only created",
        "8 created, 1 changed",
    ]
    again = root.run("apply", "-f", str(repository)).stdout.splitlines()
    assert again[-1] == "9 unchanged", again
    assert root.run("diff", "-f", str(repository)).stdout == ""
    quota = kubernetes.call(kubernetes.request("GET", QUOTA))
    assert quota["spec"]["hard"]["pods"] == "20"

    exported = root.run("export", "-l", "managed-by=gitops").stdout
    texts = "---\n".join(one.read_text() for one in sorted(repository.rglob("*.yaml")))
    assert described(exported) == described(texts)
    _whole_export_is_unchanged(root)
    _changes_and_prune(root, repository)


def _whole_export_is_unchanged(root: CommandLine) -> None:
    everything = root.run("export").stdout
    assert root.run("export").stdout == everything
    done = root.run("apply", "-f", "-", stdin=everything).stdout.splitlines()
    assert done[-1].endswith(" unchanged")
    assert "," not in done[-1]


def _changes_and_prune(root: CommandLine, repository: Path) -> None:
    file = repository / "projects" / "storefront.yaml"
    text = (
        file.read_text().replace("pods: 40", "pods: 50").replace("    - name: storefront-api\n", "")
    )
    text = text[: text.rindex("---\n")]
    file.write_text(text)
    shown = root.run("diff", "-f", str(repository), *GITOPS, code=1).stdout
    for line in ("-  pods: '40'", "+  pods: '50'", "-  - name: storefront-api", "+++ /dev/null"):
        assert line in shown, shown
    refused = root.fails("apply", "-f", str(repository), *GITOPS, code=2)
    assert "will delete member/prod/storefront/github_team://1007/read-only" in refused
    assert "add --yes" in refused
    done = root.run("apply", "-f", str(repository), *GITOPS, "--yes").stdout.splitlines()
    assert done[-3:] == [
        "member/prod/storefront/maria/release-manager unchanged",
        "member/prod/storefront/github_team://1007/read-only deleted",
        "1 changed, 1 deleted, 7 unchanged",
    ]
    namespaces = root.run("export", "project").stdout
    assert "storefront-web" in namespaces
    assert "storefront-api" not in namespaces
    for one in (
        *repository.glob("projects/*"),
        repository / "roles.yaml",
        repository / "people.yaml",
    ):
        one.unlink()
    kinds = [word for kind in ("User", "Role", "Project") for word in ("--prune-kind", kind)]
    gone = root.run("apply", "-f", str(repository), *GITOPS, *kinds, "--yes")
    assert "user/maria deleted" in gone.stdout
    assert "storefront-web stay in the cluster, in no project" in gone.stderr
    assert "role/project/release-manager deleted\nrole/project/deployer deleted" in gone.stdout
