"""``sekisho role`` and ``sekisho binding``."""

from pathlib import Path

import pytest
from click import UsageError

from proxy.cli.verbs.role import rules_of
from tests.proxy.cli.verbs.conftest import CommandLine


def test_role_is_created_changed_and_deleted(root: CommandLine, tmp_path: Path) -> None:
    rule = ("--verb", "get,list", "--resource", "pods,deployments.apps")
    made = root.json("role", "create", "deployer", "--scope", "project", *rule)
    assert [one["api_groups"] for one in made["rules"]] == [[""], ["apps"]]
    assert "get, list pods" in root.run("role", "show", "deployer").stdout
    file = tmp_path / "role.yaml"
    file.write_text("description: from a file\ncluster_roles: [view]\n")
    changed = root.json("role", "edit", "deployer", "-f", str(file), "--name", "deployers")
    assert (changed["name"], changed["cluster_roles"]) == ("deployers", ["view"])
    assert changed["rules"] == made["rules"]
    assert "deleted role" in root.run("role", "delete", "deployers", "--yes").stdout
    assert "not found" in root.fails("role", "show", "deployers")


def test_ambiguous_role_name_lists_the_scopes(root: CommandLine) -> None:
    refused = root.fails("role", "show", "owner")
    assert "cluster (cluster-owner)" in refused
    assert "project (project-owner)" in refused
    assert root.json("role", "show", "owner", "--scope", "project")["id"] == "project-owner"
    assert root.json("role", "show", "project-owner")["name"] == "owner"


def test_role_file_with_an_error_is_named(root: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "role.yaml"
    file.write_text("a: b\nc: [\n")
    assert f"{file}, line 3" in root.fails("role", "edit", "owner", "-f", str(file))
    file.write_text("- a\n")
    assert "must contain one object" in root.fails("role", "edit", "owner", "-f", str(file))
    file.write_text("nonsense: 1\nrules: 2\n")
    lines = root.fails("role", "create", "x", "--scope", "cluster", "-f", str(file)).splitlines()
    assert [one.split(":")[2].strip() for one in lines] == ["rules", "nonsense"]
    assert "nowhere" in root.fails("role", "edit", "owner", "-f", "/nowhere/x.yaml")


def test_global_role_is_given_and_taken(root: CommandLine) -> None:
    given = root.run("binding", "create", "standard-user", "--user", "bob").stdout
    assert "bob (u-" in given
    assert "at local) is standard-user" in given
    [bound] = root.json("binding", "list", "--role", "standard-user")
    assert bound["name"] == "bob"
    words = ("binding", "delete", "--role", "standard-user", "--user", "bob", "--yes")
    assert "no longer standard-user" in root.run(*words).stdout
    assert "no such binding" in root.fails(*words)
    assert "give either USER" in root.fails("binding", "create", "standard-user", code=2)
    assert '"mallory" not found' in root.fails(
        "binding", "create", "standard-user", "--user", "mallory"
    )


def test_group_is_bound_by_its_principal_and_shown(root: CommandLine, alice: CommandLine) -> None:
    group = "openldap_group://cn=ops"
    root.run("binding", "create", "standard-user", "--group", group)
    assert root.run("group", "list", "--search", "ops", "-o", "name").stdout == (f"group/{group}\n")
    shown = root.run("group", "show", group).stdout.splitlines()[1].split()
    assert shown[:2] == ["Sekisho", "standard-user"]
    assert root.json("group", "show", group)["group"]["members"] == 0
    assert "No member" in root.run("group", "members", group).stderr
    assert "group not found" in alice.fails("group", "show", group)
    assert "users.read" in alice.fails("group", "members", group)
    root.run("binding", "delete", "--role", "standard-user", "--group", group, "--yes")


def test_nothing_to_change_is_a_usage_error(root: CommandLine) -> None:
    assert "nothing to change" in root.fails("role", "edit", "owner", code=2)
    assert "nothing to change" in root.fails("user", "edit", "bob", code=2)
    assert "nothing to change" in root.fails("cluster", "edit", "prod", code=2)


def test_rules_are_grouped_by_api_group() -> None:
    assert rules_of(("get",), ("pods/log,jobs.batch/status", "secrets,")) == [
        {"verbs": ["get"], "api_groups": [""], "resources": ["pods/log", "secrets"]},
        {"verbs": ["get"], "api_groups": ["batch"], "resources": ["jobs/status"]},
    ]


def test_pairs_without_a_value_are_a_usage_error() -> None:
    from proxy.cli.verbs.options import pairs

    assert pairs(("a=b=c", "d="), "--quota") == {"a": "b=c", "d": ""}
    with pytest.raises(UsageError, match="--quota pods: write it like KEY=VALUE"):
        pairs(("pods",), "--quota")
