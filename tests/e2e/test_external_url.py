"""external_url changes: what was made for the old URL works while the certificate has its host."""

import http.client
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from tests.support.kubernetes import Kubernetes, kubectl
from tests.support.sekisho import (
    PASSWORD,
    Sekisho,
    await_bindings,
    free_port,
    make_sekisho,
    running,
)

OLD, NEW = "old.example.com", "new.example.com"
GITHUB = "{type: github, name: github, client_id: x, client_secret: y, allowed_users: [alice]}"


@pytest.fixture
def server(kubernetes: Kubernetes, tmp_path: Path) -> Iterator[Sekisho]:
    extra = f"providers: [{{type: local, name: local}}, {GITHUB}]\n"
    made = make_sekisho(tmp_path, (free_port(), free_port()), extra)
    named(made, OLD)
    made.prepare(
        "admin", "cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig)
    )
    made.create_user("alice")
    made.prepare("admin", "cluster", "grant", "test", "--user", "alice", "--role", "member")
    with running(made):
        await_bindings(made)
        yield made


def named(server: Sekisho, host: str, *more: str) -> None:
    """Set the host of external_url, and more names of the certificate."""
    server.environment["SEKISHO_SERVER__EXTERNAL_URL"] = f"https://{host}:{server.port}"
    text = server.config.read_text().replace(", tls: {names: [old.example.com]}", "")
    if more:
        text = text.replace(
            f':{server.port}"', f':{server.port}", tls: {{names: [{", ".join(more)}]}}', 1
        )
    server.config.write_text(text)


def accepts(server: Sekisho, host: str) -> bool:
    """Return whether a client that trusts Sekisho's CA accepts the server as ``host``."""
    trust = ssl.create_default_context(cafile=str(server.folder / "data" / "tls" / "ca.crt"))
    try:
        with socket.create_connection(("127.0.0.1", server.port), 60) as plain:
            trust.wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError:
        return False
    return True


def reads(server: Sekisho, kubeconfig: Path, host: str) -> bool:
    """Return whether a kubeconfig works, with a name that leads to this machine."""
    url = f"https://127.0.0.1:{server.port}/k8s/clusters/test"
    options = (f"--server={url}", f"--tls-server-name={host}")
    return kubectl(kubeconfig, *options, "get", "configmaps").returncode == 0


def sent_redirect_uri(server: Sekisho) -> str:
    """Return the redirect URI of a sign-in in the browser."""
    answer = server.request("GET", "/v1/login/github/start")
    assert answer.status in {302, 303}, answer.body
    [uri] = parse_qs(urlsplit(answer.headers["Location"]).query)["redirect_uri"]
    return uri


def test_old_kubeconfigs_and_sessions_work_while_the_certificate_has_the_old_name(
    server: Sekisho,
) -> None:
    config = server.kubeconfig("alice")
    body = {"username": "alice", "password": PASSWORD}
    session = server.request("POST", "/v1/login/local", body=body).json()["token"]
    assert reads(server, config, OLD)
    assert not accepts(server, NEW)
    assert sent_redirect_uri(server) == f"https://{OLD}:{server.port}/v1/login/github/callback"
    server.stop()
    named(server, NEW, OLD)
    server.start()
    assert reads(server, config, OLD)
    assert server.request("GET", "/v1/me", token=session).status == 200
    assert sent_redirect_uri(server) == f"https://{NEW}:{server.port}/v1/login/github/callback"
    former = yaml.safe_load(config.read_text())["clusters"][0]["cluster"]
    made = server.kubeconfig("alice")
    present = yaml.safe_load(made.read_text())["clusters"][0]["cluster"]
    assert urlsplit(former["server"]).hostname == OLD
    assert urlsplit(present["server"]).hostname == NEW
    assert present["certificate-authority-data"] == former["certificate-authority-data"]
    assert reads(server, made, NEW)
    server.stop()
    named(server, NEW)
    server.start()
    assert accepts(server, NEW)
    assert not accepts(server, OLD)


def test_page_of_the_old_url_may_not_change_anything(server: Sekisho) -> None:
    server.stop()
    named(server, NEW, OLD)
    server.start()
    body = {"username": "alice", "password": PASSWORD, "session": True}
    statuses = {
        host: server.request(
            "POST",
            "/v1/login/local",
            body=body,
            headers={"Origin": f"https://{host}:{server.port}", "Sec-Fetch-Site": "same-origin"},
        ).status
        for host in (OLD, NEW)
    }
    assert statuses == {OLD: http.client.FORBIDDEN, NEW: http.client.OK}
