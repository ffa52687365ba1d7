"""Prometheus: the program, and running it with a configuration."""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.workers.child_process import die_with_parent
from tests.support.debian import install_for, need_programs
from tests.support.waiting import wait_until

START_SECONDS = 120.0

PROGRAMS, PACKAGES = ("prometheus",), ("prometheus",)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install it in CI."""
    install_for(session, "prometheus_program", PROGRAMS, PACKAGES)


@pytest.fixture(scope="session")
def prometheus_program() -> Path:
    """Return the path of Prometheus. Fails in CI and skips elsewhere if it is missing."""
    return need_programs(PROGRAMS, PACKAGES)["prometheus"]


@pytest.fixture(scope="session")
def promtool_program(prometheus_program: Path) -> Path:
    """Return the path of promtool, which the same package has."""
    return need_programs(("promtool",), PACKAGES)["promtool"]


@dataclass
class Prometheus:
    """A running Prometheus."""

    port: int

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an instant query. Fails if the expression is not valid."""
        found = self.get(f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        series: list[dict[str, Any]] = found["result"]
        return series

    def get(self, path: str) -> Any:
        """Return the data of a response."""
        url = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(url, timeout=60) as response:
            return json.load(response)["data"]


@contextmanager
def running(
    program: Path, folder: Path, config: Mapping[str, Any], port: int
) -> Iterator[Prometheus]:
    """Run Prometheus with a configuration, whose paths are those in ``folder``, until a scrape."""
    (folder / "prometheus.yml").write_text(yaml.safe_dump(dict(config)))
    command = [
        *die_with_parent(),
        str(program),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (
        (folder / "prometheus.log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        try:
            prometheus = Prometheus(port)
            wait_until(
                lambda: process.poll() is not None or _answers(prometheus),
                START_SECONDS,
                (folder / "prometheus.log").read_text,
            )
            assert process.poll() is None, (folder / "prometheus.log").read_text()
            yield prometheus
        finally:
            process.terminate()


def _answers(prometheus: Prometheus) -> bool:
    try:
        return bool(prometheus.query("up == 1"))
    except OSError:
        return False
