"""``make advisories`` fails on a finding and reports what it could not check."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECK = ROOT / "requirements/advisories.py"
PINNED = f"idna==3.1 \\\n    --hash=sha256:{'0' * 64}\njinja2==3.1.9 --hash=sha256:{'0' * 64}\n"
ADVISORY = {
    "id": "GHSA-aaaa-bbbb-cccc",
    "aliases": ["CVE-2099-0001"],
    "summary": "Something",
    "affected": [
        {
            "package": {"name": "idna", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.7"}]}],
        }
    ],
}


class Source(BaseHTTPRequestHandler):
    """An advisory source with the API of OSV."""

    known: frozenset[tuple[str, str]] = frozenset()

    def do_POST(self) -> None:
        """Return the advisories of a package."""
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        named = (query["package"]["name"], query["version"])
        body = json.dumps({"vulns": [ADVISORY]} if named in self.known else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def source(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a source with the vulnerable packages that the test names; yields its URL."""
    handler = type("Handler", (Source,), {"known": frozenset(request.param)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write a requirements file."""
    path = tmp_path / "pinned.txt"
    path.write_text(PINNED)
    return path


def run_check(tmp_path: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "no_proxy": "127.0.0.1"}
    return subprocess.run(
        [sys.executable, CHECK, *arguments], env=environment, capture_output=True, text=True
    )


@pytest.fixture
def pip_audit() -> None:
    """Require pip-audit: fail in CI or skip elsewhere if it is missing."""
    if importlib.util.find_spec("pip_audit"):
        return
    hint = "pip-audit is needed: pip install --no-deps -r requirements/advisories.txt"
    if os.environ.get("CI"):
        pytest.fail(hint, pytrace=False)
    pytest.skip(hint)


KNOWN_VULNERABLE = ("jinja2", "2.4.1")


@pytest.mark.usefixtures("pip_audit")
@pytest.mark.parametrize("source", [{KNOWN_VULNERABLE, ("idna", "3.1")}], indirect=True)
def test_advisory_fails_check_and_is_printed_with_fixed_version(
    tmp_path: Path, file: Path, source: str
) -> None:
    result = run_check(tmp_path, "--source", source, file)
    assert result.returncode == 1
    assert result.stdout == "idna 3.1: CVE-2099-0001 GHSA-aaaa-bbbb-cccc, fixed in 3.7\n"


@pytest.mark.usefixtures("pip_audit")
@pytest.mark.parametrize("source", [{KNOWN_VULNERABLE, ("idna", "3.1")}], indirect=True)
def test_ignored_advisory_is_not_reported(tmp_path: Path, file: Path, source: str) -> None:
    result = run_check(tmp_path, "--source", source, "--ignore", "CVE-2099-0001", file)
    assert (result.returncode, result.stdout) == (
        0,
        "No advisory about the releases that 1 files pin.\n",
    )


@pytest.mark.usefixtures("pip_audit")
@pytest.mark.parametrize("source", [{KNOWN_VULNERABLE}], indirect=True)
def test_all_requirements_files_can_be_checked(tmp_path: Path, source: str) -> None:
    result = run_check(tmp_path, "--source", source)
    assert (result.returncode, result.stderr) == (0, "")
    count = len(list((ROOT / "requirements").glob("*.txt")))
    assert result.stdout == f"No advisory about the releases that {count} files pin.\n"


@pytest.mark.usefixtures("pip_audit")
@pytest.mark.parametrize("source", [{KNOWN_VULNERABLE}], indirect=True)
def test_unreadable_requirements_file_exits_with_2(tmp_path: Path, file: Path, source: str) -> None:
    file.write_text("idna>=3\n")
    result = run_check(tmp_path, "--source", source, file)
    assert result.returncode == 2
    assert "The check for advisories failed" in result.stderr


@pytest.mark.parametrize("source", [set()], indirect=True)
def test_source_without_any_advisory_counts_as_not_checked(
    tmp_path: Path, file: Path, source: str
) -> None:
    result = run_check(tmp_path, "--source", source, file)
    assert result.returncode == 0
    assert "NOT CHECKED" in result.stdout


@pytest.mark.parametrize(("option", "status"), [((), 0), (("--required",), 2)])
def test_unreachable_source_fails_only_with_required_option(
    tmp_path: Path, file: Path, option: tuple[str, ...], status: int
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        source = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        result = run_check(tmp_path, "--source", source, *option, file)
    assert result.returncode == status
    assert "NOT CHECKED" in result.stdout
    assert "refused" in result.stdout
    assert result.stderr == ""


def test_ci_checks_advisories() -> None:
    assert "make --no-print-directory advisories" in (ROOT / ".ci/run").read_text()
