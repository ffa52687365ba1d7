"""``sekisho cluster remove``: what is pending, and what is left in the cluster."""

from tests.proxy.cli.verbs.conftest import CommandLine


def test_removal_of_a_cluster_says_what_is_pending_and_what_is_left(root: CommandLine) -> None:
    pending = root.run("cluster", "remove", "test", "--yes").stdout
    assert "is being removed: the cluster does not respond" in pending
    removed = root.run("cluster", "remove", "test", "--yes", "--keep-cluster-objects")
    assert removed.stdout.startswith("removed cluster test")
    assert "Sekisho's objects are left in the cluster" in removed.stderr
    assert "sekisho-system" in removed.stderr
    assert root.run("clusters", "-o", "name").stdout.split() == ["cluster/prod"]
