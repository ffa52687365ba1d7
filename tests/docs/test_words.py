"""The word check: what it finds, and that its list can only shrink."""

import pytest

from tests.docs.words import ROOT, problems, words_in


@pytest.mark.parametrize("text", ["Nobody is left.", "def told_of(x):", "once\nany more"])
def test_words_in_text_with_a_house_word_names_it(text: str) -> None:
    assert len(words_in(text)) == 1


@pytest.mark.parametrize("text", ["toldest", "marshall", "a shallow copy", "heedless"])
def test_words_in_text_with_other_words_finds_nothing(text: str) -> None:
    assert words_in(text) == []


def test_problems_of_a_file_with_more_words_than_listed_are_named() -> None:
    assert problems({"a.py": 2}, {"a.py": 1}) == ["a.py: 2 words to replace, 1 allowed"]


def test_problems_of_a_file_with_fewer_words_than_listed_ask_for_an_update() -> None:
    assert "--update" in problems({}, {"a.py": 1})[0]


def test_changelog_outside_of_tables_has_no_house_word() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    assert words_in("\n".join(line for line in lines if not line.startswith("|"))) == []
