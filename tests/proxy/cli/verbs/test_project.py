"""Names of projects, which are unique in a cluster only."""

from tests.proxy.cli.verbs.conftest import CommandLine


def test_ambiguous_project_lists_the_candidates(root: CommandLine, alice: CommandLine) -> None:
    ids = {
        cluster: root.json("project", "create", "twin", "--cluster", cluster)["id"]
        for cluster in ("prod", "test")
    }
    refused = root.fails("project", "show", "twin")
    assert "several projects" in refused
    assert f"prod/twin ({ids['prod']})" in refused
    assert f"test/twin ({ids['test']})" in refused
    assert root.json("project", "show", "test/twin")["id"] == ids["test"]
    assert root.json("project", "show", ids["test"])["id"] == ids["test"]
    assert alice.json("project", "show", "twin")["id"] == ids["prod"]
    members = root.json("member", "list", "--project", "twin", "--cluster", "test")
    assert members == []
    assert '"prod/nope" not found' in root.fails("project", "show", "prod/nope")
    assert '"my shop" not found' in root.fails("project", "show", "my shop")
    root.run("project", "create", "my shop", "--cluster", "prod")
    assert root.run("project", "show", "my shop", "-o", "name").stdout == "project/my shop\n"


def test_project_in_an_unknown_cluster_is_refused(alice: CommandLine) -> None:
    assert '"nope"' in alice.fails("project", "create", "x", "--cluster", "nope")
    assert "write it like KEY=VALUE" in alice.fails(
        "project", "create", "x", "--cluster", "prod", "--quota", "pods", code=2
    )
