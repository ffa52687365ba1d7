"""``sekisho whoami``."""

from pathlib import Path

from tests.proxy.cli.verbs.conftest import CommandLine, World
from tests.support.sekisho import PASSWORD


def test_whoami_prints_the_user_of_the_sign_in(world: World, alice: CommandLine) -> None:
    item = alice.json("whoami")
    assert (item["username"], item["id"]) == ("alice", world.users["alice"])
    assert item["server"] == world.server.url
    text = alice.run("whoami").stdout
    assert "USER:" in text
    assert "alice" in text
    assert alice.run("whoami", "-o", "name").stdout == "user/alice\n"
    assert "username: alice" in alice.run("whoami", "-o", "yaml").stdout


def test_token_of_the_environment_takes_precedence(world: World, bob: CommandLine) -> None:
    token = world.server.token("alice")
    pipeline = CommandLine(world.server, world.folder / "pipeline")
    ca_file = str(world.server.folder / "data" / "tls" / "ca.crt")
    pipeline.environment = {
        "SEKISHO_SERVER": world.server.url,
        "SEKISHO_TOKEN": token,
        "SEKISHO_CA_FILE": ca_file,
    }
    assert pipeline.run("whoami", "-o", "name").stdout == "user/alice\n"
    pipeline.environment["SEKISHO_TOKEN"] = "token-aaaaaaaaaa:wrong"
    assert "doesn't accept the token in SEKISHO_TOKEN" in pipeline.fails("whoami")
    pipeline.environment["SEKISHO_TOKEN"] = "two words"
    assert "is not a token" in pipeline.fails("whoami")
    del pipeline.environment["SEKISHO_CA_FILE"], pipeline.environment["SEKISHO_TOKEN"]
    assert "you are not signed in" in pipeline.fails("whoami")


def test_own_password_is_changed(world: World, tmp_path: Path) -> None:
    world.server.create_user("kate")
    kate = CommandLine(world.server, tmp_path)
    kate.login("kate")
    new = "another long password"
    done = kate.run("password", "--password-stdin", stdin=f"{PASSWORD}\n{new}\n")
    assert "has been changed" in done.stdout
    refused = kate.fails("password", "--password-stdin", stdin=f"{PASSWORD}\n{new}\n")
    assert "password" in refused
    assert "no password" in kate.fails("password", "--password-stdin", stdin=f"{new}\n")
    assert kate.run("whoami", "-o", "name").stdout == "user/kate\n"
