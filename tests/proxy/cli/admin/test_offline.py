"""Commands that use the store without a running server."""

import asyncio
import json
import os
import stat
from pathlib import Path

from proxy.cli.admin.database import offline_store
from tests.store.records import a_cluster
from tests.support.sekisho import PASSWORD, Sekisho


def test_user_is_created_listed_disabled_and_deleted(sekisho: Sekisho) -> None:
    user_id = sekisho.create_user("alice", "--admin", "--display-name", "Alice A.")
    [listed] = json.loads(sekisho.run("admin", "user", "list", "-o", "json").stdout)
    assert listed == {
        "id": user_id,
        "username": "alice",
        "display_name": "Alice A.",
        "enabled": True,
        "administrator": True,
        "principals": [f"local://{user_id}"],
    }
    sekisho.run("admin", "user", "disable", user_id)
    assert not json.loads(sekisho.run("admin", "user", "list", "-o", "json").stdout)[0]["enabled"]
    sekisho.run("admin", "user", "enable", "alice")
    sekisho.run(
        "admin", "user", "set-password", "alice", "--password-stdin", stdin=PASSWORD + "2\n"
    )
    sekisho.run("admin", "user", "delete", f"local://{user_id}")
    assert sekisho.run("admin", "user", "list").stdout.splitlines()[1:] == []


def test_token_is_printed_once_and_stored_as_a_digest(sekisho: Sekisho) -> None:
    sekisho.create_user("alice")
    token = sekisho.token("alice", "--ttl", "8h", "--read-only", "--description", "for CI")
    name, _, secret = token.partition(":")
    assert name.startswith("token-")
    assert len(secret) >= 43
    [listed] = json.loads(
        sekisho.run("admin", "token", "list", "--user", "alice", "-o", "json").stdout
    )
    assert (listed["name"], listed["read_only"], listed["description"]) == (name, True, "for CI")
    stored = b"".join(p.read_bytes() for p in (sekisho.folder / "data").glob("sekisho.db*"))
    assert name.encode() in stored
    assert secret.encode() not in stored
    sekisho.run("admin", "token", "revoke", token)
    assert (
        json.loads(sekisho.run("admin", "token", "list", "--user", "alice", "-o", "json").stdout)
        == []
    )


def test_schema_without_auto_upgrade_is_upgraded_by_db_upgrade(sekisho: Sekisho) -> None:
    sekisho.environment["SEKISHO_STORE__AUTO_UPGRADE"] = "false"
    refused = sekisho.run(
        "admin", "user", "create", "a", "--password-stdin", stdin=PASSWORD, check=False
    )
    assert "run `sekisho admin db upgrade`" in refused.stderr
    assert "upgraded from none" in sekisho.run("admin", "db", "upgrade").stdout
    assert "already" in sekisho.run("admin", "db", "upgrade").stdout
    sekisho.run("admin", "user", "list")


def test_version_is_printed(sekisho: Sekisho) -> None:
    assert sekisho.run("version").stdout.startswith("sekisho 0.")
    assert "python" in json.loads(sekisho.run("version", "-o", "json").stdout)


def test_credential_without_a_sign_in_names_the_login_command(
    sekisho: Sekisho, tmp_path: Path
) -> None:
    sekisho.environment["XDG_CONFIG_HOME"] = str(tmp_path)
    done = sekisho.run("credential", "--server", "https://proxy.example", check=False)
    assert done.returncode == 1
    assert "sekisho login --server https://proxy.example" in done.stderr


def test_kubeconfig_file_is_readable_by_its_owner_only(sekisho: Sekisho, tmp_path: Path) -> None:
    """Check that it replaces an existing file atomically, also one that others could read."""
    sekisho.create_user("alice", "--admin")
    asyncio.run(_with_a_cluster(sekisho))
    file = tmp_path / "alice.kubeconfig"
    file.write_text("an older one")
    file.chmod(0o644)
    os.umask(0)
    done = sekisho.run("admin", "kubeconfig", "prod", "--user", "alice", "--output", str(file))
    assert done.stdout == ""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "current-context" in file.read_text()
    assert [one.name for one in tmp_path.glob(".*kubeconfig*")] == []
    printed = sekisho.run("admin", "kubeconfig", "prod", "--user", "alice", "--output", "-").stdout
    assert "current-context" in printed


def test_kubeconfig_that_cannot_be_written_creates_no_token(
    sekisho: Sekisho, tmp_path: Path
) -> None:
    sekisho.create_user("alice", "--admin")
    asyncio.run(_with_a_cluster(sekisho))
    for place in (tmp_path / "no" / "folder", Path("/dev/null")):
        done = sekisho.run(
            "admin", "kubeconfig", "prod", "--user", "alice", "-o", str(place), check=False
        )
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
    assert (
        json.loads(sekisho.run("admin", "token", "list", "--user", "alice", "-o", "json").stdout)
        == []
    )


def test_kubeconfig_for_an_inaccessible_or_unknown_cluster_names_it(sekisho: Sekisho) -> None:
    sekisho.create_user("alice")
    asyncio.run(_with_a_cluster(sekisho))
    messages = {"prod": 'alice may not enter the cluster "prod"', "typo": 'no cluster "typo"'}
    for name, message in messages.items():
        done = sekisho.run("admin", "kubeconfig", name, "--user", "alice", check=False)
        assert message in done.stderr


async def _with_a_cluster(sekisho: Sekisho) -> None:
    async with offline_store(str(sekisho.config)) as (_, store):
        await store.clusters.create(a_cluster("prod"))
