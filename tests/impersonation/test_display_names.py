"""Tests of display names."""

import pytest

from impersonation.display_names import one_line, visible
from providers.base import ExternalIdentity, FoundPrincipal


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("  Ada\t\nLovelace ", "Ada Lovelace"),
        ("nimda\u202etoor", "nimdatoor"),
        ("a\u200bb\ufeff", "ab"),
        ("\u3164", ""),
    ],
)
def test_visible_of_a_providers_name_drops_invisible_characters(given: str, left: str) -> None:
    assert visible(given) == left
    assert one_line(visible(given)) == left


def test_display_names_of_providers_have_no_invisible_characters() -> None:
    assert ExternalIdentity("x://1", "ada", "Ad\u202ea").display_name == "Ada"
    assert FoundPrincipal("x://1", "ada", "user", "Ad\u200ba").display_name == "Ada"
