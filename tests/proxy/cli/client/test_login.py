"""``login``, ``credential`` and ``logout`` on a user's machine, with a running server."""

import json
import stat
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.proxy.cli.client.login import login
from tests.support.sekisho import PASSWORD, Sekisho, free_port


def test_credential_exists_from_login_to_logout(laptop: Sekisho, server: Sekisho) -> None:
    done = login(laptop, server)
    assert done.stdout.startswith("signed in as alice (u-"), done.stderr
    [kept] = (laptop.folder / "home" / "sekisho" / "credentials").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    printed = json.loads(laptop.run("credential", "--server", server.url + "/").stdout)
    assert printed["apiVersion"] == "client.authentication.k8s.io/v1"
    assert printed["kind"] == "ExecCredential"
    ends = datetime.strptime(printed["status"]["expirationTimestamp"], "%Y-%m-%dT%H:%M:%S%z")
    assert timedelta(hours=15) < ends - datetime.now(UTC) < timedelta(hours=17)
    token = printed["status"]["token"]
    assert server.request("GET", "/v1/me", token=token).status == 200
    ca_file = str(server.folder / "data" / "tls" / "ca.crt")
    laptop.run("logout", "--server", server.url, "--ca-file", ca_file)
    assert server.request("GET", "/v1/me", token=token).status == 401
    assert laptop.run("credential", "--server", server.url, check=False).returncode == 1
    again = laptop.run("logout", "--server", server.url, check=False)
    assert again.stderr == f"sekisho: error: you are not signed in to {server.url}\n"


def test_rejected_login_is_reported_on_one_line_and_stores_nothing(
    laptop: Sekisho, server: Sekisho
) -> None:
    done = login(laptop, server, "wrong")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("sekisho: error: ")
    assert not (laptop.folder / "home").exists()


def test_login_with_an_unknown_provider_is_reported_on_one_line(
    laptop: Sekisho, server: Sekisho
) -> None:
    done = login(laptop, server, PASSWORD, "--provider", "no/pe")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_login_after_too_many_attempts_reports_the_time_to_wait(
    laptop: Sekisho, server: Sekisho
) -> None:
    done = [login(laptop, server, "wrong", "--username", "mallory") for _ in range(6)][-1]
    assert "try again in" in done.stderr
    assert done.stderr.count("seconds") == 1
    assert done.returncode == 1


def test_login_with_an_untrusted_certificate_fails(laptop: Sekisho, server: Sekisho) -> None:
    command = ("login", "--server", server.url, "--provider", "local", "--username", "alice")
    done = laptop.run(*command, "--password-stdin", stdin=PASSWORD, check=False)
    assert done.returncode == 1
    assert "can't be verified: give its CA with --ca-file" in done.stderr


@pytest.mark.parametrize("url", ["http://server.example.com", "server.example.com", "ftp://x"])
def test_login_without_https_sends_no_password(laptop: Sekisho, url: str) -> None:
    command = ("login", "--server", url, "--provider", "local", "--username", "alice")
    done = laptop.run(*command, "--password-stdin", stdin=PASSWORD, check=False)
    assert done.stderr == (
        "sekisho: error: --server must begin with https://, because it gets your password\n"
    )


