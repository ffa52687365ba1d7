"""The documents beside an image: what it contains, and where it comes from."""

import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.image.build import DOCKERFILE, image_name
from deploy.image.documents import bill_of_materials, debian_components, provenance
from deploy.image.tools import BuildError, find_tool

ROOT = Path(__file__).parents[3]
STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 1:2.41-12+deb13u5

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""


def test_debian_components_are_the_installed_packages() -> None:
    [component] = debian_components(STATUS)
    assert component["name"] == "libc6"
    assert component["version"] == "1:2.41-12+deb13u5"
    assert component["purl"] == "pkg:deb/debian/libc6@1%3A2.41-12%2Bdeb13u5?arch=amd64"


def test_bill_of_materials_has_both_kinds_of_packages() -> None:
    packages = '{"bomFormat": "CycloneDX", "components": [{"name": "aiohttp"}]}'
    bill = json.loads(bill_of_materials(packages, STATUS, "registry.example/sekisho:1.2"))
    assert [one["name"] for one in bill["components"]] == ["aiohttp", "libc6"]
    assert bill["metadata"]["component"]["name"] == "registry.example/sekisho"
    assert bill["metadata"]["component"]["version"] == "1.2"


def test_provenance_names_the_image_the_commit_and_all_sources() -> None:
    file = ROOT / "requirements" / "runtime.txt"
    now = datetime(2026, 1, 2, tzinfo=UTC)
    text = provenance(
        name="sekisho:1.2",
        digest=f"sha256:{'a' * 64}",
        builder="buildah",
        commit="c0ffee-dirty",
        arguments={"VERSION": "1.2"},
        dockerfile=DOCKERFILE.read_text(),
        requirements=[file],
        started=now,
        finished=now,
    )
    statement = json.loads(text)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert statement["subject"] == [{"name": "sekisho:1.2", "digest": {"sha256": "a" * 64}}]
    source, base, pinned = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert source["digest"] == {"gitCommit": "c0ffee"}
    assert base["uri"].startswith("docker-image://python:3.")
    assert base["digest"]["sha256"] in DOCKERFILE.read_text()
    assert pinned["digest"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("registry", "name"),
    [
        ("", "sekisho:1.2"),
        ("registry.example:5000/a/", "registry.example:5000/a/sekisho:1.2"),
    ],
)
def test_image_name_is_in_the_registry(registry: str, name: str) -> None:
    assert image_name(registry, "1.2") == name


def test_find_tool_without_any_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BuildError, match="start docker, or install podman or buildah"):
        find_tool()


def test_build_with_a_tool_that_fails_exits_with_one_line(tmp_path: Path) -> None:
    tool = tmp_path / "docker"
    tool.write_text("#!/bin/sh\nexit 3\n")
    tool.chmod(0o755)
    script = str(ROOT / "deploy/image/build.py")
    done = subprocess.run(
        [sys.executable, script, "--tool", str(tool), "--output", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"build.py: {tool} build failed with status 3\n"
