"""``sekisho token``: the caller's tokens."""

import re

from tests.proxy.cli.verbs.conftest import CommandLine


def test_token_is_printed_alone_and_revoked(alice: CommandLine) -> None:
    words = ("--ttl", "8h", "--read-only", "--cluster", "prod", "--description", "for CI")
    printed = alice.run("token", "create", *words).stdout
    assert re.fullmatch(r"token-[a-z0-9]{10}:[\w-]{43}\n", printed)
    name = printed.partition(":")[0]
    [listed] = [one for one in alice.json("token", "list") if one["name"] == name]
    assert (listed["description"], listed["read_only"]) == ("for CI", True)
    assert "for CI" in alice.run("token", "list", "--kind", "token").stdout
    alice.run("token", "revoke", printed.strip())
    assert name not in alice.run("token", "list").stdout
    assert "no such token" in alice.fails("token", "revoke", name)


def test_token_for_an_inaccessible_cluster_is_refused(alice: CommandLine) -> None:
    assert '"test"' in alice.fails("token", "create", "--cluster", "test")
    assert '"shop" not found' in alice.fails("token", "create", "--project", "shop")
    assert "is not a duration" in alice.fails("token", "create", "--ttl", "soon", code=2)


def test_all_other_tokens_are_revoked_after_a_confirmation(bob: CommandLine) -> None:
    bob.run("token", "create")
    assert "--yes" in bob.fails("token", "revoke", "--all", code=2)
    assert "revoked " in bob.run("token", "revoke", "--all", "--yes").stdout
    assert [one["kind"] for one in bob.json("token", "list")] == ["session"]
    assert "give either TOKEN or --all" in bob.fails("token", "revoke", code=2)
