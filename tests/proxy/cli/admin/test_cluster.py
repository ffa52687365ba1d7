"""``sekisho admin cluster …`` as a user types it, with a store and a real cluster."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from proxy.cli.admin.database import offline_store
from proxy.cli.main import main
from tests.management.clusters.unreachable import UNREACHABLE
from tests.management.conftest import OwnCluster, clean, kubernetes, user

__all__ = ["clean", "kubernetes"]

Run = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "sekisho.yaml"
    path.write_text(yaml.safe_dump({"data_dir": str(tmp_path / "data")}))
    made = CliRunner().invoke(main, ["-c", str(path), "admin", "db", "upgrade"])
    assert made.exit_code == 0, made.output
    return path


@pytest.fixture
def run(config: Path) -> Run:
    """Return a function: ``run("import", …)`` runs ``sekisho -c FILE admin cluster import …``."""

    def run(*arguments: str | Path) -> Result:
        command = ["-c", str(config), "admin", "cluster", *map(str, arguments)]
        return CliRunner().invoke(main, command, catch_exceptions=False)

    return run


def read(result: Result) -> Any:
    """Return the JSON that a command printed."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def error_line(result: Result) -> str:
    """Assert that a command failed with one line, and return it."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    # The import of a cluster on this machine logs a warning about its address.
    [line] = [one for one in lines if not one.startswith("sekisho: warning: ")]
    assert line.startswith("sekisho: error: ")
    return line


def test_cluster_is_imported_listed_and_removed(clean: OwnCluster, run: Run) -> None:
    imported = run("import", "prod", "--kubeconfig", clean.admin_kubeconfig)
    assert imported.exit_code == 0, imported.output
    assert "create     Namespace sekisho-system" in imported.stdout
    assert 'cluster "prod"' in imported.stdout
    [listed] = read(run("list", "-o", "json"))
    assert (listed["name"], listed["servers"]) == ("prod", [clean.servers[0]])
    assert "eyJ" not in json.dumps(listed)
    assert listed["id"] in run("list").stdout
    removed = run("remove", "prod")
    assert "delete     Namespace sekisho-system" in removed.stdout
    assert read(run("list", "-o", "json")) == []


def test_dry_run_prints_the_changes_and_makes_none(clean: OwnCluster, run: Run) -> None:
    arguments = ("import", "prod", "--kubeconfig", clean.admin_kubeconfig, "--dry-run")
    printed = run(*arguments)
    assert "create     ClusterRole sekisho-impersonator" in printed.stdout
    assert "nothing changed" in printed.stdout
    objects = read(run(*arguments, "-o", "json"))["objects"]
    assert {one["action"] for one in objects} == {"create"}
    assert objects[0]["object"]["kind"] == "Namespace"
    assert clean.managed_objects() == {}
    assert read(run("list", "-o", "json")) == []


def test_import_with_several_servers_stores_all(clean: OwnCluster, run: Run) -> None:
    servers = [part for server in clean.servers for part in ("--server", server)]
    kubeconfig = ("--kubeconfig", clean.admin_kubeconfig)
    imported = read(run("import", "prod", *kubeconfig, *servers, "-o", "json"))
    assert imported["cluster"]["servers"] == clean.servers


def test_cluster_is_added_with_a_token_file(clean: OwnCluster, run: Run, tmp_path: Path) -> None:
    account = "/api/v1/namespaces/sekisho-system/serviceaccounts/sekisho-impersonator/token"
    run("import", "prod", "--kubeconfig", clean.admin_kubeconfig)
    run("remove", "prod", "--keep-cluster-objects")
    token = clean.ask("POST", account, {"spec": {}})["status"]["token"]
    (tmp_path / "token").write_text(f"{token}\n")
    files = ("--ca-file", clean.ca_file, "--token-file", tmp_path / "token")
    added = run("add", "prod", "--server", clean.servers[0], *files, "-o", "json")
    assert read(added)["cluster"]["credential_source"] == "static"
    assert "no controller token" in added.stderr


def test_grant_gives_access_and_revoke_ends_it(clean: OwnCluster, run: Run, config: Path) -> None:
    create_user(config, "alice")
    run("import", "prod", "--kubeconfig", clean.admin_kubeconfig)
    granted = read(run("grant", "prod", "--user", "alice", "--role", "member", "-o", "json"))
    assert (granted["role"], granted["bound"]) == ("member", True)
    assert clean.can_i(granted["user"], "create", "deployments")
    assert "may no longer enter" in run("revoke", "prod", "--user", "alice").stdout
    assert not clean.can_i(granted["user"], "create", "deployments")
    assert "had no grant" in run("revoke", "prod", "--user", "alice").stdout


def test_import_of_an_unreachable_cluster_stores_nothing(kubernetes: OwnCluster, run: Run) -> None:
    kubeconfig = ("--kubeconfig", kubernetes.admin_kubeconfig)
    line = error_line(run("import", "prod", *kubeconfig, "--server", UNREACHABLE))
    assert UNREACHABLE in line
    assert read(run("list", "-o", "json")) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("kind: Config", "no current context"),
        ("kind: [", "not valid YAML"),
        (
            yaml.safe_dump(
                {
                    "current-context": "x",
                    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                    "clusters": [{"name": "c", "cluster": {"server": "https://c.example.test"}}],
                    "users": [{"name": "u", "user": {"exec": {"command": "aws"}}}],
                }
            ),
            "runs no code",
        ),
    ],
)
def test_unusable_kubeconfig_is_reported_on_one_line(
    run: Run, tmp_path: Path, text: str, reason: str
) -> None:
    (tmp_path / "kubeconfig").write_text(text)
    assert reason in error_line(run("import", "prod", "--kubeconfig", tmp_path / "kubeconfig"))
    assert read(run("list", "-o", "json")) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("grant", "gone", "--user", "alice", "--role", "member"),
        ("revoke", "gone", "--user", "alice"),
        ("remove", "gone"),
    ],
)
def test_unknown_cluster_is_reported_on_one_line(run: Run, arguments: tuple[str, ...]) -> None:
    assert 'no cluster "gone"' in error_line(run(*arguments))


@pytest.mark.parametrize(
    "arguments",
    [
        ("import", "prod"),
        ("import", "prod", "--kubeconfig", "x", "--in-cluster"),
        ("import", "prod", "--in-cluster", "--context", "x"),
        ("import",),
        ("add", "prod", "--ca-file", "x", "--token-file", "x"),
        ("grant", "prod", "--user", "alice", "--role", "admin"),
        ("grant", "prod", "--role", "member"),
    ],
)
def test_invalid_arguments_are_a_usage_error(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_in_cluster_outside_a_cluster_is_reported(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert "not the inside of a cluster" in error_line(run("import", "prod", "--in-cluster"))


def create_user(config: Path, name: str) -> None:
    """Store a user in the store of the configuration."""

    async def create() -> None:
        async with offline_store(str(config), create=True) as (_, store):
            await store.users.create(user(name))

    asyncio.run(create())
