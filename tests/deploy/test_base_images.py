"""Every base image is pinned by its digest, because a tag can be moved."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.base_image import BASE, pinned

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"[a-z0-9./_-]{1,200}(:[\w.-]{1,128})?@sha256:[0-9a-f]{64}")
STAGE = re.compile(
    r"^FROM\s+(?:--\S+\s+)?(\S+)(?:\s+AS\s+(\S+))?\s*$", re.MULTILINE | re.IGNORECASE
)
ARGUMENT = re.compile(r"^ARG\s+(\w+)=(\S+)$", re.MULTILINE)


def image_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*Dockerfile*", "*Containerfile*"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / line for line in listed.stdout.split()]


def bases(text: str) -> list[str]:
    """Return the images that stages are based on or copy files from."""
    first = text.partition("\nFROM ")[0]
    values = dict(ARGUMENT.findall(first))
    stages, found = set(), []
    for image, name in STAGE.findall(text):
        whole = re.sub(r"\$\{?(\w+)\}?", lambda match: values.get(match[1], match[0]), image)
        if whole not in stages:
            found.append(whole)
        stages.add(name)
    return found + [one for one in re.findall(r"--from=(\S+)", text) if one not in stages]


def test_bases_finds_images_with_only_a_tag() -> None:
    text = "ARG A=one:1\nFROM ${A} AS x\nFROM x\nCOPY --from=two:2 / /\nCOPY --from=x / /\n"
    assert bases(text) == ["one:1", "two:2"]


@pytest.mark.parametrize("file", image_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_base_image_is_pinned_by_its_digest(file: Path) -> None:
    found = bases(file.read_text())
    assert found
    assert [one for one in found if not PINNED.fullmatch(one)] == []


def test_pinned_with_a_new_digest_replaces_the_old_one() -> None:
    text = (ROOT / "deploy/Dockerfile").read_text()
    changed = pinned(text, "python:3.14-slim", f"sha256:{'a' * 64}")
    assert bases(changed) == [f"python:3.14-slim@sha256:{'a' * 64}"] * 2
    assert len(BASE.findall(changed)) == 1


def test_base_image_script_without_docker_fails_and_keeps_the_dockerfile(tmp_path: Path) -> None:
    before = (ROOT / "deploy/Dockerfile").read_bytes()
    ended = subprocess.run(
        [sys.executable, ROOT / "deploy/base_image.py"],
        env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "docker can't be run" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (ROOT / "deploy/Dockerfile").read_bytes() == before


def test_files_ignored_by_git_are_ignored_by_docker() -> None:
    """Check that keys, certificates and configurations of a checkout stay out of the image."""
    ignored, left_out = (
        {line.strip("/").removeprefix("**/") for line in (ROOT / name).read_text().split()}
        for name in (".gitignore", ".dockerignore")
    )
    assert ignored - left_out == set()
