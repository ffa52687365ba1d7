"""``login``, ``credential`` and ``logout`` on a user's machine, with a running server."""

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli.client import credential_cache
from proxy.cli.client.clock import clock_warning
from proxy.cli.client.credential_cache import Credential
from proxy.cli.client.server_client import Reply
from proxy.cli.client.sign_in_response import credential_of
from proxy.cli.main import main
from tests.support.sekisho import PASSWORD, Sekisho, free_port, make_sekisho


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    made = make_sekisho(tmp_path_factory.mktemp("server"), (free_port(), free_port()))
    made.create_user("alice")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def laptop(server: Sekisho, tmp_path: Path) -> Sekisho:
    """Return the command as on a user's machine, without a configuration."""
    made = Sekisho(tmp_path, server.port, server.metrics_port)
    made.environment = {
        "XDG_CONFIG_HOME": str(tmp_path / "home"),
        "SEKISHO_CONFIG": str(tmp_path / "missing.yaml"),
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


def test_expired_sign_in_names_the_login_command_with_its_provider(
    monkeypatch: pytest.MonkeyPatch, laptop: Sekisho
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", laptop.environment["XDG_CONFIG_HOME"])
    ended = datetime.now(UTC) - timedelta(seconds=1)
    credential_cache.save(Credential("https://Server.Example:443/", "session-x:y", ended, "corp"))
    done = laptop.run("credential", "--server", "https://server.example", check=False)
    assert done.stderr.startswith(
        "sekisho: error: your sign-in has expired by this machine's clock"
    )
    assert done.stderr.endswith(
        ": run `sekisho login --server https://server.example --provider corp`\n"
    )
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("hours", [17, -17])
def test_wrong_clock_does_not_end_the_sign_in(
    laptop: Sekisho, server: Sekisho, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """Cover a credential stored by a machine whose clock is wrong by ``hours``."""
    login(laptop, server)
    monkeypatch.setenv("XDG_CONFIG_HOME", laptop.environment["XDG_CONFIG_HOME"])
    kept = credential_cache.load(server.url)
    assert kept is not None
    assert kept.expires_at is not None
    # For a clock that is ahead, all times from the server are in the past.
    moved = replace(kept, expires_at=kept.expires_at - timedelta(hours=hours))
    credential_cache.save(moved)
    done = laptop.run("credential", "--server", server.url)
    printed = json.loads(done.stdout)["status"]
    assert server.request("GET", "/v1/me", token=printed["token"]).status == 200


def test_stored_expiry_uses_the_servers_clock_and_kubectl_gets_local_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    ahead = Reply(200, {"token": "t", "expires_at": (now - timedelta(hours=1)).isoformat()}, None)
    behind = replace(ahead, date=now - timedelta(hours=17))
    found = credential_of(behind, server="https://server", provider="local", ca_pem=None)
    assert found.usable
    assert timedelta(hours=16.9) < -found.clock_offset < timedelta(hours=17.1)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    credential_cache.save(found)
    assert credential_cache.load("https://server") == found
    done = CliRunner().invoke(main, ["credential", "--server", "https://server"])
    ends = json.loads(done.stdout)["status"]["expirationTimestamp"]
    local = datetime.strptime(ends, "%Y-%m-%dT%H:%M:%S%z")
    assert timedelta(hours=15.9) < local - now < timedelta(hours=16.1)
    assert "17 h 0 min ahead of" in clock_warning(found.clock_offset - timedelta(seconds=9))
    assert not credential_of(ahead, server="https://server", provider="x", ca_pem=None).usable


@pytest.mark.parametrize("fault", [errno.EROFS, errno.ENOSPC, errno.EACCES, errno.EDQUOT])
def test_valid_token_is_used_if_the_cache_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: int
) -> None:
    """The token is due for renewal, but is not renewed, as the new one could not be stored."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    now = datetime.now(UTC)
    soon, later = now + timedelta(minutes=5), now + timedelta(hours=9)
    kept = Credential("https://server.invalid", "t", soon, renewable_until=later)
    credential_cache.save(kept)
    assert kept.due

    def fails(*_: object, **__: object) -> int:
        raise OSError(fault, "x", "secret-path")

    monkeypatch.setattr("tempfile.mkstemp", fails)
    done = CliRunner().invoke(main, ["credential", "--server", "https://server.invalid"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["status"]["token"] == "t"
    assert len(done.stderr.splitlines()) == 1
    assert os.strerror(fault).lower() in done.stderr


def test_damaged_cache_counts_as_no_sign_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    credential_cache.save(Credential("https://server", "t", None))
    [file] = (tmp_path / "sekisho" / "credentials").iterdir()
    for text in ("", "[]", "{}", '{"token": "t", "expires_at": "soon"}', "\0"):
        file.write_text(text)
        assert credential_cache.load("https://server") is None


def test_credential_command_imports_no_heavy_module() -> None:
    program = """
import sys
from proxy.cli.main import main
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
        cwd=Path(__file__).parents[4],
    )
    assert done.stdout == "[]\n"


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
