"""The forms of login names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.active_directory.login_names import TypedName, parse_name
from providers.base import Rejected
from providers.ldap.credentials import password_bytes


class TestNames:
    @pytest.mark.parametrize(
        ("typed", "expected"),
        [
            ("alice", TypedName(account="alice")),
            ("  alice ", TypedName(account="alice")),
            ("CORP\\alice", TypedName(account="alice")),
            ("corp.example.test\\alice", TypedName(account="alice")),
            ("alice@Corp.Example.Test", TypedName("alice", "alice@Corp.Example.Test")),
            ("alice@other.test", TypedName(principal="alice@other.test")),
            ("a@b@corp", TypedName("a@b", "a@b@corp")),
            ("OTHER\\alice", None),
            ("\\alice", None),
            ("CORP\\", None),
            ("@corp", None),
            ("alice@", None),
            ("", None),
            ("a\nb", None),
            ("\ud800", None),
            ("x" * 1025, None),
        ],
    )
    def test_each_form_of_login_name_is_parsed(
        self, typed: str, expected: TypedName | None
    ) -> None:
        assert parse_name(typed, domain="corp.example.test", short_domain="CORP") == expected

    @given(st.text(max_size=60))
    def test_parse_name_accepts_any_text(self, typed: str) -> None:
        found = parse_name(typed, domain="corp.example.test", short_domain="CORP")
        assert found is None or found.account or found.principal

    @given(st.text(max_size=1100))
    def test_password_is_sent_unchanged_or_rejected(self, password: str) -> None:
        sent = password_bytes(password)
        assert isinstance(sent, Rejected) or (sent.decode() == password and sent.strip(b"\0"))
