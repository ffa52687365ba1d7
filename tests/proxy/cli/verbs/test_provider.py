"""``sekisho provider``."""

from pathlib import Path

from tests.proxy.cli.verbs.conftest import CommandLine

SETTINGS = ("--set", "issuer=https://issuer.invalid", "--set", "client_id=sekisho")


def test_provider_is_added_changed_tried_and_removed(root: CommandLine, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush-hush\n")
    added = root.run(
        *("provider", "add", "corp", "--type", "oidc", *SETTINGS),
        *("--set-file", f"client_secret={secret}"),
    )
    assert "added provider corp" in added.stdout
    item = root.json("provider", "show", "corp")
    assert item["settings"]["client_id"] == "sekisho"
    assert "hush-hush" not in root.run("provider", "show", "corp").output
    assert "corp" in root.run("provider", "list").stdout
    changed = root.run("provider", "edit", "corp", "--set", "scopes=[openid, email]")
    assert "changed provider corp" in changed.stdout
    assert root.json("provider", "show", "corp")["settings"]["scopes"] == ["openid", "email"]
    tried = root.run("provider", "test", "corp", code=1)
    assert "unavailable" in tried.stdout
    assert "disabled provider corp" in root.run("provider", "disable", "corp", "--yes").stdout
    assert root.json("provider", "show", "corp")["enabled"] is False
    root.run("provider", "enable", "corp")
    assert "removed provider corp" in root.run("provider", "remove", "corp", "-y").stdout
    assert "not found" in root.fails("provider", "show", "corp")


def test_types_are_listed_with_their_settings(root: CommandLine) -> None:
    assert "client_id" in root.run("provider", "types", "--type", "oidc").stdout
    [oidc] = root.json("provider", "types", "--type", "oidc")
    assert "issuer" in oidc["settings"]["properties"]


def test_local_sign_in_is_tried(root: CommandLine) -> None:
    from tests.support.sekisho import PASSWORD

    words = ("provider", "test", "local", "--username", "alice", "--password-stdin")
    assert "accepted" in root.run(*words, stdin=f"{PASSWORD}\n").stdout
    assert "refused" in root.run(*words, stdin="wrong\n", code=1).stdout
    assert "is for --username" in root.fails(
        "provider", "test", "local", "--password-stdin", code=2
    )


def test_secret_on_the_command_line_is_refused(root: CommandLine) -> None:
    words = ("provider", "add", "corp", "--type", "oidc", "--set", "client_secret=x")
    assert "--ask client_secret" in root.fails(*words, code=2)
    assert "write it like KEY=VALUE" in root.fails(*words[:-1], "x", code=2)
    assert "not valid YAML" in root.fails(*words[:-1], "x=[", code=2)
    unknown = root.fails("provider", "add", "corp", "--type", "nope")
    assert "nope" in unknown


def test_others_see_the_ways_to_sign_in(bob: CommandLine) -> None:
    assert [one["name"] for one in bob.json("provider", "list")] == ["local"]
    assert "needs the permission providers." in bob.fails("provider", "show", "local")
