"""``sekisho user``: users, for managers of users."""

from tests.proxy.cli.verbs.conftest import CommandLine, World

SECRET = "a long enough password\n"


def test_user_is_created_changed_and_deleted(root: CommandLine) -> None:
    made = root.json("user", "create", "dora", "--password-stdin", stdin=SECRET)
    assert made["username"] == "dora"
    assert "disabled user dora" in root.run("user", "disable", "dora", "--yes").stdout
    assert root.json("user", "list", "--enabled", "false")[0]["username"] == "dora"
    root.run("user", "enable", f"local://{made['id']}")
    assert "changed user" in root.run("user", "edit", "dora", "--display-name", "Dora D.").stdout
    assert root.json("user", "show", made["id"])["display_name"] == "Dora D."
    done = root.run("user", "password", "dora", "--password-stdin", stdin=SECRET)
    assert "sessions ended" in done.stdout
    assert "deleted user dora" in root.run("user", "delete", "dora", "-y").stdout
    assert '"dora" not found' in root.fails("user", "show", "dora")


def test_user_without_a_password_is_created(root: CommandLine) -> None:
    root.run("user", "create", "erin", "--no-password")
    assert root.json("user", "show", "erin")["principals"] != []
    root.run("user", "delete", "erin", "--yes")


def test_tokens_of_a_user_are_listed_and_revoked(root: CommandLine, world: World) -> None:
    world.server.create_user("finn")
    token = world.server.token("finn", "--description", "a test")
    [listed] = root.json("user", "tokens", "finn", "--kind", "token")
    assert listed["description"] == "a test"
    assert token.partition(":")[0] in root.run("user", "tokens", "finn").stdout
    assert "revoked 1 tokens" in root.run("user", "revoke-tokens", "finn", "--yes").stdout
    assert root.json("user", "tokens", "finn") == []
    assert root.json("user", "refresh", "finn") is not None
    root.run("user", "delete", "finn", "--yes")


def test_destruction_without_a_terminal_needs_yes(root: CommandLine) -> None:
    refused = root.fails("user", "delete", "alice", code=2)
    assert "This deletes alice" in refused
    assert "--yes" in refused
    assert root.json("user", "show", "alice")["enabled"]


def test_caller_without_the_permission_is_refused_with_the_request_id(bob: CommandLine) -> None:
    refused = bob.fails("user", "list")
    assert "needs the permission users." in refused
    assert "(request " in refused


def test_former_options_name_the_command_on_the_database(root: CommandLine) -> None:
    for words in (
        ("user", "create", "x", "--admin"),
        ("user", "create", "x", "--principal", "github_user://1"),
        ("user", "set-password", "x", "--password-stdin"),
        ("cluster", "grant", "prod", "--user", "alice", "--role", "owner"),
        ("cluster", "add", "prod", "--ca-file", "x"),
        ("token", "create", "--user", "alice"),
    ):
        assert f"sekisho admin {words[0]} {words[1]}" in root.fails(*words, code=2)
    assert "sekisho admin kubeconfig" in root.fails("kubeconfig", "prod", "--user", "a", code=2)
