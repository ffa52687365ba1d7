"""Search filters from text."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3.operation.search import MATCH_EQUAL, MATCH_SUBSTRING, parse_filter

from providers.ldap.filters import all_of, any_of, begins, equals, escape, is_attribute, is_filter
from tests.providers.ldap.strategies import (
    TEXT,
)


class TestFilters:
    @given(st.one_of(TEXT, st.binary(max_size=40)))
    def test_any_text_is_one_escaped_value(self, value: str | bytes) -> None:
        raw = value.encode() if isinstance(value, str) else value
        parsed = parse_filter(equals("cn", value), None, False, False, None, False).elements[0]
        assert parsed.tag == MATCH_EQUAL
        assert unescaped(parsed.assertion["value"]) == raw

    @given(TEXT.filter(bool))
    def test_prefix_of_name_contains_no_wildcard(self, text: str) -> None:
        parsed = parse_filter(begins("cn", text), None, False, False, None, False).elements[0]
        assert parsed.tag == MATCH_SUBSTRING
        assert unescaped(parsed.assertion["initial"]) == text.encode()
        assert not parsed.assertion.get("any")
        assert not parsed.assertion.get("final")

    @given(st.lists(TEXT, min_size=1, max_size=4))
    def test_combined_filters_are_valid(self, values: list[str]) -> None:
        parts = [equals("cn", value) for value in values]
        for whole in (any_of(*parts), all_of(*parts), all_of("(a=b)", any_of(*parts))):
            assert is_filter(whole)

    @given(TEXT)
    def test_escaped_value_has_no_special_characters(self, text: str) -> None:
        plain = escape(text).replace("\\", "")
        assert set(plain) <= set(string.ascii_letters + string.digits + "-_.@")

    @pytest.mark.parametrize("text", ["*)(uid=*))(|(uid=*", "\0", "(", ")", "*", "\\", "\\2a", "é"])
    def test_filter_injection_is_escaped(self, text: str) -> None:
        assert not set(equals("uid", text)[1:-1]) & set("()*\0")

    @pytest.mark.parametrize(
        "text", ["", "cn=x", "(cn=x", "(cn=x))", "(a=b)(c=d)", "()", "x(cn=y)", "(cn=x) "]
    )
    def test_is_filter_of_invalid_text_is_false(self, text: str) -> None:
        assert not is_filter(text)

    def test_is_attribute_accepts_attribute_names_only(self) -> None:
        assert is_attribute("msDS-User-Account-Control-Computed")
        assert is_attribute("cn;lang-en")
        for invalid in ("", "cn=", "a)(b", "1cn", "c n", "cn\n"):
            assert not is_attribute(invalid)


def unescaped(value: str | bytes) -> bytes:
    """Return the bytes of an assertion value (RFC 4515 §3)."""
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    parts = text.split("\\")
    return parts[0].encode("latin-1") + b"".join(
        bytes.fromhex(one[:2]) + one[2:].encode("latin-1") for one in parts[1:]
    )
