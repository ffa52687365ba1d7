"""Directories that answer nonsense, or nothing: nobody gets in, and nobody waits for long."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from providers.active_directory import ActiveDirectoryProvider
from providers.active_directory_settings import ActiveDirectorySettings
from providers.base import Attempt, ExternalIdentity, Outcome, ProviderUnavailable, Refused
from providers.ldap_directory import Directory
from tests.parts.scripted_directory import (
    BIND,
    SEARCH,
    Request,
    Script,
    ber,
    message,
    scripted,
    silence,
)

SHORT = timedelta(seconds=0.2)
"""For answers that never come; those that should, have no reason to hurry."""

GUID = bytes(range(16))
SID = b"\x01\x01\0\0\0\0\0\x05\x20\0\0\0"
ALICE = b"CN=alice,DC=corp,DC=example,DC=test"
ATTRIBUTES: dict[str, list[bytes]] = {
    "objectGUID": [GUID],
    "objectSid": [SID],
    "sAMAccountName": [b"alice"],
    "userAccountControl": [b"512"],
    "cn": [b"alice"],
}


@asynccontextmanager
async def facing(
    script: Script, **changes: Any
) -> AsyncIterator[tuple[ActiveDirectoryProvider, list[Request]]]:
    """A provider in front of a scripted directory, and what that is asked."""
    with scripted(script) as directory:
        provider = make(directory.url, **changes)
        await provider.start()
        try:
            yield provider, directory.requests
        finally:
            await provider.close()


def make(*servers: str, **changes: Any) -> ActiveDirectoryProvider:
    values = {
        "servers": servers,
        "allow_plain": True,
        "domain": "corp.example.test",
        "bind_dn": "CN=service",
        "bind_password": "service",
        "nested_groups": "none",
    }
    settings = ActiveDirectorySettings.model_validate(values | changes)
    return ActiveDirectoryProvider("corp", settings, time.monotonic)


def sane(request: Request, **attributes: list[bytes]) -> bytes:
    """What a small directory with alice in it answers; no groups."""
    if request.operation == BIND:
        return request.bind_answer()
    if b"sAMAccountName" in request.raw and b"userAccountControl" in request.raw:
        return request.raw_entry(ALICE, ATTRIBUTES | attributes) + request.done()
    return request.done()


def of_user(request: Request) -> bool:
    """Whether a bind is alice's: the service account's is made before."""
    return request.operation == BIND and b"CN=alice" in request.raw


async def sign_in(provider: ActiveDirectoryProvider) -> Outcome:
    return await provider.authenticate(Attempt("alice", "right"))


async def test_the_script_itself_lets_alice_in() -> None:
    async with facing(sane) as (provider, _):
        outcome = await sign_in(provider)
    assert isinstance(outcome, ExternalIdentity)
    assert outcome.username == "alice"


NONSENSE: dict[str, Callable[[Request], bytes]] = {
    "nothing, hung up": lambda _: b"",
    "http": lambda _: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "zeros": lambda _: bytes(64),
    "ones": lambda _: b"\xff" * 64,
    "an endless length": lambda _: b"\x30\x84\x7f\xff\xff\xff" + b"\0" * 100,
    "an indefinite length": lambda _: b"\x30\x80\x02\x01\x01\0\0",
    "an empty sequence": lambda _: b"\x30\x00\x00",
    "somebody else's number": lambda one: message(one.number + 7, 0x61, b"\x0a\x01\0\x04\0\x04\0"),
    "another operation": lambda one: one.done(),
    "an entry for a bind": lambda one: one.entry(ALICE) + one.done(),
    "an extended answer": lambda one: message(one.number, 0x78, b"\x0a\x01\0\x04\0\x04\0"),
    "a result that there is not": lambda one: one.bind_answer(0x7E),
    "half a message": lambda one: one.bind_answer()[:-3],
    "no result": lambda one: message(one.number, 0x61, b""),
    "a result of no bytes": lambda one: message(one.number, 0x61, b"\x0a\0\x04\0\x04\0"),
    "a result that is a boolean": lambda one: message(one.number, 0x61, b"\x01\1\0\4\0\4\0"),
    "a result that is text": lambda one: message(one.number, 0x61, b"\4\x010\4\0\4\0"),
    "more than one message": lambda one: one.bind_answer() + one.done(),
    "a notice of disconnection": lambda _: message(
        0, 0x78, b"\x0a\x01\x34\x04\0\x04\0" + ber(0x8A, b"1.3.6.1.4.1.1466.20036")
    ),
    "a step of SASL": lambda one: one.bind_answer(14),
    "busy": lambda one: one.bind_answer(51),
    "a referral": lambda one: one.bind_answer(10),
}


@pytest.mark.parametrize("whose", ["service", "user"])
@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE.keys())
async def test_a_bind_answered_by_nonsense_is_a_broken_backend(
    answer: Callable[[Request], bytes], whose: str
) -> None:
    def script(request: Request) -> bytes:
        if request.operation == BIND and of_user(request) == (whose == "user"):
            return answer(request)
        return sane(request)

    async with facing(script, answer_timeout=SHORT) as (provider, _):
        with pytest.raises(ProviderUnavailable):
            await sign_in(provider)


BAD_ENTRIES: dict[str, Callable[[Request], bytes]] = {
    "no name": lambda one: one.raw_entry(b"", ATTRIBUTES) + one.done(),
    "a name that is not text": lambda one: one.raw_entry(b"\xff\xfe", ATTRIBUTES) + one.done(),
    "no key": lambda one: with_(one, objectGUID=[]),
    "half a key": lambda one: with_(one, objectGUID=[GUID[:8]]),
    "no name to call them": lambda one: with_(one, sAMAccountName=[]),
    "a username that is not text": lambda one: with_(one, sAMAccountName=[b"\xff\xfe"]),
    "no state": lambda one: with_(one, userAccountControl=[]),
    "a state that is no number": lambda one: with_(one, userAccountControl=[b"on"]),
    "an expiry that is no number": lambda one: with_(one, accountExpires=[b"soon"]),
    "a broken SID": lambda one: with_(one, objectSid=[b"S-1-5"], primaryGroupID=[b"513"]),
    "a broken primary group": lambda one: with_(one, primaryGroupID=[b"-1"]),
    "entries without an end": lambda one: one.raw_entry(ALICE, ATTRIBUTES),
    "a bind's answer": lambda one: one.bind_answer(),
    "an entry cut short": lambda one: one.raw_entry(ALICE, ATTRIBUTES)[:-9],
    "attributes that are none": lambda one: message(one.number, 0x64, ber(4, ALICE) + b"\x04\1x"),
    "the size limit, for ever": lambda one: one.done(4),
    "ranges that go nowhere": lambda one: (
        one.raw_entry(ALICE, ATTRIBUTES | {"memberOf;range=0-1": [b"CN=x"]}) + one.done()
    ),
    "refused": lambda one: one.done(50),
    "a referral": lambda one: one.done(10),
    "busy": lambda one: one.done(51),
}


def with_(request: Request, **attributes: list[bytes]) -> bytes:
    return request.raw_entry(ALICE, ATTRIBUTES | attributes) + request.done()


@pytest.mark.parametrize("answer", BAD_ENTRIES.values(), ids=BAD_ENTRIES.keys())
async def test_a_search_answered_by_nonsense_is_a_broken_backend(
    answer: Callable[[Request], bytes],
) -> None:
    def script(request: Request) -> bytes:
        return request.bind_answer() if request.operation == BIND else answer(request)

    async with facing(script, answer_timeout=SHORT) as (provider, _):
        with pytest.raises(ProviderUnavailable):
            await sign_in(provider)


async def test_an_answer_without_an_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("providers.ldap_receiver.MAX_ANSWER_BYTES", 1_000_000)

    def script(request: Request) -> bytes:
        if request.operation == BIND:
            return request.bind_answer()
        return request.raw_entry(ALICE, ATTRIBUTES) * 10_000

    async with facing(script) as (provider, _):
        with pytest.raises(ProviderUnavailable, match="too large"):
            await sign_in(provider)


async def test_groups_that_can_not_be_read_let_nobody_in_without_them() -> None:
    def script(request: Request) -> bytes:
        if b"userAccountControl" in request.raw or request.operation == BIND:
            return sane(request)
        return request.done(50)

    async with facing(script) as (provider, _):
        with pytest.raises(ProviderUnavailable):
            await sign_in(provider)


@pytest.mark.parametrize(
    ("told", "reason"),
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
async def test_each_sub_code_on_the_wire_is_a_reason(told: bytes, reason: str) -> None:
    def script(request: Request) -> bytes:
        return request.bind_answer(49, told) if of_user(request) else sane(request)

    async with facing(script) as (provider, _):
        outcome = await sign_in(provider)
    assert isinstance(outcome, Refused)
    assert outcome.reason == reason


async def test_an_empty_password_is_not_even_sent() -> None:
    async with facing(sane) as (provider, requests):
        assert await provider.authenticate(Attempt("alice", "")) == Refused("password_empty")
        assert isinstance(await provider.authenticate(Attempt("alice", "\0")), Refused)
        assert requests == []


async def test_a_password_is_sent_as_it_was_typed() -> None:
    async with facing(sane) as (provider, requests):
        await provider.authenticate(Attempt("alice", "soft\u00adhyphen\u2168"))
    sent = [one.raw for one in requests if of_user(one)]
    assert "soft\u00adhyphen\u2168".encode() in sent[0]


@pytest.mark.parametrize("what", ["the handshake", "the bind", "the search"])
async def test_a_directory_that_says_nothing_for_30_seconds_is_given_up_before(what: str) -> None:
    def script(request: Request) -> bytes | None:
        if what == "the bind" or request.operation != BIND:
            return None
        return sane(request)

    with scripted(script) as directory, silence() as port:
        url = f"ldaps://127.0.0.1:{port}" if what == "the handshake" else directory.url
        provider = make(url, connect_timeout="1s", answer_timeout="1s", sign_in_timeout="10s")
        await provider.start()
        began = time.monotonic()
        with pytest.raises(ProviderUnavailable):
            await sign_in(provider)
        assert time.monotonic() - began < 25
        await provider.close()


async def test_a_thread_is_free_again_when_the_time_for_a_sign_in_is_over() -> None:
    def script(request: Request) -> bytes | None:
        return None if request.operation != BIND else sane(request)

    changes = {"answer_timeout": "60s", "sign_in_timeout": "1s", "connections": 1}
    async with facing(script, **changes) as (provider, requests):
        for _ in range(2):
            asked = len(requests)
            with pytest.raises(ProviderUnavailable, match="took longer than 1 s"):
                await sign_in(provider)
            assert len(requests) > asked


async def test_too_many_who_wait_are_turned_away_and_all_others_told_in_time() -> None:
    def script(request: Request) -> bytes | None:
        return None

    changes = {"connections": 1, "max_waiting": 3, "sign_in_timeout": "1s"}
    async with facing(script, **changes) as (provider, _):
        outcomes = await asyncio.gather(
            *(sign_in(provider) for _ in range(10)), return_exceptions=True
        )
    assert all(isinstance(one, ProviderUnavailable) for one in outcomes)
    assert sum("too many" in str(one) for one in outcomes) == 6
    assert all(one.retry_after for one in outcomes if isinstance(one, ProviderUnavailable))


async def test_a_caller_who_goes_away_leaves_no_thread_behind() -> None:
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()

    def script(request: Request) -> bytes | None:
        if b"userAccountControl" in request.raw and not arrived.is_set():
            loop.call_soon_threadsafe(arrived.set)
            return None
        return sane(request)

    async with facing(script, connections=1, answer_timeout="60s") as (provider, _):
        waiting = asyncio.create_task(sign_in(provider))
        await arrived.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert isinstance(await sign_in(provider), ExternalIdentity)


@pytest.mark.parametrize("connections", [1, 8])
async def test_who_waits_while_a_provider_closes_is_told(connections: int) -> None:
    def script(request: Request) -> None:
        return None

    with scripted(script) as directory:
        provider = make(directory.url, connections=connections, answer_timeout="60s")
        await provider.start()
        waiting = [asyncio.create_task(sign_in(provider)) for _ in range(4)]
        while not directory.requests:
            await asyncio.sleep(0)
        await provider.close()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(one, ProviderUnavailable) for one in outcomes), outcomes
        with pytest.raises(ProviderUnavailable, match="closed"):
            await sign_in(provider)


async def test_an_unknown_name_costs_what_a_wrong_password_costs() -> None:
    """As many questions of the same kinds, so that an answer's time says nothing."""
    asked = {}
    for name in ("alice", "nobody"):

        def script(request: Request, name: str = name) -> bytes:
            if request.operation == BIND and b"CN=service" not in request.raw:
                return request.bind_answer(49, b"data 52e")
            return sane(request) if name == "alice" else sane_without_alice(request)

        async with facing(script) as (provider, requests):
            assert isinstance(await provider.authenticate(Attempt(name, "x")), Refused)
            asked[name] = [one.operation for one in requests]
    assert asked["alice"] == asked["nobody"] == [BIND, SEARCH, BIND]


