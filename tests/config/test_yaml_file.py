"""YAML with line numbers, whatever is in it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.problems import Origins
from config.yaml_file import read_yaml


def test_every_value_knows_its_line() -> None:
    values, origins, problems = read_yaml("a:\n  b: 1\n  c:\n  - x\n  - {d: 2}\n", "f")
    assert (values, problems) == ({"a": {"b": 1, "c": ["x", {"d": 2}]}}, [])
    assert origins.place(("a", "c", 1, "d")) == "f:5"
    assert origins.place(("a", "nowhere")) == "f:1"
    assert Origins("f", {}).place(("x",)) == "f"


def test_keys_are_what_is_written() -> None:
    assert read_yaml("on: 1\n2: x\n", "f")[0] == {"on": 1, "2": "x"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [*a]", "f: is nested too deeply (an alias inside of what it stands for?)"),
        ("a: " + "[" * 5000, "f: is nested too deeply (an alias inside of what it stands for?)"),
        ("a: b: c", "f:1: is not valid YAML: mapping values are not allowed here"),
        ("a: 1\nb: [", "f:2: is not valid YAML: expected the node content, but found"),
        ("a: 1\n---\nb: 2\n", "f:2: is not valid YAML: but found another document"),
        ("a: \0", "f: is not valid YAML: unacceptable character #x0000"),
        ("a:\n  b: 2024-13-45", "f:2: a.b: is not a value that YAML can hold; put it in quotes"),
        ("a: " + "1" * 5000, "f:1: a: is not a value that YAML can hold; put it in quotes"),
        ("a: !!python/name:os.system x", "f:1: a: is not a value that YAML can hold"),
        ("? [a]\n: b", "f:1: has a key that is not text; write key: value"),
        ("a: 1\na: 2", "f:2: a: is there twice; remove one"),
        ("text", "f:1: must hold settings (key: value)"),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_line(text: str, said: str) -> None:
    [problem] = read_yaml(text, "f")[2]
    assert str(problem).startswith(said)
    assert "\n" not in str(problem)


def test_a_wrong_value_does_not_hide_the_next_one() -> None:
    _, _, problems = read_yaml("a: 2024-13-45\nb: 2024-99-01\n", "f")
    assert [problem.place for problem in problems] == ["f:1", "f:2"]


def test_a_file_without_end_is_not_read_to_its_end() -> None:
    from config.files import ReadFailure, read_text

    failure = read_text(Path("/dev/zero"))
    assert isinstance(failure, ReadFailure)
    assert "is over 64 KiB" in failure.message


@given(st.text(alphabet="ab:-[]{}&*?!|>'\"#,\n\t 1", max_size=60))
def test_no_text_does_worse_than_problems(text: str) -> None:
    values, _, problems = read_yaml(text, "f")
    assert isinstance(values, dict)
    assert all("\n" not in str(problem) for problem in problems)
