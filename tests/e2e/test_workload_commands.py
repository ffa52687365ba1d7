"""``sekisho workload`` in front of a real kube-apiserver."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from proxy.demo.fake_kubelet import Pod
from tests.e2e.workload_requests import Workloads
from tests.management.workload_changes.manifests import CONFIG_MAP, DEPLOYMENT, a_manifest
from tests.proxy.cli.commands_on_pipes import CommandOnPipes
from tests.proxy.cli.test_completion import complete
from tests.proxy.cli.verbs.conftest import CommandLine
from tests.proxy.cli.verbs.test_prompts import typed
from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import SekishoWithUsers
from tests.support.waiting import wait_until
from tests.support.workload_objects import create_web, delete_web

WEB = "deployment/web"


@dataclass(frozen=True)
class Shell:
    """The command line of a user, and a namespace of the cluster ``test``."""

    line: CommandLine
    cluster: Workloads

    @property
    def inside(self) -> tuple[str, str]:
        """Return the option of the namespace."""
        return "-n", self.cluster.namespace

    def run(self, *words: str, code: int = 0, stdin: str | None = None) -> str:
        """Run a command about workloads, and return its standard output."""
        return self.line.run("workload", *words, code=code, stdin=stdin).stdout

    def apply(self, *parts: str, options: tuple[str, ...] = (), code: int = 0) -> str:
        """Apply documents with the name ``web``."""
        text = a_manifest(*parts, namespace=self.cluster.namespace)
        words = ("apply", "-f", "-", "--cluster", "test", *options)
        return self.run(*words, code=code, stdin=text)


@pytest.fixture(scope="module")
def lines(
    proxy: SekishoWithUsers, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, CommandLine]:
    """The command line of each user, who is signed in."""
    folder = tmp_path_factory.mktemp("commands")
    found = {name: CommandLine(proxy, folder / name) for name in ("alice", "carol", "dave")}
    for name, line in found.items():
        line.login(name)
    return found


@pytest.fixture
def alice(
    lines: dict[str, CommandLine], proxy: SekishoWithUsers, kubernetes: Kubernetes, namespace: str
) -> Shell:
    """The owner of the cluster."""
    return Shell(lines["alice"], Workloads(proxy, kubernetes, namespace, {}))


def test_workloads_are_listed_and_shown(alice: Shell, kubernetes: Kubernetes) -> None:
    namespace = alice.cluster.namespace
    create_web(kubernetes, namespace)
    kubernetes.running_pod("alone", namespace)
    rows = alice.run("list", *alice.inside).splitlines()
    assert rows[0].split()[:5] == ["NAMESPACE", "KIND", "NAME", "READY", "STATE"]
    assert rows[2].split()[:6] == [
        *(namespace, "deployment", "web", "0/2", "progressing", "example.invalid/web:1"),
    ]
    assert alice.run("list", *alice.inside, "--kind", "pod", "-o", "name") == (
        f"{namespace}/pod/alone\n"
    )
    [labelled] = alice.line.json("workload", "list", *alice.inside, "-l", "app=web")
    assert labelled["name"] == "web"
    assert alice.run("list", *alice.inside, "--state", "failed") == ""
    wait_until(lambda: "ReplicaSet/web-" in alice.run("show", WEB, *alice.inside), 60, "the pods")
    shown = alice.run("show", f"{namespace}/deploy/web")
    for heading in ("READY:", "\nCONTAINER ", "\nPOD ", "\nREVISION ", "\nLAST SEEN "):
        assert heading in shown
    assert yaml.safe_load(alice.run("show", WEB, *alice.inside, "-o", "yaml"))["pods"]
    assert "1" in alice.run("history", WEB, *alice.inside).splitlines()[1].split()[0]
    assert complete(alice.line, f"sekisho workload show -n {namespace} dep") == [WEB]
    assert complete(alice.line, f"sekisho workload show {namespace}/p") == [
        f"{namespace}/pod/alone"
    ]


def test_workload_is_changed_and_a_dry_run_shows_the_difference(alice: Shell) -> None:
    alice.apply(DEPLOYMENT)
    alice.cluster.await_revision(1)
    web = (WEB, *alice.inside)
    title = f"deployment {alice.cluster.namespace}/web"
    tried = alice.run("scale", *web, "--replicas", "3", "--dry-run")
    assert tried == f"{title} would change (dry run)\n  ~ .spec.replicas: 1 → 3\n"
    assert alice.cluster.read()["spec"]["replicas"] == 1
    assert alice.run("scale", *web, "--replicas", "3") == f"scaled {title} to 3\n"
    assert "is unchanged" in alice.run("scale", *web, "--replicas", "3")
    wide = alice.run("set-image", *web, "web:2", "-o", "wide").splitlines()
    assert wide[0] == f"set the image of web in {title} to web:2"
    assert wide[1].endswith('.image: "registry.example/web:1" → "web:2"')
    assert "the pods have web" in alice.line.fails("workload", "set-image", *web, "db=db:1")
    assert alice.line.json("workload", "pause", *web)["changed"] is True
    refused = alice.line.fails("workload", "restart", *web)
    assert ("resume it" in refused, refused.count("\n")) == (True, 1)
    assert alice.run("resume", *web) == f"resumed {title}\n"
    assert alice.run("restart", *web, "-o", "name") == f"{alice.cluster.namespace}/{WEB}\n"


def test_workload_returns_to_a_revision_and_is_deleted(alice: Shell) -> None:
    alice.apply(DEPLOYMENT)
    alice.cluster.await_revision(1)
    web = (WEB, *alice.inside)
    assert "no earlier revision" in alice.line.fails("workload", "rollback", *web)
    alice.run("set-image", *web, "web=web:2")
    alice.cluster.await_revision(2)
    assert alice.run("history", *web, "-o", "name") == "revision/2\nrevision/1\n"
    tried = alice.run("rollback", *web, "--dry-run")
    assert '"web:2" → "registry.example/web:1"' in tried
    assert alice.run("rollback", *web, "--revision", "1").endswith("to revision 1\n")
    assert alice.cluster.image() == "registry.example/web:1"
    asked = alice.line.fails("workload", "delete", *web, code=2)
    assert "in cluster test with all that it owns" in asked
    assert "would be deleted" in alice.run("delete", *web, "--dry-run")
    assert alice.cluster.image()
    assert alice.run("delete", *web, "--yes").startswith("deleted deployment ")
    wait_until(lambda: alice.run("list", *alice.inside) == "", 60, "the deletion")


def test_cluster_decides_who_may_change(alice: Shell, lines: dict[str, CommandLine]) -> None:
    alice.apply(DEPLOYMENT)
    web = (WEB, *alice.inside)
    refused = lines["carol"].fails("workload", "scale", *web, "--replicas", "0")
    assert ("cannot patch resource" in refused, refused.count("\n")) == (True, 1)
    assert "may enter no cluster" in lines["dave"].fails("workload", "list")
    manifest = a_manifest(CONFIG_MAP, namespace=alice.cluster.namespace)
    words = ("workload", "apply", "-f", "-", "--cluster", "test")
    error = lines["carol"].fails(*words, stdin=manifest)
    assert error.startswith("sekisho: error: test: forbidden: ConfigMap ")
    assert error.endswith("; nothing was changed\n")


def test_manifest_is_tried_applied_and_refused(alice: Shell, tmp_path: Path) -> None:
    namespace = alice.cluster.namespace
    title = f"test: Deployment {namespace}/web"
    assert alice.apply(DEPLOYMENT, CONFIG_MAP, options=("--dry-run",)).splitlines() == [
        f"test: ConfigMap {namespace}/web would be created",
        f"{title} would be created",
        "dry run: clusters: 1 would change",
    ]
    assert f"{title} created" in alice.apply(DEPLOYMENT, CONFIG_MAP)
    assert f"{title} unchanged\nclusters: 1 unchanged\n" in alice.apply(DEPLOYMENT)
    file = tmp_path / "web.yaml"
    file.write_text(a_manifest(DEPLOYMENT, namespace=namespace).replace("web:1", "web:2"))
    words = ("apply", "-f", str(file), "--cluster", "test")
    tried = alice.run(*words, "--dry-run").splitlines()
    assert tried[0] == f"{title} would change"
    assert tried[1].endswith('image: "registry.example/web:1" → "registry.example/web:2"')
    assert alice.run(*words, "-o", "name") == f"test/{namespace}/{WEB}\n"
    alice.run("scale", WEB, *alice.inside, "--replicas", "2")
    failed = alice.line.run("workload", *words, "--cluster", "none", "--keep-going", code=1)
    assert failed.stdout == "clusters: 2 failed\n"
    conflict, unknown = failed.stderr.splitlines()
    assert conflict.startswith(f"sekisho: error: test: conflict: Deployment {namespace}/web sets")
    assert ".spec.replicas of " in conflict
    assert "none: unknown cluster: " in unknown


def test_manifest_is_applied_to_the_clusters_with_labels(alice: Shell, tmp_path: Path) -> None:
    proxy, file = alice.cluster.proxy, tmp_path / "web.yaml"
    file.write_text(CONFIG_MAP.replace("NAME, namespace: NAMESPACE", "web"))
    body = {"labels": {"env": "prod"}}
    labelled = proxy.request("PATCH", "/v1/clusters/test", token=proxy.token("root"), body=body)
    assert labelled.status == 200, labelled.body
    words = ("apply", "-f", str(file), *alice.inside, "--concurrency", "1")
    done = alice.run(*words, "--selector", "env=prod")
    title = f"test: ConfigMap {alice.cluster.namespace}/web"
    assert done == f"{title} created\nclusters: 1 changed\n"
    assert alice.line.json("workload", *words)["items"][0]["outcome"] == "unchanged"
    error = alice.line.fails("workload", *words, "--selector", "env=none")
    assert "selects no cluster" in error


def test_log_is_printed_and_followed_until_ctrl_c(
    alice: Shell, running_pod: Callable[..., Pod]
) -> None:
    pod = running_pod("talker", alice.cluster.namespace)
    pod.say("first")
    pod.say("second")
    words = ("workload", "logs", "pod/talker", *alice.inside)
    done = alice.line.run(*words)
    assert done.stdout == "first\nsecond\n"
    assert done.stderr == "log of container main in pod talker\n"
    assert 'no pod "other"' in alice.line.fails(*words, "--pod", "other")
    with CommandOnPipes(alice.line, *words, "--follow") as follower:
        assert [follower.line(), follower.line()] == ["first", "second"]
        pod.say("third")
        assert follower.line() == "third"
        assert follower.interrupt() == 130
    assert "Traceback" not in follower.errors


def test_log_that_breaks_off_is_reported(
    alice: Shell, running_pod: Callable[..., Pod], tmp_path: Path
) -> None:
    proxy, namespace = alice.cluster.proxy, alice.cluster.namespace
    running_pod("talker", namespace).say("first")
    guest = f"guest-{namespace}"
    proxy.create_user(guest)
    proxy.change("admin", "cluster", "grant", "test", "--user", guest, "--role", "owner")
    line = CommandLine(proxy, tmp_path)
    line.login(guest)
    words = ("workload", "logs", "pod/talker", *alice.inside, "--follow", "--pod", "talker")
    with CommandOnPipes(line, *words, "--container", "main") as follower:
        assert follower.line() == "first"
        proxy.change("admin", "cluster", "revoke", "test", "--user", guest)
        assert follower.end() == 1
    assert follower.errors.startswith("sekisho: error: the log broke off: ")
    assert follower.errors.count("\n") == 1, follower.errors


def test_log_on_a_terminal_has_no_control_characters(
    alice: Shell, running_pod: Callable[..., Pod]
) -> None:
    running_pod("talker", alice.cluster.namespace).say("\x1b[2Jgone\x1b[31mred")
    command = typed(alice.line, "workload", "logs", "pod/talker", *alice.inside)
    assert command.end() == 0, command.shown
    assert "\ufffd[2Jgone\x1b[31mred\r\n\x1b[0m" in command.shown


def test_list_is_watched_until_ctrl_c(alice: Shell, kubernetes: Kubernetes) -> None:
    namespace = alice.cluster.namespace
    create_web(kubernetes, namespace)
    words = ("workload", "list", *alice.inside, "--kind", "deployment", "--watch", "-o", "name")
    with CommandOnPipes(alice.line, *words) as watcher:
        assert watcher.line() == f"{namespace}/{WEB} added"
        create_web(kubernetes, namespace, "more")
        watcher.await_line(f"{namespace}/deployment/more added")
        delete_web(kubernetes, namespace)
        watcher.await_line(f"{namespace}/{WEB} deleted")
        assert watcher.interrupt() == 130
    assert "Traceback" not in watcher.errors