async def test_of_an_account_name_and_a_principal_name_alike_the_latter_counts() -> None:
    """Domain controllers don't let it come to this; replication does, and older ones did."""
    bob = ATTRIBUTES | {"sAMAccountName": [b"bob"], "objectGUID": [GUID[::-1]]}
    bob |= {"userPrincipalName": [b"Alice@corp.example.test"]}

    def script(request: Request) -> bytes:
        if request.operation == BIND or b"userAccountControl" not in request.raw:
            return sane(request)
        both = request.raw_entry(ALICE, ATTRIBUTES)
        return both + request.raw_entry(b"CN=bob", bob) + request.done()

    async with facing(script) as (provider, _):
        found = await provider.authenticate(Attempt("alice@corp.example.test", "right"))
        assert isinstance(found, ExternalIdentity)
        assert found.username == "bob"
        assert await provider.authenticate(Attempt("alice", "right")) == Refused("ambiguous_name")


def sane_without_alice(request: Request) -> bytes:
    return request.bind_answer() if request.operation == BIND else request.done()


async def test_a_connection_that_broke_while_nobody_used_it_is_replaced() -> None:
    served: dict[str, int] = {"users": 0}

    def script(request: Request) -> bytes:
        if b"userAccountControl" in request.raw:
            served["users"] += 1
            if served["users"] == 2:
                return b""
        return sane(request)

    async with facing(script) as (provider, _):
        for _ in range(3):
            assert isinstance(await sign_in(provider), ExternalIdentity)


