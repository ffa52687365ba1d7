"""The whole end-to-end suite without the fast path, which is optional.

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
COPIED = ("agent", "config", "impersonation", "management", "providers", "proxy", "store", "tests")
SUITE = "tests/e2e"


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
    sources = [path for package in COPIED[:-1] for path in (tree / package).rglob("*.py")]
    return [str(path) for path in sources if "from proxy.fastpath" in path.read_text()]


@pytest.mark.timeout(3600)
def test_end_to_end_suite_without_fast_path_passes(tmp_path: Path, kubernetes: Kubernetes) -> None:
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
            SUITE,
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
