"""What is pure: filters, names, sub-codes, servers, settings, groups, states, messages."""

import string
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3.operation.search import MATCH_EQUAL, MATCH_SUBSTRING, parse_filter
from pydantic import ValidationError

from providers.active_directory_account import closed_for, guid_bytes, guid_text, sid_beside
from providers.active_directory_names import TypedName, parse_name
from providers.active_directory_settings import ActiveDirectorySettings
from providers.active_directory_subcodes import REASONS, refusal, sub_code
from providers.base import FoundPrincipal, ProviderUnavailable, Refused
from providers.ldap_account import closed_for as ldap_closed_for
from providers.ldap_account import policy_error
from providers.ldap_ber import Malformed, check_message, message_size
from providers.ldap_credentials import password_bytes
from providers.ldap_filters import all_of, any_of, begins, equals, escape, is_attribute, is_filter
from providers.ldap_groups import MAX_LEVELS, climb
from providers.ldap_profile import FreeIpaSettings, OpenLdapSettings
from providers.ldap_search import found_principals
from providers.ldap_servers import ServerAddress, ServerLine, parse_server
from tests.parts.scripted_directory import BIND, Request

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


class TestFilters:
    @given(st.one_of(TEXT, st.binary(max_size=40)))
    def test_whatever_somebody_types_comes_out_as_one_value(self, value: str | bytes) -> None:
        raw = value.encode() if isinstance(value, str) else value
        parsed = parse_filter(equals("cn", value), None, False, False, None, False).elements[0]
        assert parsed.tag == MATCH_EQUAL
        assert unescaped(parsed.assertion["value"]) == raw

    @given(TEXT.filter(bool))
    def test_nothing_in_the_beginning_of_a_name_is_a_wildcard(self, text: str) -> None:
        parsed = parse_filter(begins("cn", text), None, False, False, None, False).elements[0]
        assert parsed.tag == MATCH_SUBSTRING
        assert unescaped(parsed.assertion["initial"]) == text.encode()
        assert not parsed.assertion.get("any")
        assert not parsed.assertion.get("final")

    @given(st.lists(TEXT, min_size=1, max_size=4))
    def test_what_is_put_together_is_a_filter(self, values: list[str]) -> None:
        parts = [equals("cn", value) for value in values]
        for whole in (any_of(*parts), all_of(*parts), all_of("(a=b)", any_of(*parts))):
            assert is_filter(whole)

    @given(TEXT)
    def test_an_escaped_value_has_none_of_the_signs_that_mean_something(self, text: str) -> None:
        plain = escape(text).replace("\\", "")
        assert set(plain) <= set(string.ascii_letters + string.digits + "-_.@")

    @pytest.mark.parametrize("text", ["*)(uid=*))(|(uid=*", "\0", "(", ")", "*", "\\", "\\2a", "é"])
    def test_what_attackers_type_is_escaped(self, text: str) -> None:
        assert not set(equals("uid", text)[1:-1]) & set("()*\0")

    @pytest.mark.parametrize(
        "text", ["", "cn=x", "(cn=x", "(cn=x))", "(a=b)(c=d)", "()", "x(cn=y)", "(cn=x) "]
    )
    def test_what_is_no_filter(self, text: str) -> None:
        assert not is_filter(text)

    def test_names_of_attributes(self) -> None:
        assert is_attribute("msDS-User-Account-Control-Computed")
        assert is_attribute("cn;lang-en")
        for odd in ("", "cn=", "a)(b", "1cn", "c n", "cn\n"):
            assert not is_attribute(odd)


def unescaped(value: str | bytes) -> bytes:
    """An assertion value's bytes, as RFC 4515 §3 reads it."""
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    parts = text.split("\\")
    return parts[0].encode("latin-1") + b"".join(
        bytes.fromhex(one[:2]) + one[2:].encode("latin-1") for one in parts[1:]
    )


