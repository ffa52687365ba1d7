"""Tests of addresses to listen on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.listen import Listen, parse_listen


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8443", Listen("127.0.0.1", 8443)),
        (":8443", Listen(None, 8443)),
        ("[::1]:0", Listen("::1", 0)),
        ("gate.example.com:443", Listen("gate.example.com", 443)),
    ],
)
def test_host_and_port(text: str, expected: Listen) -> None:
    assert parse_listen(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text", ["8443", "127.0.0.1", "127.0.0.1:", "a:99999", "::1:80", "[::g]:1", "a b:1", "a:-1"]
)
def test_parse_listen_of_other_text_raises_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"write it like|brackets|address"):
        parse_listen(text)


@given(st.text(max_size=20))
def test_listen_as_text_parses_to_itself(text: str) -> None:
    try:
        listen = parse_listen(text)
    except ValueError:
        return
    assert parse_listen(str(listen)) == listen
