"""``sekisho who-can`` and ``sekisho access``. The clusters do not respond."""

import json
from pathlib import Path

from tests.proxy.cli.verbs.conftest import CommandLine, World

SECRETS = ("who-can", "get", "secrets", "-n", "shop", "--cluster", "prod")


def test_who_can_lists_people_with_their_way_to_the_role(alice: CommandLine) -> None:
    done = alice.run(*SECRETS)
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["WHO", "KIND", "VIA", "NOTE"]
    [mine] = [one for one in lines if one.startswith("alice ")]
    assert 'cluster "prod" → owner → sekisho:' in mine
    assert any(one.startswith("root ") and "administrator" in one for one in lines)
    assert "the cluster does not respond" in done.stderr
    assert "* * (*)" in alice.run(*SECRETS, "-o", "wide").stdout


def test_who_can_finds_the_only_cluster(alice: CommandLine, root: CommandLine) -> None:
    assert alice.json("who-can", "get", "/metrics")["question"]["url"] == "/metrics"
    assert "--cluster with one of prod, test" in root.fails("who-can", "get", "pods")


def test_who_can_reports_a_malformed_question_in_one_line(alice: CommandLine) -> None:
    error = alice.fails("who-can", "get", "widgets")
    assert "write it with its API group" in error
    assert error.count("\n") == 1


def test_who_can_writes_a_picture(alice: CommandLine, tmp_path: Path) -> None:
    alice.run(*SECRETS, "--svg", str(tmp_path / "a.svg"))
    assert (tmp_path / "a.svg").read_text().startswith("<svg ")


def test_access_shows_oneself_and_others(alice: CommandLine, root: CommandLine) -> None:
    rows = alice.run("access").stdout.splitlines()
    assert [" ".join(one.split()) for one in rows[1:]] == [
        "cluster prod owner by name cluster-admin"
    ]
    assert root.json("access", "alice")["user"]["username"] == "alice"
    with_cluster = root.run("access", "alice", "--cluster", "prod").stdout
    assert "prod: whole cluster" in with_cluster
    assert "users.read" in alice.fails("access", "root")
    assert 'user "zoe" not found' in root.fails("access", "zoe")


def test_access_of_a_user_without_roles_says_so(bob: CommandLine, world: World) -> None:
    done = bob.run("access")
    assert (done.stdout, "holds no role anywhere" in done.stderr) == ("", True)
    answer = json.loads(bob.run("access", "-o", "json").stdout)
    assert answer["user"]["id"] == world.users["bob"]