def test_login_at_an_unreachable_server_is_reported_on_one_line(laptop: Sekisho) -> None:
    url = f"https://127.0.0.1:{free_port()}"
    command = ("login", "--server", url, "--provider", "local", "--username", "alice")
    done = laptop.run(*command, "--password-stdin", stdin=PASSWORD, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"sekisho: error: {url} can't be reached: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (200, b"<html>", "did not respond like Sekisho; is --server right?"),
        (200, b"[1]", "did not respond like Sekisho; is --server right?"),
        (200, b'{"token": "t", "expires_at": 5}', "did not respond like Sekisho"),
        (502, b"<html>bad gateway", "the server responded 502"),
        (302, b"", "the server responded 302"),
        (503, b'{"detail": "corp is down"}', "corp is down; try again in 7 seconds"),
        (503, b'{"detail": "down; try again"}', "down; try again in 7 seconds"),
        (401, b'{"detail": "no\\u001b[2J\\nway"}', "no [2J way"),
    ],
)
def test_response_of_another_server_is_reported_on_one_plain_line(
    laptop: Sekisho, status: int, body: bytes, message: str
) -> None:
    """Cover a load balancer, another product and an attacker, on loopback, which allows http."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Retry-After", "7")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{other.server_port}"
        command = ("login", "--server", url, "--provider", "local", "--username", "alice")
        done = laptop.run(*command, "--password-stdin", stdin=PASSWORD, check=False)
        other.shutdown()
        thread.join()
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "\x1b" not in done.stderr
    assert message in done.stderr


def test_one_time_password_is_changed_at_login(laptop: Sekisho, server: Sekisho) -> None:
    one_time, chosen = "a password of the operator's", "a password that dora chose"
    server.run(
        *("admin", "user", "create", "dora", "--password-stdin", "--must-change"),
        stdin=f"{one_time}\n",
    )
    ca_file = str(server.folder / "data" / "tls" / "ca.crt")
    command = ("login", "--server", server.url, "--provider", "local", "--username", "dora")
    options = ("--password-stdin", "--ca-file", ca_file)
    unchanged = laptop.run(*command, *options, stdin=f"{one_time}\n", check=False)
    assert unchanged.returncode == 1
    assert "second line" in unchanged.stderr
    assert laptop.run("credential", "--server", server.url, check=False).returncode == 1
    same = laptop.run(*command, *options, stdin=f"{one_time}\n{one_time}\n", check=False)
    assert "must not be the current one" in same.stderr
    done = laptop.run(*command, *options, stdin=f"{one_time}\n{chosen}\n")
    assert done.stdout.startswith("signed in as dora (u-")
    printed = json.loads(laptop.run("credential", "--server", server.url).stdout)
    me = server.request("GET", "/v1/me", token=printed["status"]["token"])
    assert (me.status, me.json()["must_change_password"]) == (200, False)
    refused = laptop.run(*command, *options, stdin=f"{one_time}\n{chosen}\n", check=False)
    assert refused.returncode == 1


def test_password_set_with_must_change_is_changed_at_login(
    laptop: Sekisho, server: Sekisho
) -> None:
    server.run("admin", "user", "create", "emil", "--password-stdin", stdin="a password for emil\n")
    ca_file = str(server.folder / "data" / "tls" / "ca.crt")
    command = ("login", "--server", server.url, "--provider", "local", "--username", "emil")
    options = ("--password-stdin", "--ca-file", ca_file)
    laptop.run(*command, *options, stdin="a password for emil\n")
    server.run(
        *("admin", "user", "set-password", "emil", "--password-stdin", "--must-change"),
        stdin="another password for emil\n",
    )
    done = laptop.run(*command, *options, stdin="another password for emil\n", check=False)
    assert "second line" in done.stderr


@pytest.mark.parametrize("made", ["zo\u00eb", "zoe\u0308"], ids=["composed", "decomposed"])
def test_username_signs_in_in_every_unicode_normalization(
    laptop: Sekisho, server: Sekisho, request: pytest.FixtureRequest, made: str
) -> None:
    suffix = request.node.callspec.id
    server.create_user(f"{made}-{suffix}")
    ca_file = str(server.folder / "data" / "tls" / "ca.crt")
    for typed in ("zo\u00eb", "zoe\u0308", "ZO\u00cb", "\uff5ao\u00eb"):
        laptop.run(
            *("login", "--server", server.url, "--provider", "local"),
            *("--username", f"{typed}-{suffix}", "--password-stdin", "--ca-file", ca_file),
            stdin=f"{PASSWORD}\n",
        )
    assert server.run("admin", "token", "create", "--user", f"zo\u00eb-{suffix}").stdout
