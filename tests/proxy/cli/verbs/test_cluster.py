"""``sekisho cluster`` and ``sekisho clusters``."""

from tests.proxy.cli.verbs.conftest import CommandLine


def test_clusters_are_those_that_the_caller_may_enter(
    root: CommandLine, alice: CommandLine, bob: CommandLine
) -> None:
    assert root.run("clusters", "-o", "name").stdout.split() == ["cluster/prod", "cluster/test"]
    [mine] = alice.json("clusters")
    assert (mine["name"], mine["role"]) == ("prod", "owner")
    assert alice.run("cluster", "list").stdout.splitlines()[0].split()[:2] == ["NAME", "ROLE"]
    nothing = bob.run("clusters")
    assert (nothing.stdout, nothing.stderr.count("\n")) == ("", 1)
    assert "ask a cluster's owner" in nothing.stderr
    assert bob.json("clusters") == []


def test_clusters_are_filtered_sorted_and_searched(root: CommandLine) -> None:
    names = root.run("clusters", "--sort", "-name", "-o", "name").stdout.split()
    assert names == ["cluster/test", "cluster/prod"]
    assert root.run("clusters", "--search", "ro", "-o", "name").stdout.split() == ["cluster/prod"]
    assert root.run("clusters", "--limit", "1", "-o", "name").stdout.split() == ["cluster/prod"]
    assert root.json("clusters", "--role", "member") == []
    assert root.run("clusters", "--role", "member").stderr == "Nothing matches.\n"
    assert "sort must be one of" in root.fails("clusters", "--sort", "age")
    assert "has no end" in root.fails("clusters", "--watch", "--limit", "1", code=2)


def test_cluster_is_shown_by_name_and_id(alice: CommandLine) -> None:
    item = alice.json("cluster", "show", "prod")
    assert alice.json("cluster", "show", item["id"])["name"] == "prod"
    assert "ROLE:" in alice.run("cluster", "show", "prod").stdout
    assert '"test"' in alice.fails("cluster", "show", "test")
    assert "can't be a name" in alice.fails("cluster", "show", "..")
    assert '"a/b c"' in alice.fails("cluster", "show", "a/b c")


def test_labels_of_a_cluster_are_set_and_removed(alice: CommandLine) -> None:
    edit = ("cluster", "edit", "prod")
    assert alice.json(*edit, "--label", "env=prod", "--label", "team=shop")["labels"] == {
        "env": "prod",
        "team": "shop",
    }
    changed = alice.json(*edit, "--label", "env=test", "--unlabel", "team", "--unlabel", "none")
    assert changed["labels"] == {"env": "test"}
    assert "env=test" in alice.run("cluster", "show", "prod").stdout
    assert "write it like KEY=VALUE" in alice.fails(*edit, "--label", "env", code=2)
    assert "labels" in alice.fails(*edit, "--label", "a b=c")
