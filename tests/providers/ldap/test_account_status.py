"""The states of accounts in directories."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.active_directory.account_status import (
    disabled_reason,
    guid_bytes,
    guid_text,
    sid_beside,
)
from providers.ldap.account_status import disabled_reason as ldap_closed_for
from providers.ldap.account_status import policy_error


class TestStates:
    NOW = 1_700_000_000.0

    @pytest.mark.parametrize(
        ("attributes", "reason"),
        [
            ({"userAccountControl": "514"}, "account_disabled"),
            # Locked: the bind response reports it.
            ({"userAccountControl": "528", "accountExpires": "0"}, None),
            ({"userAccountControl": "512", "accountExpires": "0"}, None),
            ({"userAccountControl": "512", "accountExpires": "9223372036854775807"}, None),
            (
                {"userAccountControl": "512", "accountExpires": "133444735990000000"},
                "account_expired",
            ),
            ({"userAccountControl": "512", "accountExpires": "133444736010000000"}, None),
        ],
    )
    def test_disabled_reason_of_active_directory_account(
        self, attributes: dict[str, str], reason: str | None
    ) -> None:
        assert disabled_reason(attributes, self.NOW) == reason

    @pytest.mark.parametrize(
        ("attributes", "reason"),
        [
            ({}, None),
            ({"shadowExpire": "-1"}, None),
            ({"shadowExpire": "1"}, "account_expired"),
            ({"shadowExpire": "99999"}, None),
            ({"nsAccountLock": "true"}, "account_disabled"),
            ({"nsAccountLock": "FALSE"}, None),
            ({"pwdAccountLockedTime": "000001010000Z"}, "account_disabled"),
            ({"pwdAccountLockedTime": "20240101000000Z"}, None),
            ({"krbPrincipalExpiration": "20200101000000Z"}, "account_expired"),
        ],
    )
    def test_disabled_reason_of_ldap_account(
        self, attributes: dict[str, str], reason: str | None
    ) -> None:
        assert ldap_closed_for(attributes, self.NOW) == reason

    @pytest.mark.parametrize(
        "expires", [None, "", "soon", "-1", "9223372036854775808", " 0", "0x0", "1_0", "\u0660"]
    )
    def test_unreadable_account_expiry_raises(self, expires: str | None) -> None:
        attributes = {"userAccountControl": "512"}
        if expires is not None:
            attributes["accountExpires"] = expires
        with pytest.raises(ValueError, match="accountExpires"):
            disabled_reason(attributes, self.NOW)

    @pytest.mark.parametrize(
        "attributes",
        [
            {"nsAccountLock": "yes"},
            {"shadowExpire": "soon"},
            {"krbPrincipalExpiration": "2030"},
            {"krbPrincipalExpiration": "20300101000000+0000"},
        ],
    )
    def test_unreadable_ldap_account_state_raises(self, attributes: dict[str, str]) -> None:
        with pytest.raises(ValueError, match=r"."):
            ldap_closed_for(attributes, self.NOW)

    @given(st.binary(min_size=16, max_size=16))
    def test_guid_has_one_text_form(self, raw: bytes) -> None:
        text = guid_text(raw)
        assert guid_bytes(text) == raw
        for other in (text.upper(), f"{{{text}}}", text.replace("-", "")):
            if other != text:
                with pytest.raises(ValueError):
                    guid_bytes(other)

    def test_sid_beside_returns_sid_of_primary_group(self) -> None:
        sid = bytes.fromhex("010500000000000515000000") + bytes(12) + b"\x4e\x04\0\0"
        assert sid_beside(sid, 513) == sid[:-4] + b"\x01\x02\0\0"
        for invalid in (b"", b"S-1-5-21", sid[:-1]):
            with pytest.raises(ValueError):
                sid_beside(invalid, 513)

    @given(st.binary(max_size=20))
    def test_policy_error_accepts_any_bytes(self, value: bytes) -> None:
        assert policy_error(value) in range(-1, 256)

    def test_policy_error_is_read_from_control(self) -> None:
        assert policy_error(bytes.fromhex("3003810101")) == 1
        assert policy_error(bytes.fromhex("3008a003800105810102")) == 2
        assert policy_error(bytes.fromhex("3000")) == -1
