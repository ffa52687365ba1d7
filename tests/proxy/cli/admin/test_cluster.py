"""``sekisho cluster …`` as it is typed, on a store of its own and a real cluster."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.cli.common import offline_store
from tests.management.clusters.conftest import OwnCluster, clean, kubernetes, user
from tests.management.clusters.test_import import NOBODY

__all__ = ["clean", "kubernetes"]

Run = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "sekisho.yaml"
    path.write_text(yaml.safe_dump({"data_dir": str(tmp_path / "data")}))
    return path


@pytest.fixture
def run(config: Path) -> Run:
    """``run("import", "prod", …)`` runs ``sekisho -c FILE cluster import prod …``."""

    def run(*arguments: str | Path) -> Result:
        command = ["-c", str(config), "cluster", *map(str, arguments)]
        return CliRunner().invoke(main, command, catch_exceptions=False)

    return run


def read(result: Result) -> Any:
    """The JSON that a command printed."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refusal(result: Result) -> str:
    """The one line that a command failed with."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith("sekisho: error: ")
    return line


def test_a_cluster_is_imported_listed_and_removed(clean: OwnCluster, run: Run) -> None:
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


def test_a_dry_run_prints_what_would_be_done(clean: OwnCluster, run: Run) -> None:
    arguments = ("import", "prod", "--kubeconfig", clean.admin_kubeconfig, "--dry-run")
    said = run(*arguments)
    assert "create     ClusterRole sekisho-impersonator" in said.stdout
    assert "nothing was changed" in said.stdout
    objects = read(run(*arguments, "-o", "json"))["objects"]
    assert {one["action"] for one in objects} == {"create"}
    assert objects[0]["object"]["kind"] == "Namespace"
    assert clean.ours() == {}
    assert read(run("list", "-o", "json")) == []


def test_several_masters_are_stored(clean: OwnCluster, run: Run) -> None:
    servers = [part for server in clean.servers for part in ("--server", server)]
    kubeconfig = ("--kubeconfig", clean.admin_kubeconfig)
    imported = read(run("import", "prod", *kubeconfig, *servers, "-o", "json"))
    assert imported["cluster"]["servers"] == clean.servers


def test_a_cluster_is_added_by_hand(clean: OwnCluster, run: Run, tmp_path: Path) -> None:
    account = "/api/v1/namespaces/sekisho-system/serviceaccounts/sekisho-impersonator/token"
    run("import", "prod", "--kubeconfig", clean.admin_kubeconfig)
    run("remove", "prod", "--keep-downstream")
    token = clean.ask("POST", account, {"spec": {}})["status"]["token"]
    (tmp_path / "token").write_text(f"{token}\n")
    files = ("--ca-file", clean.ca_file, "--token-file", tmp_path / "token")
    added = run("add", "prod", "--server", clean.servers[0], *files, "-o", "json")
    assert read(added)["cluster"]["credential_source"] == "static"
    assert "no controller token" in added.stderr


def test_a_user_is_let_in_and_shut_out(clean: OwnCluster, run: Run, config: Path) -> None:
    create_user(config, "alice")
    run("import", "prod", "--kubeconfig", clean.admin_kubeconfig)
    granted = read(run("grant", "prod", "--user", "alice", "--role", "member", "-o", "json"))
    assert (granted["role"], granted["bound"]) == ("member", True)
    assert clean.can_i(granted["user"], "create", "deployments")
    assert "may no longer enter" in run("revoke", "prod", "--user", "alice").stdout
    assert not clean.can_i(granted["user"], "create", "deployments")
    assert "had no grant" in run("revoke", "prod", "--user", "alice").stdout


def test_nothing_is_left_of_a_cluster_that_can_not_be_reached(
    kubernetes: OwnCluster, run: Run
) -> None:
    kubeconfig = ("--kubeconfig", kubernetes.admin_kubeconfig)
    line = refusal(run("import", "prod", *kubeconfig, "--server", NOBODY))
    assert NOBODY in line
    assert read(run("list", "-o", "json")) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: Config", "no current context"),
        ("kind: [", "not YAML"),
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
def test_a_kubeconfig_that_can_not_be_used_is_one_line(
    run: Run, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "kubeconfig").write_text(text)
    assert said in refusal(run("import", "prod", "--kubeconfig", tmp_path / "kubeconfig"))
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("grant", "gone", "--user", "alice", "--role", "member"),
        ("revoke", "gone", "--user", "alice"),
        ("remove", "gone"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_line(run: Run, arguments: tuple[str, ...]) -> None:
    assert 'no cluster "gone"' in refusal(run(*arguments))


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
def test_what_is_typed_wrongly_is_a_usage_error(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_outside_a_cluster_in_cluster_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert "not the inside of a cluster" in refusal(run("import", "prod", "--in-cluster"))


def create_user(config: Path, name: str) -> None:
    """Put a user into the store that the configuration names."""

    async def create() -> None:
        async with offline_store(str(config)) as (_, store):
            await store.users.create(user(name))

    asyncio.run(create())
