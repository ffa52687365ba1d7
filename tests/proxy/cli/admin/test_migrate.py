"""A server that moves from SQLite to PostgreSQL."""

import json
from pathlib import Path

import pytest

from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import PASSWORD, Sekisho, await_bindings, free_port, make_sekisho


@pytest.fixture
def server(kubernetes: Kubernetes, tmp_path: Path) -> Sekisho:
    made = make_sekisho(tmp_path, (free_port(), free_port()))
    made.run("admin", "cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig))
    made.create_user("alice")
    made.run("admin", "cluster", "grant", "test", "--user", "alice", "--role", "member")
    return made


def test_migrated_server_signs_users_in_and_accepts_their_tokens(
    server: Sekisho, postgres_database: str, tmp_path: Path
) -> None:
    token = server.token("alice")
    url_file = tmp_path / "url"
    url_file.write_text(postgres_database + "\n")
    server.start()
    refused = server.run("admin", "migrate", "--to-file", str(url_file), check=False)
    assert refused.returncode == 1
    assert "is in use: stop the server" in refused.stderr
    server.stop()
    copied = json.loads(
        server.run("admin", "migrate", "--to-file", str(url_file), "-o", "json").stdout
    )
    assert (copied["clusters"], copied["users"]) == (1, 1)
    server.environment["SEKISHO_STORE__URL"] = postgres_database
    server.start()
    try:
        await_bindings(server)
        path = "/k8s/clusters/test/api/v1/namespaces/default/configmaps"
        assert server.request("GET", path, token=token).status == 200
        credentials = {"username": "alice", "password": PASSWORD}
        signed_in = server.request("POST", "/v1/login/local", body=credentials)
        assert signed_in.status == 200, signed_in.body
    finally:
        server.stop()


def test_migrate_without_a_database_names_the_options(server: Sekisho) -> None:
    done = server.run("admin", "migrate", check=False)
    assert done.returncode == 2
    assert "--to-file or $SEKISHO_MIGRATE_TO" in done.stderr


def test_password_of_an_unreachable_database_is_not_shown(server: Sekisho) -> None:
    server.environment["SEKISHO_MIGRATE_TO"] = "postgresql://u:secret-1@127.0.0.1:1/x"
    done = server.run("admin", "migrate", check=False)
    assert done.returncode == 1
    assert "nothing listens there" in done.stderr
    assert "secret-1" not in done.stderr
