"""Backup while serving, loss of everything, and restore on an empty machine."""

import json
import shutil
import stat
from pathlib import Path
from typing import Any

from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import (
    PASSWORD,
    HttpResponse,
    Sekisho,
    await_bindings,
    free_port,
    make_sekisho,
)
from tests.support.waiting import wait_until

PASSPHRASE = "a passphrase of the test"
PODS = "/k8s/clusters/test/api/v1/namespaces/default/pods"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
HELD = 'sekisho_cluster_held{cluster="test"}'


def _bound(kubernetes: Kubernetes, user_id: str) -> bool:
    """Return whether a user has a role of Sekisho in the cluster."""
    found = kubernetes.call(kubernetes.request("GET", BINDINGS))
    return any(
        subject["name"] == user_id for one in found["items"] for subject in one.get("subjects", [])
    )


def _await_access(server: Sekisho, token: str) -> None:
    """Wait until the API server has read the bindings, a moment after they are stored."""
    wait_until(lambda: server.request("GET", PODS, token=token).status == 200, what="access")


def _sign_in(server: Sekisho, name: str) -> HttpResponse:
    body = {"username": name, "password": PASSWORD}
    return server.request("POST", "/v1/login/local", body=body)


def _condition(server: Sekisho, token: str) -> dict[str, Any]:
    """Return the condition RBACReady of the cluster."""
    found = server.request("GET", "/v1/clusters/test", token=token).json()
    conditions = found["status"]["conditions"] if found.get("status") else []
    return next((one for one in conditions if one["type"] == "RBACReady"), {})


def _grant(server: Sekisho, name: str) -> None:
    server.run("admin", "cluster", "grant", "test", "--user", name, "--role", "member")


def test_restored_server_serves_and_changes_clusters_only_when_accepted(
    kubernetes: Kubernetes, tmp_path: Path
) -> None:
    folder = tmp_path / "machine"
    folder.mkdir()
    server = make_sekisho(folder, (free_port(), free_port()))
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(PASSPHRASE)
    file = tmp_path / "backup"
    key = ("--passphrase-file", str(passphrase))
    server.run(
        "admin", "cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig)
    )
    bob, carol = server.create_user("bob"), server.create_user("carol")
    server.create_user("root", "--admin")
    _grant(server, "bob")
    token, root = server.token("bob"), server.token("root")
    server.start()
    await_bindings(server)
    _await_access(server, token)
    session = _sign_in(server, "bob").json()["token"]
    server.run("admin", "backup", str(file), *key)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "is complete" in server.run("admin", "backup", "--verify", str(file), *key).stdout
    # The world goes on: bob loses his role, and carol gets one.
    server.run("admin", "cluster", "revoke", "test", "--user", "bob")
    _grant(server, "carol")
    wait_until(lambda: not _bound(kubernetes, bob) and _bound(kubernetes, carol), 60)
    server.stop()
    shutil.rmtree(folder)

    folder.mkdir()
    restored = server.run("admin", "restore", str(file), "--configuration", str(folder), *key)
    assert "1 clusters are held" in restored.stdout
    assert "ended 1 browser sessions" in restored.stdout
    assert "2 tokens are valid" in restored.stdout
    server.start()
    try:
        assert _sign_in(server, "bob").status == 200
        assert server.request("GET", "/v1/me", token=session).status == 401
        # The token works. The cluster still refuses bob, whose role was taken back there.
        assert server.request("GET", "/k8s/clusters/test/version", token=token).status == 200
        assert server.request("GET", PODS, token=token).status == 403
        wait_until(lambda: server.metric(HELD) == 1, 60, "the metric")
        wait_until(
            lambda: _condition(server, root).get("reason") == "HeldAfterRestore", 60, "condition"
        )
        assert not _bound(kubernetes, bob)
        assert _bound(kubernetes, carol)
        review = server.run("admin", "restore", "--review").stdout
        assert f"User {bob}" in review
        assert f"User {carol}" in review
        server.run("admin", "restore", "--accept", "--cluster", "test")
        wait_until(lambda: _bound(kubernetes, bob) and not _bound(kubernetes, carol), 60)
        _await_access(server, token)
        assert "no cluster is held" in server.run("admin", "restore", "--review").stdout
    finally:
        server.stop()


def test_restore_on_a_machine_without_configuration_names_the_options(tmp_path: Path) -> None:
    server = make_sekisho(tmp_path, (free_port(), free_port()))
    server.create_user("alice")
    server.environment["SEKISHO_BACKUP__PASSPHRASE"] = PASSPHRASE
    file = tmp_path / "backup"
    made = server.run("admin", "backup", str(file), "-o", "json").stdout
    assert json.loads(made)["rows"]["users"] == 1
    again = server.run("admin", "backup", str(file), check=False)
    assert "exists: name another file" in again.stderr
    refused = server.run("admin", "restore", str(file), check=False)
    assert "exists: move it away, or add --replace" in refused.stderr
    wrong = server.run("admin", "restore", check=False)
    assert "give one of FILE, --review and --accept" in wrong.stderr
    del server.environment["SEKISHO_BACKUP__PASSPHRASE"]
    unasked = server.run("admin", "backup", "--verify", str(file), check=False)
    assert "needs a passphrase: --passphrase-file" in unasked.stderr
