"""The end-to-end tests of the request path without the fast path, which is optional.

The fast path only takes requests of clients to clusters. So those modules run again whose subject
is such a request: who may send it, what the cluster gets, what the client gets, when it ends, what
is counted and written about it. The others send requests to clusters only to see the effect of
something else (pages, orders, restores, searches, a directory), on a path that these cover.

The test removes the fast path as a developer would: it copies the tree, deletes proxy/fastpath and
the lines of proxy/app.py that are marked "# fast path", and runs the suite there. A switch would
leave the code imported, and would itself be code to secure.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.isolation import PROCESS_VARIABLE
from tests.support.kubernetes import Kubernetes

ROOT = Path(__file__).parents[2]
MARK = "# fast path\n"
PACKAGES = ("agent", "config", "impersonation", "management", "providers", "proxy", "store")
COPIED = (*PACKAGES, "tests", "docs", "bench")
SUITE = Path("tests/e2e")
SUBJECTS = {
    "test_agent_reach": "every kind of request, to clusters with and without an agent",
    "test_api_server_failover": "retries when an API server fails",
    "test_audit_log": "what the audit log has about a request",
    "test_external_tokens": "tokens that are not Sekisho's, exchanged or direct",
    "test_kubectl": "what clients send and get, also lists in chunks",
    "test_kubectl_streams": "watches, upgraded connections, and long responses",
    "test_limits": "rates and concurrency of requests",
    "test_monitoring": "metrics, logs, and the token cache",
    "test_overload": "requests that are refused under load",
    "test_proxy": "authentication, authorization, framing, and a stop of the server",
    "test_requests_on_behalf": "requests of Sekisho's API in the caller's name",
    "test_revocation": "when access ends",
    "test_running_requests": "requests that end with their permission",
    "test_traces": "spans of a request, and the trace context",
    "test_workload_token_scopes": "tokens that may do less than their users",
    "test_wrong_cluster": "clusters that do not exist, or not for the caller",
}
"""Modules that run again, and what the fast path has to do with them."""

HELPER = "tests.e2e.raw_requests"
"""What modules use that look at single requests."""


def copy_without_fast_path(target: Path) -> None:
    """Copy the tree, except the fast path, its tests, and its lines in the application."""
    ignored = shutil.ignore_patterns("__pycache__", "fastpath", Path(__file__).name)
    for package in COPIED:
        shutil.copytree(ROOT / package, target / package, ignore=ignored)
    for name in ("pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, target)
    app = target / "proxy" / "app.py"
    lines = app.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.endswith(MARK)]
    assert len(kept) == len(lines) - 2
    app.write_text("".join(kept))


def importers(tree: Path) -> list[str]:
    """Return the modules outside tests that import the fast path."""
    sources = [path for package in PACKAGES for path in (tree / package).rglob("*.py")]
    return [str(path) for path in sources if "from proxy.fastpath" in path.read_text()]


def test_modules_that_look_at_single_requests_run_again() -> None:
    texts = {one.stem: one.read_text() for one in (ROOT / SUITE).glob("test_*.py")}
    users = {name for name, text in texts.items() if HELPER in text}
    assert users - SUBJECTS.keys() == {Path(__file__).stem}
    assert SUBJECTS.keys() - texts.keys() == set()


@pytest.mark.timeout(3600)
def test_request_path_without_fast_path_passes_its_tests(
    tmp_path: Path, kubernetes: Kubernetes
) -> None:
    # The fixture has built Kubernetes, so that the copy finds it in the cache.
    copy_without_fast_path(tmp_path)
    assert importers(tmp_path) == []
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    environment |= {"PYTHONPATH": str(tmp_path), PROCESS_VARIABLE: "9"}
    environment.pop("PYTHONSAFEPATH", None)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            *(str(SUITE / f"{name}.py") for name in SUBJECTS),
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    where = subprocess.run(
        [sys.executable, "-c", "import proxy.app; print(proxy.app.__file__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.strip() == str(tmp_path / "proxy" / "app.py")
