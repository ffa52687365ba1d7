"""Commands that work on the store without the server."""

import json
from pathlib import Path

import pytest

from tests.parts.sekisho import PASSWORD, Sekisho, make_sekisho


@pytest.fixture
def sekisho(tmp_path: Path) -> Sekisho:
    return make_sekisho(tmp_path, (1, 2))


def test_users_are_made_listed_disabled_and_deleted(sekisho: Sekisho) -> None:
    user_id = sekisho.create_user("alice", "--admin", "--display-name", "Alice A.")
    [listed] = json.loads(sekisho.run("user", "list", "-o", "json").stdout)
    assert listed == {
        "id": user_id,
        "username": "alice",
        "display_name": "Alice A.",
        "enabled": True,
        "administrator": True,
        "principals": [f"local://{user_id}"],
    }
    sekisho.run("user", "disable", user_id)
    assert not json.loads(sekisho.run("user", "list", "-o", "json").stdout)[0]["enabled"]
    sekisho.run("user", "enable", "alice")
    sekisho.run("user", "set-password", "alice", "--password-stdin", stdin=PASSWORD + "2\n")
    sekisho.run("user", "delete", f"local://{user_id}")
    assert sekisho.run("user", "list").stdout.splitlines()[1:] == []


def test_a_token_is_printed_alone_once_and_kept_as_a_digest(sekisho: Sekisho) -> None:
    sekisho.create_user("alice")
    token = sekisho.token("alice", "--ttl", "8h", "--read-only", "--description", "for CI")
    name, _, secret = token.partition(":")
    assert name.startswith("token-")
    assert len(secret) >= 43
    [listed] = json.loads(sekisho.run("token", "list", "--user", "alice", "-o", "json").stdout)
    assert (listed["name"], listed["read_only"], listed["description"]) == (name, True, "for CI")
    stored = b"".join(p.read_bytes() for p in (sekisho.folder / "data").glob("sekisho.db*"))
    assert name.encode() in stored
    assert secret.encode() not in stored
    sekisho.run("token", "revoke", token)
    assert json.loads(sekisho.run("token", "list", "--user", "alice", "-o", "json").stdout) == []


def test_the_schema_is_brought_up_by_hand_where_wanted(sekisho: Sekisho) -> None:
    sekisho.environment["SEKISHO_STORE__AUTO_UPGRADE"] = "false"
    refused = sekisho.run("user", "list", check=False)
    assert "run `sekisho db upgrade`" in refused.stderr
    assert "was not there" in sekisho.run("db", "upgrade").stdout
    assert "already" in sekisho.run("db", "upgrade").stdout
    sekisho.run("user", "list")


def test_the_version_is_told(sekisho: Sekisho) -> None:
    assert sekisho.run("version").stdout.startswith("sekisho 0.")
    assert "python" in json.loads(sekisho.run("version", "-o", "json").stdout)


def test_without_a_sign_in_kubectl_is_told_how_to(sekisho: Sekisho, tmp_path: Path) -> None:
    sekisho.environment["XDG_CONFIG_HOME"] = str(tmp_path)
    done = sekisho.run("credential", "--server", "https://gate.example", check=False)
    assert done.returncode == 1
    assert "sekisho login --server https://gate.example" in done.stderr
