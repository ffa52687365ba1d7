"""Tests of directories with invalid responses or none: no sign-in, and bounded waits."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from providers.base import ExternalIdentity, PasswordAttempt, ProviderUnavailable, Rejected
from providers.ldap.directory import Directory
from providers.ldap.message_reader import MAX_RESPONSE_BYTES
from tests.providers.ldap.scripted_sign_in import (
    ALICE,
    ATTRIBUTES,
    GUID,
    connected,
    is_user_bind,
    respond_normally,
    sign_in,
)
from tests.support.scripted_directory import (
    BIND,
    Request,
    ber,
    message,
)

SHORT = timedelta(seconds=0.2)
"""Timeout for missing responses. Tests with valid responses keep the default timeout."""


async def test_valid_responses_sign_alice_in() -> None:
    async with connected(respond_normally) as (provider, _):
        outcome = await sign_in(provider)
    assert isinstance(outcome, ExternalIdentity)
    assert outcome.username == "alice"


INVALID_BINDS: dict[str, Callable[[Request], bytes]] = {
    "a closed connection": lambda _: b"",
    "http": lambda _: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "zeros": lambda _: bytes(64),
    "ones": lambda _: b"\xff" * 64,
    "an endless length": lambda _: b"\x30\x84\x7f\xff\xff\xff" + b"\0" * 100,
    "an indefinite length": lambda _: b"\x30\x80\x02\x01\x01\0\0",
    "an empty sequence": lambda _: b"\x30\x00\x00",
    "another message number": lambda one: message(one.number + 7, 0x61, b"\x0a\x01\0\x04\0\x04\0"),
    "another operation": lambda one: one.search_done(),
    "an entry for a bind": lambda one: one.entry(ALICE) + one.search_done(),
    "an extended response": lambda one: message(one.number, 0x78, b"\x0a\x01\0\x04\0\x04\0"),
    "an unknown result code": lambda one: one.bind_response(0x7E),
    "half a message": lambda one: one.bind_response()[:-3],
    "no result": lambda one: message(one.number, 0x61, b""),
    "a result of no bytes": lambda one: message(one.number, 0x61, b"\x0a\0\x04\0\x04\0"),
    "a result that is a boolean": lambda one: message(one.number, 0x61, b"\x01\1\0\4\0\4\0"),
    "a result that is text": lambda one: message(one.number, 0x61, b"\4\x010\4\0\4\0"),
    "more than one message": lambda one: one.bind_response() + one.search_done(),
    "a notice of disconnection": lambda _: message(
        0, 0x78, b"\x0a\x01\x34\x04\0\x04\0" + ber(0x8A, b"1.3.6.1.4.1.1466.20036")
    ),
    "a step of SASL": lambda one: one.bind_response(14),
    "busy": lambda one: one.bind_response(51),
    "a referral": lambda one: one.bind_response(10),
}


@pytest.mark.parametrize("account", ["service", "user"])
@pytest.mark.parametrize("respond", INVALID_BINDS.values(), ids=INVALID_BINDS.keys())
async def test_invalid_bind_response_is_unavailable(
    respond: Callable[[Request], bytes], account: str
) -> None:
    def script(request: Request) -> bytes:
        if request.operation == BIND and is_user_bind(request) == (account == "user"):
            return respond(request)
        return respond_normally(request)

    async with connected(script, answer_timeout=SHORT) as (provider, _):
        with pytest.raises(ProviderUnavailable):
            await sign_in(provider)


INVALID_SEARCHES: dict[str, Callable[[Request], bytes]] = {
    "no name": lambda one: one.raw_entry(b"", ATTRIBUTES) + one.search_done(),
    "a name that is not text": lambda one: (
        one.raw_entry(b"\xff\xfe", ATTRIBUTES) + one.search_done()
    ),
    "no key": lambda one: alice_with(one, objectGUID=[]),
    "half a key": lambda one: alice_with(one, objectGUID=[GUID[:8]]),
    "no username": lambda one: alice_with(one, sAMAccountName=[]),
    "a username that is not text": lambda one: alice_with(one, sAMAccountName=[b"\xff\xfe"]),
    "no state": lambda one: alice_with(one, userAccountControl=[]),
    "a state that is no number": lambda one: alice_with(one, userAccountControl=[b"on"]),
    "an expiry that is no number": lambda one: alice_with(one, accountExpires=[b"soon"]),
    "an expiry that can't be read": lambda one: alice_with(one, accountExpires=[]),
    "an empty expiry": lambda one: alice_with(one, accountExpires=[b""]),
    "a negative expiry": lambda one: alice_with(one, accountExpires=[b"-1"]),
    "an expiry over 64 bits": lambda one: alice_with(one, accountExpires=[b"9223372036854775808"]),
    "an expiry in other digits": lambda one: alice_with(one, accountExpires=["\u0660".encode()]),
    "an expiry with other characters": lambda one: alice_with(one, accountExpires=[b" 0_0 "]),
    "two expiries": lambda one: alice_with(one, accountExpires=[b"0", b"116444736000000000"]),
    "two states": lambda one: alice_with(one, userAccountControl=[b"512", b"514"]),
    "a broken SID": lambda one: alice_with(one, objectSid=[b"S-1-5"], primaryGroupID=[b"513"]),
    "a broken primary group": lambda one: alice_with(one, primaryGroupID=[b"-1"]),
    "entries without an end": lambda one: one.raw_entry(ALICE, ATTRIBUTES),
    "a bind response": lambda one: one.bind_response(),
    "an entry cut short": lambda one: one.raw_entry(ALICE, ATTRIBUTES)[:-9],
    "invalid attributes": lambda one: message(one.number, 0x64, ber(4, ALICE) + b"\x04\1x"),
    "the size limit, repeatedly": lambda one: one.search_done(4),
    "ranges without progress": lambda one: (
        one.raw_entry(ALICE, ATTRIBUTES | {"memberOf;range=0-1": [b"CN=x"]}) + one.search_done()
    ),
    "refused": lambda one: one.search_done(50),
    "a referral": lambda one: one.search_done(10),
    "busy": lambda one: one.search_done(51),
}


def alice_with(request: Request, **attributes: list[bytes]) -> bytes:
    return request.raw_entry(ALICE, ATTRIBUTES | attributes) + request.search_done()


@pytest.mark.parametrize("respond", INVALID_SEARCHES.values(), ids=INVALID_SEARCHES.keys())
async def test_invalid_search_response_is_unavailable(
    respond: Callable[[Request], bytes],
) -> None:
    def script(request: Request) -> bytes:
        return request.bind_response() if request.operation == BIND else respond(request)

    async with connected(script, answer_timeout=SHORT) as (provider, _):
        with pytest.raises(ProviderUnavailable):
            await sign_in(provider)


async def test_endless_response_is_cut_off() -> None:
    entries = MAX_RESPONSE_BYTES // 1_000_000 + 1

    def script(request: Request) -> bytes:
        if request.operation == BIND:
            return request.bind_response()
        return request.raw_entry(ALICE, ATTRIBUTES | {"info": [b"x" * 1_000_000]}) * entries

    async with connected(script) as (provider, _):
        with pytest.raises(ProviderUnavailable, match="too large"):
            await sign_in(provider)


async def test_unreadable_groups_are_unavailable() -> None:
    def script(request: Request) -> bytes:
        if b"userAccountControl" in request.raw or request.operation == BIND:
            return respond_normally(request)
        return request.search_done(50)

    async with connected(script) as (provider, _):
        with pytest.raises(ProviderUnavailable):
            await sign_in(provider)


@pytest.mark.parametrize(
    ("message_text", "reason"),
    [
        (b"comment: AcceptSecurityContext error, data 525, v4563", "unknown_user"),
        (b"comment: AcceptSecurityContext error, data 52e, v4563", "wrong_password"),
        (b"comment: AcceptSecurityContext error, data 530, v4563", "logon_hours"),
        (b"comment: AcceptSecurityContext error, data 531, v4563", "logon_workstation"),
        (b"comment: AcceptSecurityContext error, data 532, v4563", "password_expired"),
        (b"comment: AcceptSecurityContext error, data 533, v4563", "account_disabled"),
        (b"comment: AcceptSecurityContext error, data 701, v4563", "account_expired"),
        (b"comment: AcceptSecurityContext error, data 773, v4563", "must_change_password"),
        (b"comment: AcceptSecurityContext error, data 775, v4563", "account_locked"),
        (b"data ffffff", "refused_by_directory"),
        (b"\xff\xfe\0", "refused_by_directory"),
        (b"", "refused_by_directory"),
    ],
)
async def test_each_sub_code_of_bind_response_is_a_reason(message_text: bytes, reason: str) -> None:
    def script(request: Request) -> bytes:
        return (
            request.bind_response(49, message_text)
            if is_user_bind(request)
            else respond_normally(request)
        )

    async with connected(script) as (provider, _):
        outcome = await sign_in(provider)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == reason


async def test_empty_password_is_not_sent() -> None:
    async with connected(respond_normally) as (provider, requests):
        assert await provider.authenticate(PasswordAttempt("alice", "")) == Rejected(
            "password_empty"
        )
        assert isinstance(await provider.authenticate(PasswordAttempt("alice", "\0")), Rejected)
        assert requests == []


async def test_password_is_sent_unchanged() -> None:
    async with connected(respond_normally) as (provider, requests):
        await provider.authenticate(PasswordAttempt("alice", "soft\u00adhyphen\u2168"))
    sent = [one.raw for one in requests if is_user_bind(one)]
    assert "soft\u00adhyphen\u2168".encode() in sent[0]


async def test_principal_name_takes_precedence_over_equal_account_name() -> None:
    """Domain controllers refuse such names, but replication and older versions create them."""
    bob = ATTRIBUTES | {"sAMAccountName": [b"bob"], "objectGUID": [GUID[::-1]]}
    bob |= {"userPrincipalName": [b"Alice@corp.example.test"]}

    def script(request: Request) -> bytes:
        if request.operation == BIND or b"userAccountControl" not in request.raw:
            return respond_normally(request)
        both = request.raw_entry(ALICE, ATTRIBUTES)
        return both + request.raw_entry(b"CN=bob", bob) + request.search_done()

    async with connected(script) as (provider, _):
        found = await provider.authenticate(PasswordAttempt("alice@corp.example.test", "right"))
        assert isinstance(found, ExternalIdentity)
        assert found.username == "bob"
        assert await provider.authenticate(PasswordAttempt("alice", "right")) == Rejected(
            "ambiguous_name"
        )


async def test_ranged_values_are_read_completely() -> None:
    values = [b"CN=%d" % number for number in range(7)]

    def script(request: Request) -> bytes:
        if request.operation == BIND:
            return request.bind_response()
        for low in (3, 6):
            if b"member;range=%d-*" % low in request.raw:
                name = f"member;range={low}-{'*' if low == 6 else 5}"
                return (
                    request.raw_entry(ALICE, {name: values[low : low + 3]}) + request.search_done()
                )
        return request.raw_entry(ALICE, {"member;range=0-2": values[:3]}) + request.search_done()

    async with connected(script) as (provider, _):
        directory: Directory = provider._directory
        found = await directory.run(
            lambda session: session.search("DC=x", "(objectClass=*)", ["member"])
        )
    assert list(found[0].raw("member")) == values
