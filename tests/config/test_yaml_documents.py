"""Tests of streams of YAML documents."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.bounded_yaml import InvalidYaml
from config.yaml_documents import read_documents
from tests.config.test_bounded_readers import LONG_YAML, YAML_BOMBS, seconds

NO_BOMBS = {"two documents", "a key twice", "a key twice deep inside", "a date that is none"}


def test_documents_have_values_and_lines() -> None:
    first, second = read_documents("# none\n---\n---\na: 1\nb:\n  - x: y\n---\nc: d\n")
    assert (first.value, second.value) == ({"a": 1, "b": [{"x": "y"}]}, {"c": "d"})
    assert [first.line(path) for path in ((), ("b",), ("b", 0, "x"), ("b", 0, "z"))] == [4, 5, 6, 6]
    assert second.line(("c",)) == 8


def test_problems_of_all_documents_are_reported() -> None:
    found = read_documents("a: 1\na: 2\n---\nb: 2024-13-45\n? [x]\n: y\n")
    assert [(one.line, one.path) for document in found for one in document.problems] == [
        (2, ("a",)),
        (4, ("b",)),
        (5, ()),
    ]


@pytest.mark.parametrize("name", sorted(YAML_BOMBS.keys() - NO_BOMBS))
def test_bomb_in_a_later_document_is_refused(name: str) -> None:
    try:
        found = read_documents("a: 1\n---\n" + YAML_BOMBS[name])
    except InvalidYaml:
        return
    assert any(one.problems for one in found)


def test_values_are_counted_over_all_documents() -> None:
    with pytest.raises(InvalidYaml, match="more than 100 values"):
        read_documents("a: 1\n---\n" * 40, max_nodes=100)


@pytest.mark.parametrize("piece", LONG_YAML.values(), ids=LONG_YAML.keys())
def test_reading_documents_takes_time_proportional_to_their_length(piece: str) -> None:
    short = seconds(read_documents, piece * (2_000 // len(piece)))
    long = seconds(read_documents, piece * (16_000 // len(piece)))
    assert long < 8 * 4 * max(short, 0.002)


@given(st.text(alphabet="ab:-[]{}&*?!|>'\"#,%\n\t 1", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(InvalidYaml):
        for one in read_documents(text):
            one.line(("a", 0))