class TestNames:
    @pytest.mark.parametrize(
        ("typed", "meant"),
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
    def test_each_form_says_whom_to_look_for(self, typed: str, meant: TypedName | None) -> None:
        assert parse_name(typed, domain="corp.example.test", short_domain="CORP") == meant

    @given(st.text(max_size=60))
    def test_no_name_makes_it_fail(self, typed: str) -> None:
        found = parse_name(typed, domain="corp.example.test", short_domain="CORP")
        assert found is None or found.account or found.principal

    @given(st.text(max_size=1100))
    def test_a_password_is_sent_as_it_is_or_not_at_all(self, password: str) -> None:
        sent = password_bytes(password)
        assert isinstance(sent, Refused) or (sent.decode() == password and sent.strip(b"\0"))


class TestSubCodes:
    @given(st.integers(0, 0xFFFFFFFF), TEXT.filter(lambda text: "data" not in text.lower()), TEXT)
    def test_a_sub_code_is_found_in_any_surroundings(
        self, code: int, before: str, after: str
    ) -> None:
        message = f"{before} error, data {code:x}, {after}"
        assert sub_code(message) == code
        assert refusal(message).reason == REASONS.get(code, "refused_by_directory")

    @given(st.text(max_size=200))
    def test_no_message_makes_it_fail_or_gets_into_the_log(self, message: str) -> None:
        told = refusal(message)
        assert told.reason in (*REASONS.values(), "refused_by_directory")
        assert len(told.detail) < 40

    def test_without_a_sub_code_there_is_a_general_reason(self) -> None:
        assert refusal("80090308: no more than that") == Refused("refused_by_directory")
        assert sub_code("metadata 52e") is None


class TestServers:
    @pytest.mark.parametrize(
        ("text", "server"),
        [
            ("ldaps://dc1", ServerAddress("dc1", 636, True)),
            ("ldap://dc1:1389/", ServerAddress("dc1", 1389, False)),
            ("ldaps://[::1]:1636", ServerAddress("::1", 1636, True)),
        ],
    )
    def test_a_url_says_where_a_server_is(self, text: str, server: ServerAddress) -> None:
        assert parse_server(text) == server
        assert parse_server(str(server)) == server

    @pytest.mark.parametrize(
        "text",
        ["", "dc1", "https://dc1", "ldaps://", "ldaps://dc1:x", "ldaps://dc1/dc=x", "ldap://a@dc1"],
    )
    def test_what_is_no_server(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"server's URL|leave the rest away"):
            parse_server(text)

    def test_one_that_failed_rests_and_comes_back(self) -> None:
        now = [0.0]
        first, second, third = (ServerAddress(host, 636, True) for host in ("a", "b", "c"))
        line = ServerLine([first, second, third], lambda: now[0])
        line.failed(first)
        assert line.order() == [second, third, first]
        now[0] = 1.0
        line.failed(second)
        assert line.order() == [third, first, second]
        line.worked(second)
        assert line.order() == [second, third, first]
        now[0] = 40.0
        assert line.order() == [first, second, third]


AD = {
    "servers": ["ldaps://dc1"],
    "domain": "corp.example.test",
    "bind_dn": "cn=x",
    "bind_password": "secret",
}
LDAP = {"servers": ["ldaps://ldap1"], "base": "dc=example,dc=test"}


class TestSettings:
    def test_few_settings_are_enough(self) -> None:
        settings = ActiveDirectorySettings.model_validate(AD)
        assert settings.domain_dn == "DC=corp,DC=example,DC=test"
        assert settings.netbios == "corp"
        assert settings.nested_groups == "in_chain"
        assert OpenLdapSettings.model_validate(LDAP).key_attribute == "entryUUID"
        assert FreeIpaSettings.model_validate(LDAP).key_attribute == "ipaUniqueID"

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"servers": ["ldap://dc1"]}, "would send passwords in the clear"),
            ({"servers": ["ldaps://dc1"], "start_tls": True}, "have TLS already"),
            ({"servers": []}, "at least 1"),
            ({"servers": ["dc1"]}, "not a server's URL"),
            ({"bind_dn": None, "bind_password": None}, "bind_dn is missing"),
            ({"bind_password": None}, "bind_dn needs bind_password"),
            ({"bind_password": ""}, "not empty"),
            ({"user_filter": "cn=x"}, "is not a filter"),
            ({"username_attribute": "a)(b"}, "not an attribute's name"),
            ({"domain": "corp,DC=x"}, "pattern"),
            ({"nested_groups": "all"}, "in_chain"),
            ({"answer_timeout": 5}, "needs a unit"),
            ({"serverz": []}, "not permitted"),
        ],
    )
    def test_what_is_wrong_is_told_in_a_sentence(
        self, change: dict[str, Any], sentence: str
    ) -> None:
        with pytest.raises(ValidationError, match=sentence):
            ActiveDirectorySettings.model_validate(AD | change)

    def test_plain_ldap_is_for_those_who_ask_for_it(self) -> None:
        for asked in ({"start_tls": True}, {"allow_plain": True}):
            settings = OpenLdapSettings.model_validate(LDAP | {"servers": ["ldap://x"]} | asked)
            assert not settings.addresses[0].tls

    def test_a_password_is_not_shown(self) -> None:
        assert "secret" not in repr(ActiveDirectorySettings.model_validate(AD))


