"""``sekisho agent`` refuses options that it cannot work with, and imports little."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli.main import main

HTTPS = ("--server", "https://sekisho.example")
API = ("--api-server", "10.0.0.1:443")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (API, "--server (or $SEKISHO_SERVER) must be a URL"),
        (("--server", "https://", *API), "must be a URL"),
        (("--server", "https://[", *API), "must be a URL"),
        (("--server", "https://me:hush@sekisho.example", *API), "must be a URL"),
        (("--server", "https://sekisho.example?x=1", *API), "must be a URL"),
        (("--server", "http://sekisho.example", *API), "must begin with https://"),
        (("--server", "ftp://127.0.0.1", *API), "must begin with https://"),
        (HTTPS, "$KUBERNETES_SERVICE_HOST and $KUBERNETES_SERVICE_PORT are not set"),
        ((*HTTPS, "--api-server", ":443"), "--api-server must have a host and a port"),
        ((*HTTPS, "--api-server", "10.0.0.1:0"), "--api-server must have a host and a port"),
        ((*HTTPS, "--api-server", "fd00::1:443"), "an IPv6 address goes in brackets"),
        ((*HTTPS, *API, "--health-listen", "x"), "--health-listen: 'x' is not host:port"),
    ],
)
def test_unusable_option_is_reported_on_one_line(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], reason: str
) -> None:
    for name in ("SEKISHO_SERVER", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    done = CliRunner().invoke(main, ["agent", "--token-file", "/no/such", *options])
    assert done.exit_code == 1, done.output
    [line] = done.stderr.splitlines()
    assert reason in line
    assert "hush" not in line


@pytest.mark.parametrize("options", [(), ("--tunnels", "0"), ("--tunnels", "17"), ("--grace", "x")])
def test_missing_or_invalid_option_is_a_usage_error(options: tuple[str, ...]) -> None:
    token = ("--token-file", "/no/such") if options else ()
    done = CliRunner().invoke(main, ["agent", *HTTPS, *API, *token, *options])
    assert done.exit_code == 2


def test_address_for_probes_that_is_in_use_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = ["agent", "--token-file", "/no/such", *HTTPS, *API, "--health-listen", address]
        done = subprocess.run(
            [sys.executable, "-m", "proxy", *command], capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert "sekisho: error: address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_agent_imports_no_library_of_the_server() -> None:
    code = (
        "import sys, agent.run.program, proxy.cli.agent, proxy.logs.setup, uvloop;"
        "print(*{one.partition('.')[0] for one in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"aiohttp", "pydantic", "sqlalchemy", "cryptography", "management", "store", "jinja2"}
    assert not heavy & set(done.stdout.split())
