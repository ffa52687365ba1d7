"""Management clusters as documents: apply, diff, and export with the real engine."""

from pathlib import Path

import pytest

from tests.e2e.ordering import world as world
from tests.proxy.cli.verbs.conftest import CommandLine, World
from tests.proxy.cli.verbs.conftest import alice as alice
from tests.proxy.cli.verbs.conftest import root as root

pytestmark = pytest.mark.timeout(900)

HEAD = "apiVersion: sekisho.io/v1\nkind: "
SETTINGS = f"""{HEAD}ManagementCluster
metadata: {{name: mgmt}}
spec:
  namespace: sekisho-clusters
  classes:
    - {{name: standin, roles: [buyer], clusters: 2}}
  limits: {{workersPerCluster: 5}}
---
{HEAD}Role
metadata: {{name: buyer, labels: {{managed-by: gitops}}}}
spec: {{scope: global, permissions: [clusters.provision]}}
"""
SHOW = ("cluster", "management", "show", "mgmt")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "management.yaml"
    path.write_text(SETTINGS)
    return path


def test_settings_are_applied_exported_and_never_pruned(
    world: World, root: CommandLine, alice: CommandLine, file: Path
) -> None:
    exported = root.run("export", "managementcluster").stdout
    assert "namespace: sekisho-clusters" in exported
    assert root.run("diff", "-f", "-", stdin=exported).stdout == ""

    dry = root.run("apply", "-f", str(file), "--dry-run").stdout
    assert "managementcluster/mgmt changed (dry run)" in dry
    assert root.json(*SHOW)["limits"]["workers_per_cluster"] is None
    assert "+  workersPerCluster: 5" in root.run("diff", "-f", str(file), code=1).stdout
    done = root.run("apply", "-f", str(file)).stdout.splitlines()
    assert done == [
        "role/global/buyer created",
        "managementcluster/mgmt changed",
        "1 created, 1 changed",
    ]
    assert "standin=buyer (at most 2)" in root.run(*SHOW).stdout
    assert root.json(*SHOW)["limits"]["workers_per_cluster"] == 5
    assert root.run("apply", "-f", str(file)).stdout.endswith("2 unchanged\n")

    everything = root.run("export").stdout
    assert "kind: ManagementCluster" in everything
    again = root.run("apply", "-f", "-", stdin=everything).stdout.splitlines()[-1]
    assert again.endswith(" unchanged")
    assert "," not in again

    # The settings have no labels, so that no --prune finds them, whatever its selector is.
    prune = ("--prune", "-l", "!managed-by", "--prune-kind", "ManagementCluster", "--yes")
    role = SETTINGS.partition("---\n")[2]
    assert "ManagementCluster" in root.fails("apply", "-f", "-", *prune, stdin=role, code=2)
    root.run("apply", "-f", "-", "--prune", "-l", "managed-by", "--yes", stdin=role)
    assert root.json(*SHOW)["limits"]["workers_per_cluster"] == 5

    assert alice.run("export", "managementcluster").stdout == ""
    refused = alice.fails("apply", "-f", "-", stdin=SETTINGS.partition("---\n")[0])
    assert 'cluster "mgmt" not found, or you may not enter it' in refused


def test_cluster_becomes_a_management_cluster_by_a_document(
    world: World, root: CommandLine, file: Path
) -> None:
    root.run("cluster", "management", "disable", "mgmt", "--yes")
    assert "kind: ManagementCluster" not in root.run("export").stdout
    assert "managementcluster/mgmt created" in root.run("apply", "-f", str(file)).stdout
    assert root.json(*SHOW)["namespace"] == "sekisho-clusters"
    wrong = SETTINGS.replace("sekisho-clusters", "kube-system")
    failed = root.run("apply", "-f", "-", stdin=wrong, code=1)
    assert "managementcluster/mgmt failed" in failed.stdout
    assert root.json(*SHOW)["namespace"] == "sekisho-clusters"
