"""Tests of YAML with line numbers."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.problems import Origins
from config.yaml_file import read_yaml


def test_read_yaml_records_the_line_of_each_value() -> None:
    values, origins, problems = read_yaml("a:\n  b: 1\n  c:\n  - x\n  - {d: 2}\n", "f")
    assert (values, problems) == ({"a": {"b": 1, "c": ["x", {"d": 2}]}}, [])
    assert origins.place(("a", "c", 1, "d")) == "f:5"
    assert origins.place(("a", "nowhere")) == "f:1"
    assert Origins("f", {}).place(("x",)) == "f"


def test_read_yaml_returns_keys_as_written() -> None:
    assert read_yaml("on: 1\n2: x\n", "f")[0] == {"on": 1, "2": "x"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [*a]", "f: is nested too deeply (an alias inside its own value?)"),
        ("a: " + "[" * 5000, "f: is nested too deeply (an alias inside its own value?)"),
        ("a: b: c", "f:1: is not valid YAML: mapping values are not allowed here"),
        ("a: 1\nb: [", "f:2: is not valid YAML: expected the node content, but found"),
        ("a: 1\n---\nb: 2\n", "f:2: is not valid YAML: but found another document"),
        ("a: \0", "f: is not valid YAML: unacceptable character #x0000"),
        ("a:\n  b: 2024-13-45", "f:2: a.b: is not a valid YAML value; put it in quotes"),
        ("a: !!int " + "1" * 5000, "f:1: a: is not a valid YAML value; put it in quotes"),
        ("a: !!python/name:os.system x", "f:1: a: is not a valid YAML value"),
        ("? [a]\n: b", "f:1: has a key that is not text; write key: value"),
        ("a: 1\na: 2", "f:2: a: occurs twice; remove one"),
        ("text", "f:1: must hold settings (key: value)"),
    ],
    ids=str,
)
def test_read_yaml_reports_each_problem_in_one_line(text: str, message: str) -> None:
    [problem] = read_yaml(text, "f")[2]
    assert str(problem).startswith(message)
    assert "\n" not in str(problem)


def test_read_yaml_reports_every_invalid_value() -> None:
    _, _, problems = read_yaml("a: 2024-13-45\nb: 2024-99-01\n", "f")
    assert [problem.place for problem in problems] == ["f:1", "f:2"]


def test_read_text_of_a_device_stops_at_the_limit() -> None:
    from config.files import ReadFailure, read_text

    failure = read_text(Path("/dev/zero"))
    assert isinstance(failure, ReadFailure)
    assert "is larger than 64 KiB" in failure.message


@given(st.text(alphabet="ab:-[]{}&*?!|>'\"#,\n\t 1", max_size=60))
def test_read_yaml_of_any_text_returns_problems_only(text: str) -> None:
    values, _, problems = read_yaml(text, "f")
    assert isinstance(values, dict)
    assert all("\n" not in str(problem) for problem in problems)
