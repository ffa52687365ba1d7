"""Helm, built from its Go module when a test needs it, and what it makes of the chart."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.demo.binaries import KUBERNETES_VERSION
from tests.support.builds import built_program

CHART = Path(__file__).parents[2] / "deploy" / "chart"

Objects = list[dict[str, Any]]


class Refused(Exception):
    """Helm refused the values; the message is Helm's."""


class Helm:
    """The program. ``folder`` is for files of values, and Helm's own."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program = program
        self._folder = folder

    def lint(self, values: Mapping[str, Any]) -> str:
        """Return the report about the chart with these values. Raises Refused."""
        return self._run("lint", "--strict", str(CHART), values=values)

    def text(self, values: Mapping[str, Any], *options: str) -> str:
        """Return the chart's manifests as text. Raises Refused."""
        return self._run("template", "sekisho", str(CHART), *options, values=values)

    def objects(self, values: Mapping[str, Any], *options: str) -> Objects:
        """Return the chart's objects. Raises Refused."""
        return [one for one in yaml.safe_load_all(self.text(values, *options)) if one]

    def _run(self, *words: str, values: Mapping[str, Any]) -> str:
        file = self._folder / "values.yaml"
        file.write_text(yaml.safe_dump(dict(values)))
        options = ("--values", str(file), "--kube-version", KUBERNETES_VERSION)
        done = subprocess.run(
            [str(self.program), *words, *options],
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "HOME": str(self._folder)},
            check=False,
        )
        if done.returncode:
            raise Refused(done.stderr or done.stdout)
        return done.stdout


def only(objects: Objects, kind: str, name: str | None = None) -> dict[str, Any]:
    """Return the object of a kind, or the one of that name."""
    named = [one for one in objects if name in (None, one["metadata"]["name"])]
    [found] = [one for one in named if one["kind"] == kind]
    return found


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Return Helm. If it could not be built, fail in CI and skip elsewhere."""
    return Helm(built_program("helm"), tmp_path_factory.mktemp("helm"))
