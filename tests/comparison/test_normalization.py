"""Normalization replaces volatile values only."""

import pytest

from tests.comparison.normalization import normalized


@pytest.mark.parametrize(
    ("text", "normalized_text"),
    [
        ("uid: 0f8fad5b-d9cb-469f-a165-70867728950e", "uid: <uid>"),
        ('"resourceVersion":"5274"', '"resourceVersion":"<version>"'),
        (r"\"resourceVersion\":\"5274\"", r"\"resourceVersion\":\"<version>\""),
        ("resourceVersion: '5274'", "resourceVersion: '<version>'"),
        ("watch=true&resourceVersion=5274", "watch=true&resourceVersion=<version>"),
        ("created 2026-11-23T16:30:39Z", "created <time>"),
        ("one   1      12s", "one 1 <age>"),
        ('["one",1,"1m33s"]', '["one",1,"<age>"]'),
        ('[\\"one\\",1,\\"40s\\"]', '[\\"one\\",1,\\"<age>\\"]'),
        ("Warning: `sekisho why r-1` explains this refusal\nError: x", "Error: x"),
        ("one   1      2m3s", "one 1 <age>"),
        ("in case-000-p", "in <namespace>"),
    ],
)
def test_volatile_value_is_replaced(text: str, normalized_text: str) -> None:
    assert normalized(text, {"case-000-p": "<namespace>"}) == normalized_text


@pytest.mark.parametrize(
    "text",
    [
        "status: 404",
        "Content-Length: 312",
        "exit code 42",
        "replicas: 3",
        '["one","12","s"]',
        "NAME   DATA",
        "key: value",
    ],
)
def test_other_text_is_unchanged(text: str) -> None:
    assert normalized(text, {}) == text
