"""What is hidden from the comparison, and what isn't."""

import pytest

from tests.comparison.normal import normalised


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("uid: 0f8fad5b-d9cb-469f-a165-70867728950e", "uid: <uid>"),
        ('"resourceVersion":"5274"', '"resourceVersion":"<version>"'),
        (r"\"resourceVersion\":\"5274\"", r"\"resourceVersion\":\"<version>\""),
        ("resourceVersion: '5274'", "resourceVersion: '<version>'"),
        ("watch=true&resourceVersion=5274", "watch=true&resourceVersion=<version>"),
        ("created 2026-11-23T16:30:39Z", "created <time>"),
        ("one   1      12s", "one 1 <age>"),
        ("one   1      2m3s", "one 1 <age>"),
        ("in case-000-g", "in <namespace>"),
    ],
)
def test_what_is_made_anew_each_time_is_replaced(text: str, left: str) -> None:
    assert normalised(text, {"case-000-g": "<namespace>"}) == left


@pytest.mark.parametrize(
    "text",
    [
        "status: 404",
        "Content-Length: 312",
        "exit code 42",
        "replicas: 3",
        "NAME   DATA",
        "key: value",
    ],
)
def test_everything_else_stays(text: str) -> None:
    assert normalised(text, {}) == text
