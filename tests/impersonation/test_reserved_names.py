"""Tests of reserved names."""

import pytest

from impersonation.reserved_names import ReservedName, reject_reserved


@pytest.mark.parametrize("name", ["system:masters", "SYSTEM:masters", " system:x", "sekisho:admin"])
def test_reject_reserved_with_a_reserved_name_raises(name: str) -> None:
    with pytest.raises(ReservedName):
        reject_reserved(["fine", name])


def test_reject_reserved_with_ordinary_names_passes() -> None:
    reject_reserved(["github_team://1", "systematic", "u-1"])
