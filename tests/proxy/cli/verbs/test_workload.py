"""``sekisho workload``: what is refused before a cluster is asked, and without a cluster."""

import json
import socket
from pathlib import Path
from typing import get_args

import click
import pytest

from management.workload_changes.operations import PROPAGATIONS
from management.workloads import kinds, states
from proxy.cli.verbs import workload, workload_changes, workload_target
from proxy.cli.verbs.workload_target import parse_workload
from tests.proxy.cli.commands_on_pipes import CommandOnPipes
from tests.proxy.cli.verbs.conftest import CommandLine, World
from tests.support.waiting import BUSY_SECONDS

WEB = ("deployment/web", "-n", "shop", "--cluster", "prod")


def test_choices_are_those_of_the_server() -> None:
    assert tuple(kinds.KINDS) == workload_target.KINDS
    assert get_args(states.State) == workload.STATES
    assert tuple(PROPAGATIONS) == workload_changes.PROPAGATIONS


@pytest.mark.parametrize(
    ("text", "namespace", "found"),
    [
        ("deployment/web", "shop", ("shop", "deployment", "web")),
        ("shop/deployment/web", None, ("shop", "deployment", "web")),
        ("shop/sts/db", "shop", ("shop", "statefulset", "db")),
        ("CronJobs/nightly", "shop", ("shop", "cronjob", "nightly")),
        ("po/one", "shop", ("shop", "pod", "one")),
    ],
)
def test_workload_is_named_as_for_kubectl(
    text: str, namespace: str | None, found: tuple[str, str, str]
) -> None:
    assert parse_workload(text, namespace) == found


@pytest.mark.parametrize(
    ("text", "namespace", "problem"),
    [
        ("deployment/web", None, "add -n NAMESPACE"),
        ("web", "shop", "like deployment/web"),
        ("deployment/", "shop", "like deployment/web"),
        ("a/b/c/d", None, "like deployment/web"),
        ("secret/web", "shop", "the kinds are deployment"),
        ("shop/deployment/web", "bakery", "leave -n out"),
    ],
)
def test_text_that_names_no_workload_is_a_usage_error(
    text: str, namespace: str | None, problem: str
) -> None:
    with pytest.raises(click.UsageError, match=problem):
        parse_workload(text, namespace)


@pytest.mark.parametrize(
    "words",
    [
        ("scale", *WEB),
        ("scale", *WEB, "--replicas", "-1"),
        ("rollback", *WEB, "--revision", "0"),
        ("delete", *WEB, "--propagation", "soon"),
        ("list", "--kind", "secret"),
        ("list", "--cluster", "prod", "--watch", "--limit", "3"),
        ("apply", "--cluster", "prod"),
        ("apply", "-f", "web.yaml", "--cluster", "prod", "--concurrency", "11"),
        ("apply", "-f", "web.yaml", "--cluster", "prod", "--selector", "env=prod"),
    ],
)
def test_options_that_do_not_fit_are_usage_errors(
    alice: CommandLine, words: tuple[str, ...]
) -> None:
    alice.fails("workload", *words, code=2)


def test_cluster_that_does_not_respond_is_one_line(alice: CommandLine) -> None:
    for words in (("list",), ("show", *WEB[:3]), ("logs", *WEB), ("restart", *WEB)):
        error = alice.fails("workload", *words)
        assert error.startswith("sekisho: error: ")
        assert error.count("\n") == 1
        assert "cluster" in error


def test_cluster_that_the_user_may_not_enter_is_named(
    alice: CommandLine, root: CommandLine
) -> None:
    assert '"test"' in alice.fails("workload", "list", "--cluster", "test")
    assert "--cluster with one of prod, test" in root.fails("workload", "list")


def test_kind_without_revisions_has_no_history(alice: CommandLine) -> None:
    assert "a job has no revisions" in alice.fails("workload", "history", "job/once", "-n", "shop")


def test_manifest_that_cannot_be_read_is_reported(alice: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "web.yaml"
    words = ("workload", "apply", "--cluster", "prod", "-f", str(file))
    assert f"{file}: no such file" in alice.fails(*words)
    file.write_bytes(b"\xff")
    assert "not UTF-8" in alice.fails(*words)
    file.write_text("a" * 70_000)
    assert "larger than 65536 bytes" in alice.fails(*words)
    file.write_text("\n" * 60_000)
    assert "apply it in parts" in alice.fails(*words)
    file.write_text("kind: Secret\n")
    lines = alice.fails(*words).splitlines()
    assert lines[0].startswith("sekisho: error: manifest: line 1: kind is 'Secret'")
    assert len(lines) == 2


def test_each_cluster_that_failed_has_one_line(alice: CommandLine) -> None:
    manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}}"
    words = ("workload", "apply", "-f", "-", "--cluster", "none", "--cluster", "prod")
    done = alice.run(*words, "--concurrency", "1", stdin=manifest, code=1)
    assert done.stdout == "clusters: 1 failed, 1 not begun\n"
    first, second = done.stderr.splitlines()
    assert first.startswith("sekisho: error: none: unknown cluster: ")
    assert second == "sekisho: error: prod: not begun: an earlier cluster failed"
    done = alice.run(*words, "--keep-going", "-o", "json", stdin=manifest, code=1)
    assert [one["name"] for one in json.loads(done.stdout)["items"]] == ["none", "prod"]
    assert done.stderr.splitlines()[1].startswith("sekisho: error: prod: unavailable: ConfigMap ")


def test_ctrl_c_says_what_becomes_of_the_clusters(world: World, tmp_path: Path) -> None:
    file = tmp_path / "web.yaml"
    file.write_text("kind: ConfigMap\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(BUSY_SECONDS)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        environment = {"SEKISHO_SERVER": url, "SEKISHO_TOKEN": "token-a:b"}
        line = CommandLine(world.server, tmp_path, environment)
        words = ("workload", "apply", "-f", str(file), "--cluster", "prod")
        with CommandOnPipes(line, *words) as command:
            peer, _ = listener.accept()
            with peer:
                assert peer.recv(65536).startswith(b"POST /v1/workloads ")
                assert command.interrupt() == 130
    assert command.errors.startswith("interrupted: clusters that have begun are completed")
    assert "Traceback" not in command.errors
