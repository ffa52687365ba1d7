"""The quick path of ``sekisho credential``: it prints what the command prints, or nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.cli.client import cached_token, credential_cache
from proxy.cli.client.credential_cache import Credential
from proxy.cli.main import main

SERVER = "https://sekisho.example"
COMMAND = ["credential", "--server", SERVER]
ROOT = Path(__file__).parents[4]


@contextmanager
def home(**environment: str) -> Iterator[dict[str, str]]:
    """Use an empty folder for sign-ins."""
    with TemporaryDirectory() as folder:
        values = {"XDG_CONFIG_HOME": folder, "SEKISHO_CREDENTIAL_STORE": "file", **environment}
        with mock.patch.dict(os.environ, values):
            yield dict(os.environ)


def seconds(least: int, most: int) -> st.SearchStrategy[timedelta]:
    return st.integers(least, most).map(lambda one: timedelta(seconds=one))


def optional(strategy: st.SearchStrategy[timedelta]) -> st.SearchStrategy[timedelta | None]:
    return st.none() | strategy


@settings(max_examples=100)
@given(
    token=st.text(alphabet=st.characters(max_codepoint=0x2FF, exclude_categories=["Cs"])),
    ends=optional(seconds(-100_000, 100_000)),
    issued=optional(seconds(-100_000, 0)),
    renewable=optional(seconds(-100_000, 700_000)),
    clock=seconds(-10_000, 10_000),
    zone=st.integers(-12, 14),
    requested=st.sampled_from(["", "{}", "[]", "no", '{"apiVersion": 5}', "nan"])
    | st.sampled_from(cached_token.VERSIONS).map(lambda one: json.dumps({"apiVersion": one})),
)
def test_quick_path_prints_what_the_command_prints_or_nothing(
    token: str,
    ends: timedelta | None,
    issued: timedelta | None,
    renewable: timedelta | None,
    clock: timedelta,
    zone: int,
    requested: str,
) -> None:
    # Whole seconds, and half of one: no comparison depends on the time that the test takes.
    now = datetime.now(UTC) + timedelta(seconds=0.5)
    local = now.astimezone(timezone(timedelta(hours=zone)))

    def at(distance: timedelta | None) -> datetime | None:
        return None if distance is None else local + distance

    found = Credential(
        *(SERVER, token, at(ends), "corp", at(issued), at(renewable)), clock_offset=clock
    )
    with home(KUBERNETES_EXEC_INFO=requested) as environ:
        credential_cache.save(found)
        text = cached_token.cached(COMMAND, environ)
        if text is None:
            assert not token or not found.usable or found.due
            return
        assert token
        assert found.usable
        assert not found.due
        done = CliRunner().invoke(main, COMMAND)
        assert (done.exit_code, done.stdout) == (0, text + "\n")
        assert json.dumps(json.loads(text)) == text


@pytest.mark.parametrize(
    "arguments",
    [
        ["credential", f"--server={SERVER}"],
        ["credential", "--server", f"{SERVER}:443/"],
        ["credential", "--server", " HTTPS://SEKISHO.example"],
    ],
)
def test_quick_path_finds_the_server_in_each_spelling(arguments: list[str]) -> None:
    with home() as environ:
        credential_cache.save(Credential(SERVER, "t", None))
        text = cached_token.cached(arguments, environ)
        assert text is not None
        assert json.loads(text)["status"] == {"token": "t"}
        assert CliRunner().invoke(main, arguments).stdout == text + "\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["credential"],
        ["credential", "--server"],
        ["credential", "--help"],
        ["credential", "--server", "https://other.example"],
        ["credential", "--server", "https://\udc80"],
        ["credential", "-c", "x", "--server", SERVER],
        ["-c", "x", "credential", "--server", SERVER],
        ["login", "--server", SERVER],
    ],
)
def test_quick_path_leaves_other_commands_to_click(arguments: list[str]) -> None:
    with home() as environ:
        credential_cache.save(Credential(SERVER, "t", None))
        assert cached_token.cached(arguments, environ) is None


@pytest.mark.parametrize(
    "change",
    [
        {"token": None},
        {"token": ""},
        {"token": 5},
        {"expires_at": "soon"},
        {"expires_at": "2999-01-01T00:00:00"},
        {"expires_at": 5},
        {"renewable_until": 5},
        {"clock_offset": "x"},
    ],
    ids=str,
)
def test_quick_path_leaves_unusual_files_to_the_command(change: dict[str, Any]) -> None:
    with home() as environ:
        ends = datetime.now(UTC) + timedelta(hours=9)
        credential_cache.save(Credential(SERVER, "t", ends))
        [file] = credential_cache.folder().iterdir()
        data = json.loads(file.read_text())
        assert cached_token.cached(COMMAND, environ) is not None
        file.write_text(json.dumps(data | change))
        assert cached_token.cached(COMMAND, environ) is None
        for text in ("", "[]", "{", "null", '{"token": "t", "expires_at": null} x', "\0"):
            file.write_text(text)
            assert cached_token.cached(COMMAND, environ) is None


def test_quick_path_without_a_home_folder_prints_nothing() -> None:
    with mock.patch.object(os.path, "expanduser", lambda text: text):
        assert cached_token.cached(COMMAND, {}) is None


def test_quick_path_works_without_modules_in_c() -> None:
    """Other implementations of Python may lack them."""
    program = (
        "import sys\n"
        "for name in ('_datetime', '_json', '_sha2', '_sha256'): sys.modules[name] = None\n"
        "from proxy.cli.entry import main\n"
        "main()"
    )
    with home() as environ:
        credential_cache.save(Credential(SERVER, "t\n", datetime.now(UTC) + timedelta(hours=9)))
        text = cached_token.cached(COMMAND, environ)
        done = subprocess.run(
            [sys.executable, "-c", program, *COMMAND],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
    assert done.stdout == f"{text}\n"


def test_quick_path_imports_almost_nothing() -> None:
    """Every kubectl call pays for it; ``python -m bench.credential`` measures how much."""
    program = (
        "import os, sys\nbefore = set(sys.modules)\nfrom proxy.cli.entry import main\n"
        "main()\nprint(*sorted(set(sys.modules) - before), file=sys.stderr)"
    )
    with home() as environ:
        credential_cache.save(Credential(SERVER, "t", datetime.now(UTC) + timedelta(hours=9)))
        done = subprocess.run(
            [sys.executable, "-S", "-c", program, *COMMAND],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env=environ,
        )
    loaded = set(done.stderr.split()) - {"_sha2", "_sha256"}
    assert loaded <= {
        *("proxy", "proxy.cli", "proxy.cli.entry", "proxy.cli.client"),
        *("proxy.cli.client.cached_token", "_datetime", "_json"),
    }


def test_closed_pipe_ends_the_quick_path_silently() -> None:
    with home() as environ:
        credential_cache.save(Credential(SERVER, "t", None))
        reader, writer = os.pipe()
        os.close(reader)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "proxy", *COMMAND],
                stdout=writer,
                stderr=subprocess.PIPE,
                cwd=ROOT,
                env=environ,
                check=False,
            )
        finally:
            os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")
