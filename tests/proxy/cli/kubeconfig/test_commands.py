"""``sekisho kubeconfig`` and ``kubectl sekisho``, with a real server, cluster and kubectl."""

import json
import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.kubernetes import kubectl, kubectl_command
from tests.support.sekisho import PASSWORD, Sekisho, SekishoWithUsers
from tests.support.waiting import wait_until

SCRIPTS = Path(sys.executable).parent

OTHERS = """\
# of another tool
apiVersion: v1
kind: Config
clusters:
- {name: other, cluster: {server: 'https://1.2.3.4'}}
contexts:
- {name: other, context: {cluster: other, user: other}}
users:
- {name: other, user: {token: '0123'}}
current-context: other
"""


@dataclass
class Laptop:
    """A user's machine: the command, a home folder, and kubectl."""

    command: Sekisho
    server: SekishoWithUsers
    home: Path

    @property
    def file(self) -> Path:
        """kubectl's own file."""
        return self.home / ".kube" / "config"

    def run(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = self.command.run(*words, check=False)
        assert done.returncode == code, done.stderr
        return done

    def fails(self, *words: str) -> str:
        return self.run(*words, code=1).stderr

    def login(self, user: str) -> None:
        ca_file = str(self.server.folder / "data" / "tls" / "ca.crt")
        self.command.run(
            *("login", "--server", self.server.url, "--provider", "local", "--username", user),
            *("--password-stdin", "--ca-file", ca_file),
            stdin=f"{PASSWORD}\n",
        )

    def config(self) -> Any:
        return yaml.safe_load(self.file.read_text())

    def kubectl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run kubectl with a ``PATH`` that has no sekisho."""
        env = {**self.command.environment, "HOME": str(self.home), "PATH": "/usr/bin:/bin"}
        return kubectl(self.file, *words, env=env)


@pytest.fixture
def laptop(proxy: SekishoWithUsers, tmp_path: Path) -> Laptop:
    command = Sekisho(tmp_path, proxy.port, proxy.metrics_port)
    command.environment = {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "settings"),
        "SEKISHO_CONFIG": str(tmp_path / "missing.yaml"),
        "SEKISHO_CREDENTIAL_STORE": "file",
    }
    made = Laptop(command, proxy, tmp_path)
    made.login("alice")
    return made


def context_of(laptop: Laptop) -> str:
    return f"test@127.0.0.1:{laptop.server.port}"


def test_kubectl_uses_the_sign_in_through_a_merged_kubeconfig(laptop: Laptop) -> None:
    done = laptop.run("kubeconfig", "--merge", "--namespace", "kube-system")
    assert done.stdout == f"wrote 1 cluster to {laptop.file}\n"
    assert stat.S_IMODE(laptop.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(laptop.file.parent.stat().st_mode) == 0o700
    assert "token" not in laptop.file.read_text()
    program = laptop.config()["users"][0]["user"]["exec"]
    assert Path(program["command"]).is_absolute()
    assert program["installHint"]
    who = json.loads(laptop.kubectl("auth", "whoami", "-o", "json").stdout)
    assert who["status"]["userInfo"]["username"] == laptop.server.users["alice"]
    assert laptop.kubectl("config", "view", "--minify").stdout.count("namespace: kube-system") == 1
    laptop.run("logout", "--server", laptop.server.url)
    assert "run `sekisho login" in laptop.kubectl("get", "pods").stderr


def test_other_entries_and_kubectls_changes_stay(laptop: Laptop) -> None:
    laptop.file.parent.mkdir()
    laptop.file.write_text(OTHERS)
    laptop.file.chmod(0o640)
    laptop.run("kubeconfig", "--merge")
    assert laptop.config()["current-context"] == "other"
    assert "token: '0123'" in laptop.file.read_text()
    assert stat.S_IMODE(laptop.file.stat().st_mode) == 0o640
    name = context_of(laptop)
    assert laptop.kubectl("config", "set-context", name, "--namespace=shop").returncode == 0
    assert laptop.kubectl("config", "use-context", name).returncode == 0
    assert "users:" in laptop.kubectl("config", "view").stdout
    before = laptop.file.read_text()
    laptop.run("kubeconfig", "--merge")
    assert laptop.config() == yaml.safe_load(before)
    laptop.run("kubeconfig", "--merge", "--prefix", "work-")
    names = [one["name"] for one in laptop.config()["contexts"]]
    assert sorted(names) == sorted(["other", name, f"work-{name}"])


def test_entries_go_when_the_access_goes(laptop: Laptop) -> None:
    proxy, leaver = laptop.server, "kubeconfig-leaver"  # other modules have users there too
    proxy.create_user(leaver)
    proxy.run("admin", "cluster", "grant", "test", "--user", leaver, "--role", "member")
    laptop.login(leaver)
    laptop.run("kubeconfig", "test", "--merge")
    proxy.run("admin", "cluster", "revoke", "test", "--user", leaver)

    def removed() -> bool:
        return "removed" in laptop.run("kubeconfig", "--merge").stdout

    wait_until(removed)
    assert laptop.config()["contexts"] == []
    assert laptop.config()["current-context"] == ""
    assert "you may enter no cluster yet" in laptop.fails("kubeconfig")


def test_token_is_written_used_listed_and_revoked(laptop: Laptop) -> None:
    laptop.run("kubeconfig", "test", "--merge", "--token", "--ttl", "1h", "--read-only")
    token = laptop.config()["users"][0]["user"]["token"].partition(":")[0]
    assert laptop.kubectl("get", "namespaces").returncode == 0
    assert "read-only" in laptop.kubectl("create", "namespace", "no").stderr
    listed = json.loads(laptop.run("kubeconfig", "list", "-o", "json").stdout)
    row = next(one for one in listed if one["context"] == context_of(laptop))
    assert row["token"] == token
    assert row["expires_at"]
    assert context_of(laptop) in laptop.run("kubeconfig", "list").stdout
    done = laptop.run("kubeconfig", "revoke", context_of(laptop))
    assert done.stdout.startswith("revoked 1 token; removed test@")
    assert laptop.config()["contexts"] == []
    assert token not in laptop.run("kubeconfig", "list", "-o", "json").stdout
    assert 'no kubeconfig is called "nope"' in laptop.fails("kubeconfig", "revoke", "nope")


def test_kubeconfig_without_a_file_is_printed_and_output_writes_one(laptop: Laptop) -> None:
    printed = laptop.run("kubeconfig").stdout
    file = laptop.home / "new" / "alice.yaml"
    laptop.run("kubeconfig", "test", "--output", str(file))
    assert file.read_text() == printed
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert laptop.run("kubeconfig", "test", "--output", "-").stdout == printed
    assert "prints" in laptop.run("kubeconfig", "--merge", "--output", "-", code=2).stderr
    assert not laptop.file.exists()
    assert kubectl(file, "get", "namespaces", env=laptop.command.environment).returncode == 0


def test_file_that_cannot_be_changed_stays_and_no_token_is_left(laptop: Laptop) -> None:
    before = laptop.run("kubeconfig", "list", "-o", "json").stdout
    laptop.file.parent.mkdir()
    for broken, why in (
        ("a: [", "is not valid YAML"),
        ("kind: Pod", "is not a kubeconfig"),
        ("\xff", "is not text in UTF-8"),
    ):
        laptop.file.write_bytes(broken.encode("latin-1"))
        error = laptop.fails("kubeconfig", "--merge", "--token")
        assert why in error
        assert len(error.splitlines()) == 1
        assert laptop.file.read_bytes() == broken.encode("latin-1")
    laptop.file.write_text(OTHERS)
    lock = laptop.file.with_name("config.lock")
    lock.touch()
    assert "is locked by another program" in laptop.fails("kubeconfig", "--merge", "--token")
    assert lock.exists()
    assert laptop.file.read_text() == OTHERS
    lock.unlink()
    laptop.file.write_text(OTHERS.replace("name: other", f"name: '{context_of(laptop)}'"))
    assert "choose other names with --prefix" in laptop.fails("kubeconfig", "--merge", "--token")
    laptop.file.write_text("")
    assert laptop.run("kubeconfig", "list", "-o", "json").stdout == before


def test_symbolic_link_stays_a_link(laptop: Laptop) -> None:
    target = laptop.home / "dotfiles" / "kube"
    target.parent.mkdir()
    target.write_text(OTHERS)
    laptop.file.parent.mkdir()
    laptop.file.symlink_to(target)
    laptop.run("kubeconfig", "--merge")
    assert laptop.file.is_symlink()
    assert context_of(laptop) in target.read_text()


def test_first_existing_file_of_the_variable_is_changed(laptop: Laptop) -> None:
    first, second = laptop.home / "a.yaml", laptop.home / "b.yaml"
    second.write_text(OTHERS)
    laptop.command.environment["KUBECONFIG"] = os.pathsep.join(map(str, (first, second)))
    laptop.run("kubeconfig", "--merge")
    assert context_of(laptop) in second.read_text()
    assert not first.exists()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("kubeconfig", "nope", "--merge"), "nope"),
        (("kubeconfig", "..", "--merge"), "can't be a name"),
    ],
)
def test_unknown_cluster_is_reported_on_one_line(
    laptop: Laptop, words: tuple[str, ...], error: str
) -> None:
    text = laptop.fails(*words)
    assert error in text
    assert len(text.splitlines()) == 1
    assert not laptop.file.exists()


def test_options_that_need_others_are_usage_errors(laptop: Laptop) -> None:
    assert "need --token" in laptop.run("kubeconfig", "--ttl", "1h", code=2).stderr
    assert "give either" in laptop.run("kubeconfig", "revoke", code=2).stderr
    moved = laptop.run("kubeconfig", "test", "--user", "alice", code=2).stderr
    assert "sekisho admin kubeconfig" in moved


def test_plug_in_runs_as_kubectl_sekisho(laptop: Laptop) -> None:
    laptop.run("kubeconfig", "--merge")
    env = {**laptop.command.environment, "PATH": f"{SCRIPTS}:/usr/bin:/bin"}
    listed = kubectl(laptop.file, "plugin", "list", env=env).stdout
    assert "kubectl-sekisho" in listed
    done = subprocess.run(
        [kubectl_program(), "sekisho", "whoami", "-o", "name"],
        capture_output=True,
        text=True,
        env=env,
        check=True,
    )
    assert done.stdout.strip() == "user/alice"
    shown = subprocess.run(
        [kubectl_program(), "sekisho", "kubeconfig", "--help"],
        capture_output=True,
        text=True,
        env=env,
        check=True,
    )
    assert shown.stdout.startswith("Usage: kubectl sekisho kubeconfig ")


def kubectl_program() -> str:

    return kubectl_command(Path("x"))[0]
