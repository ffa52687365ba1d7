"""Reserved names."""

import pytest

from impersonation.policy import ReservedName, refuse_reserved


@pytest.mark.parametrize("name", ["system:masters", "SYSTEM:masters", " system:x", "sekisho:admin"])
def test_no_provider_hands_out_a_reserved_name(name: str) -> None:
    with pytest.raises(ReservedName):
        refuse_reserved(["fine", name])


def test_ordinary_names_pass() -> None:
    refuse_reserved(["github_team://1", "systematic", "u-1"])
