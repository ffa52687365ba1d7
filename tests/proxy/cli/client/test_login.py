"""``login``, ``credential`` and ``logout`` from one's own machine, against a running server."""

import json
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from proxy.cli import credential_cache
from proxy.cli.credential_cache import Credential
from tests.parts.sekisho import PASSWORD, Sekisho, free_port, make_sekisho


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    made = make_sekisho(tmp_path_factory.mktemp("server"), (free_port(), free_port()))
    made.create_user("alice")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def laptop(server: Sekisho, tmp_path: Path) -> Sekisho:
    """Somebody's own machine: the command, no configuration."""
    made = Sekisho(tmp_path, server.port, server.metrics_port)
    made.environment = {
        "XDG_CONFIG_HOME": str(tmp_path / "home"),
        "SEKISHO_CONFIG": str(tmp_path / "there-is-none.yaml"),
    }
    return made


def login(
    laptop: Sekisho, server: Sekisho, password: str = PASSWORD, *options: str
) -> subprocess.CompletedProcess[str]:
    ca_file = str(server.folder / "data" / "tls" / "ca.crt")
    return laptop.run(
        *("login", "--server", server.url, "--provider", "local", "--username", "alice"),
        *("--password-stdin", "--ca-file", ca_file, *options),
        stdin=f"{password}\n",
        check=False,
    )


def test_who_signs_in_has_a_credential_until_the_sign_out(laptop: Sekisho, server: Sekisho) -> None:
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
    assert server.ask("GET", "/v1/me", token=token).status == 200
    ca_file = str(server.folder / "data" / "tls" / "ca.crt")
    laptop.run("logout", "--server", server.url, "--ca-file", ca_file)
    assert server.ask("GET", "/v1/me", token=token).status == 401
    assert laptop.run("credential", "--server", server.url, check=False).returncode == 1
    again = laptop.run("logout", "--server", server.url, check=False)
    assert again.stderr == f"sekisho: error: you are not signed in to {server.url}\n"


def test_a_refused_sign_in_is_one_line_and_keeps_nothing(laptop: Sekisho, server: Sekisho) -> None:
    done = login(laptop, server, "wrong")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("sekisho: error: ")
    assert not (laptop.folder / "home").exists()


def test_an_unknown_provider_is_told(laptop: Sekisho, server: Sekisho) -> None:
    done = login(laptop, server, PASSWORD, "--provider", "no/pe")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_too_many_attempts_are_told_with_the_time_to_wait(laptop: Sekisho, server: Sekisho) -> None:
    done = [login(laptop, server, "wrong", "--username", "mallory") for _ in range(6)][-1]
    assert "try again in" in done.stderr
    assert done.stderr.count("seconds") == 1
    assert done.returncode == 1


def test_a_certificate_that_nobody_vouches_for_is_not_believed(
    laptop: Sekisho, server: Sekisho
) -> None:
    command = ("login", "--server", server.url, "--provider", "local", "--username", "alice")
    done = laptop.run(*command, "--password-stdin", stdin=PASSWORD, check=False)
    assert done.returncode == 1
    assert "can't be verified: give its CA with --ca-file" in done.stderr


@pytest.mark.parametrize("url", ["http://gate.example.com", "gate.example.com", "ftp://x"])
def test_a_password_is_not_sent_in_the_clear(laptop: Sekisho, url: str) -> None:
    command = ("login", "--server", url, "--provider", "local", "--username", "alice")
    done = laptop.run(*command, "--password-stdin", stdin=PASSWORD, check=False)
    assert done.stderr == (
        "sekisho: error: --server must begin with https://: a password travels over it\n"
    )


def test_a_server_that_is_not_there_is_told(laptop: Sekisho) -> None:
    url = f"https://127.0.0.1:{free_port()}"
    command = ("login", "--server", url, "--provider", "local", "--username", "alice")
    done = laptop.run(*command, "--password-stdin", stdin=PASSWORD, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"sekisho: error: {url} can't be reached: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<html>", "did not answer as Sekisho does; is --server right?"),
        (200, b"[1]", "did not answer as Sekisho does; is --server right?"),
        (200, b'{"token": "t", "expires_at": 5}', "did not answer as Sekisho does"),
        (502, b"<html>bad gateway", "the server answered 502"),
        (302, b"", "the server answered 302"),
        (503, b'{"detail": "corp is down"}', "corp is down; try again in 7 seconds"),
        (401, b'{"detail": "no\\u001b[2J\\nway"}', "no [2J way"),
    ],
)
def test_whatever_else_answers_is_told_on_one_plain_line(
    laptop: Sekisho, status: int, body: bytes, said: str
) -> None:
    """A load balancer, another product, a hostile one: on loopback, where http is allowed."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Retry-After", "7")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

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
    assert said in done.stderr


def test_an_ended_sign_in_names_the_command_with_its_provider(
    monkeypatch: pytest.MonkeyPatch, laptop: Sekisho
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", laptop.environment["XDG_CONFIG_HOME"])
    ended = datetime.now(UTC) - timedelta(seconds=1)
    credential_cache.save(Credential("https://Gate.Example:443/", "session-x:y", ended, "corp"))
    done = laptop.run("credential", "--server", "https://gate.example", check=False)
    assert done.stderr == (
        "sekisho: error: your sign-in has ended: "
        "run `sekisho login --server https://gate.example --provider corp`\n"
    )


def test_a_damaged_cache_is_no_sign_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    credential_cache.save(Credential("https://gate", "t", None))
    [file] = (tmp_path / "sekisho" / "credentials").iterdir()
    for text in ("", "[]", "{}", '{"token": "t", "expires_at": "soon"}', "\0"):
        file.write_text(text)
        assert credential_cache.load("https://gate") is None


def test_what_kubectl_runs_on_every_call_loads_little() -> None:
    program = """
import sys
from proxy.cli import main
try:
    main(["credential", "--server", "https://nowhere.example"])
except SystemExit:
    heavy = "aiohttp sqlalchemy kubernetes_asyncio pydantic structlog cryptography yaml".split()
    print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout == "[]\n"
