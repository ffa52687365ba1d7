"""A base image for tests, where no registry can be reached: Debian with its own Python.

debootstrap makes it from Debian's mirror. The Dockerfile's base is Debian's too, with a Python of
its own; the rest of the build is the same.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SUITE = "trixie"
BASE = "localhost/sekisho-test-base:trixie"
PACKAGES = ("ca-certificates", "python3", "python3-dev", "python3-venv", "python-is-python3")
MIRROR = "http://deb.debian.org/debian"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def make_base() -> str:
    """Return the base's name; make it unless it exists. ``buildah rmi`` removes it."""
    if subprocess.run(["buildah", "inspect", BASE], capture_output=True).returncode == 0:
        return BASE
    folder = Path(tempfile.mkdtemp(prefix="sekisho-base-"))
    try:
        run(
            "debootstrap",
            "--variant=minbase",
            f"--include={','.join(PACKAGES)}",
            SUITE,
            folder,
            MIRROR,
        )
        if CERTIFICATES.exists():
            # pip inside the build may have to trust what this machine trusts.
            shutil.copyfile(CERTIFICATES, folder / CERTIFICATES.relative_to("/"))
        shutil.rmtree(folder / "var/cache/apt/archives", ignore_errors=True)
        container = run("buildah", "from", "scratch").strip()
        run("buildah", "add", "--quiet", container, f"{folder}/", "/")
        run("buildah", "commit", "--quiet", container, BASE)
        run("buildah", "rm", container)
    finally:
        shutil.rmtree(folder)
    return BASE


def run(*command: str | Path) -> str:
    """Run a program, and return its output."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout
