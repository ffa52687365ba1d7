"""Loggers are named after packages."""

import re
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from config.loggers import get_logger, logger_name

ROOT = Path(__file__).parents[2]
PACKAGES = ("agent", "config", "impersonation", "management", "providers", "proxy", "store")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("management.clusters.members", "sekisho.management.clusters"),
        ("providers.findings", "sekisho.providers"),
        ("plug_in", "sekisho.plug_in"),
    ],
)
def test_logger_name_is_the_package(module: str, name: str) -> None:
    assert logger_name(module) == name


def test_logger_writes_events() -> None:
    with capture_logs() as lines:
        get_logger(__name__).info("ready", port=1)
    assert lines == [{"event": "ready", "port": 1, "log_level": "info"}]


def test_no_module_names_its_logger_by_hand() -> None:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    by_hand = re.compile(r"get_logger\((?!__name__\)|module: str\)|logger_name)")
    found = [str(file.relative_to(ROOT)) for file in files if by_hand.search(file.read_text())]
    assert found == []
