"""Every test that the threat model names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / "docs/security.md").read_text())


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_test_named_in_threat_model_exists(file: str, test: str) -> None:
    text = (ROOT / file).read_text()
    assert not test or re.search(rf"def {test}\(", text)


def test_threat_model_names_tests() -> None:
    assert len(NAMED) > 50