async def test_the_service_account_refused_is_a_broken_backend() -> None:
    def script(request: Request) -> bytes:
        if request.operation == BIND and not of_user(request):
            return request.bind_answer(49, b"data 52e")
        return sane(request)

    async with facing(script) as (provider, _):
        with pytest.raises(ProviderUnavailable, match="refuses the service account"):
            await sign_in(provider)
        with pytest.raises(ProviderUnavailable):
            await provider.check()
        with pytest.raises(ProviderUnavailable):
            await provider.search("al", limit=3)
        with pytest.raises(ProviderUnavailable):
            await provider.refresh(
                "activedirectory_user://03020100-0504-0706-0809-0a0b0c0d0e0f", None
            )


async def test_ranged_values_are_asked_for_until_there_are_no_more() -> None:
    values = [b"CN=%d" % number for number in range(7)]

    def script(request: Request) -> bytes:
        if request.operation == BIND:
            return request.bind_answer()
        for low in (3, 6):
            if b"member;range=%d-*" % low in request.raw:
                name = f"member;range={low}-{'*' if low == 6 else 5}"
                return request.raw_entry(ALICE, {name: values[low : low + 3]}) + request.done()
        return request.raw_entry(ALICE, {"member;range=0-2": values[:3]}) + request.done()

    async with facing(script) as (provider, _):
        directory: Directory = provider._directory
        found = await directory.run(
            lambda session: session.search("DC=x", "(objectClass=*)", ["member"])
        )
    assert list(found[0].raw("member")) == values
