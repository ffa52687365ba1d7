"""The credential that ``login`` stores, and ``credential`` gives to kubectl."""

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli.client import credential_cache
from proxy.cli.client.clock import clock_warning
from proxy.cli.client.credential_cache import Credential
from proxy.cli.client.server_client import Reply
from proxy.cli.client.sign_in_response import credential_of
from proxy.cli.main import main
from tests.proxy.cli.client.login import login
from tests.support.sekisho import Sekisho


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
