"""The image, built once before the first test that needs it.

Builds take minutes of all cores. They are made after collection, where no test's time limit counts.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.debian import install_for, need_programs
from tests.support.image_base import make_base

PROGRAMS, PACKAGES = ("buildah", "debootstrap"), ("buildah", "debootstrap")
VARIABLE = "SEKISHO_TEST_IMAGE"
"""Tests with the image run only if this variable is set, as ``make image-test`` does."""

REGISTRY = "registry.example.com/platform"
ROOT = Path(__file__).parents[2]
DOCUMENTS = ROOT / "build" / "image-test"

_NAME = pytest.StashKey[str]()
_FAILURE = pytest.StashKey[str]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the image if a collected test needs it, and the machine can."""
    needed = any("built_image" in getattr(item, "fixturenames", ()) for item in session.items)
    if not needed or session.config.option.collectonly or not os.environ.get(VARIABLE):
        return
    install_for(session, "built_image", PROGRAMS, PACKAGES)
    if _cannot_mount():
        return
    try:
        session.config.stash[_NAME] = _build()
    except (AssertionError, OSError, subprocess.CalledProcessError) as exc:
        session.config.stash[_FAILURE] = str(exc)


@pytest.fixture(scope="session")
def built_image(request: pytest.FixtureRequest) -> tuple[str, Path]:
    """Return the image's name, and the folder with the documents written beside it.

    Skips where the kernel lets this user mount nothing: neither builders nor containers run there.
    """
    need_programs(PROGRAMS, PACKAGES)
    reason = _cannot_mount()
    if reason:
        pytest.skip(f"images are built here only by root who may mount: {reason}")
    failure = request.config.stash.get(_FAILURE, "")
    if failure:
        pytest.fail(failure, pytrace=False)
    return request.config.stash[_NAME], DOCUMENTS


def _cannot_mount() -> str:
    """Return why this user cannot mount in a namespace of its own; empty if it can."""
    tries = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    done = subprocess.run(tries, capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


def _build() -> str:
    command = [sys.executable, str(ROOT / "deploy/image/build.py"), "--tool", "buildah"]
    command += ["--base", make_base(), "--registry", REGISTRY, "--output", str(DOCUMENTS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()[-1]