class TestGroups:
    @given(st.dictionaries(st.integers(0, 20), st.lists(st.integers(0, 20), max_size=4)))
    def test_climbing_finds_everything_above_once_and_ends(
        self, parents: dict[int, list[int]]
    ) -> None:
        asked: list[int] = []

        def above(batch: Sequence[int]) -> list[int]:
            asked.extend(batch)
            return [one for child in batch for one in parents.get(child, [])]

        found = climb([0], above)
        assert len(found) == len(set(found)) == len(asked)
        assert all(parent in found for one in found for parent in parents.get(one, []))

    def test_nesting_without_an_end_is_a_broken_backend(self) -> None:
        with pytest.raises(ProviderUnavailable, match=f"more than {MAX_LEVELS} levels"):
            climb([0], lambda batch: [max(batch) + 1])

    def test_neither_people_nor_groups_push_the_others_out(self) -> None:
        people = [FoundPrincipal(f"u://{n}", f"u{n}", "user") for n in range(9)]
        groups = [FoundPrincipal(f"g://{n}", f"g{n}", "group") for n in range(9)]
        for few, many, limit in ((2, 9, 6), (9, 2, 6), (9, 9, 6), (1, 1, 6), (9, 0, 1), (0, 9, 1)):
            found = found_principals(people[:few], groups[:many], limit)
            assert len(found) == min(limit, few + many)


class TestStates:
    NOW = 1_700_000_000.0

    @pytest.mark.parametrize(
        ("attributes", "reason"),
        [
            ({"userAccountControl": "512"}, None),
            ({"userAccountControl": "514"}, "account_disabled"),
            ({"userAccountControl": "528"}, None),  # locked: a bind tells
            ({"userAccountControl": "512", "accountExpires": "0"}, None),
            ({"userAccountControl": "512", "accountExpires": "9223372036854775807"}, None),
            (
                {"userAccountControl": "512", "accountExpires": "133444735990000000"},
                "account_expired",
            ),
            ({"userAccountControl": "512", "accountExpires": "133444736010000000"}, None),
        ],
    )
    def test_an_accounts_state_in_active_directory(
        self, attributes: dict[str, str], reason: str | None
    ) -> None:
        assert closed_for(attributes, self.NOW) == reason

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
    def test_an_accounts_state_in_an_ldap_directory(
        self, attributes: dict[str, str], reason: str | None
    ) -> None:
        assert ldap_closed_for(attributes, self.NOW) == reason

    @given(st.binary(min_size=16, max_size=16))
    def test_a_guid_is_written_one_way(self, raw: bytes) -> None:
        text = guid_text(raw)
        assert guid_bytes(text) == raw
        for other in (text.upper(), f"{{{text}}}", text.replace("-", "")):
            if other != text:
                with pytest.raises(ValueError):
                    guid_bytes(other)

    def test_the_primary_groups_sid_is_beside_the_users(self) -> None:
        sid = bytes.fromhex("010500000000000515000000") + bytes(12) + b"\x4e\x04\0\0"
        assert sid_beside(sid, 513) == sid[:-4] + b"\x01\x02\0\0"
        for odd in (b"", b"S-1-5-21", sid[:-1]):
            with pytest.raises(ValueError):
                sid_beside(odd, 513)

    @given(st.binary(max_size=20))
    def test_no_policy_control_makes_it_fail(self, value: bytes) -> None:
        assert policy_error(value) in range(-1, 256)

    def test_the_policy_controls_error(self) -> None:
        assert policy_error(bytes.fromhex("3003810101")) == 1
        assert policy_error(bytes.fromhex("3008a003800105810102")) == 2
        assert policy_error(bytes.fromhex("3000")) == -1


class TestMessages:
    ANSWER = Request(5, BIND, b"")

    @given(st.data())
    def test_whatever_a_server_sends_is_well_formed_or_malformed(self, data: st.DataObject) -> None:
        raw = bytearray(self.ANSWER.entry(b"cn=x", cn=[b"x", b"y"]))
        for _ in range(data.draw(st.integers(0, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        try:
            check_message(bytes(raw))
        except Malformed:
            pass

    def test_what_directories_send_is_well_formed(self) -> None:
        many = [b"v" * 200] * 400
        for raw in (
            self.ANSWER.bind_answer(),
            self.ANSWER.done(),
            self.ANSWER.entry(b"cn=x", cn=many),
        ):
            assert check_message(raw) == raw
            assert message_size(raw) == message_size(raw[:6]) == len(raw)
            assert message_size(raw[:1]) is None

    @given(st.binary(max_size=8))
    def test_the_size_of_a_message_is_known_or_not_yet_or_odd(self, head: bytes) -> None:
        try:
            size = message_size(head)
        except Malformed:
            return
        assert size is None or size >= 2
