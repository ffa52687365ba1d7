"""Tests of the keys that verify bearer tokens: rotation, requests, and an unavailable issuer."""

import asyncio
from typing import Any

import pytest

from providers.base import ProviderUnavailable, Rejected, Verified
from tests.providers.oidc.conftest import Clock, Make
from tests.providers.oidc.direct import DIRECT
from tests.support.scripted_issuer import CURVE, KEYS, UNTRUSTED_KEY, ScriptedIssuer


async def test_token_signed_with_foreign_key_is_rejected(
    issuer: ScriptedIssuer, make: Make
) -> None:
    provider = await make(bearer=DIRECT)
    good = issuer.token()
    header, body, _ = good.split(".")
    forged = issuer.token(key=UNTRUSTED_KEY)
    cases = {
        "bad_signature": [
            forged,
            f"{header}.{body}.{forged.split('.')[2]}",
            f"{header}.{body}.AAAA",
        ],
        "unknown_key": [issuer.token(key=KEYS["second"]), issuer.token(key=CURVE)],
    }
    for reason, tokens in cases.items():
        for token in tokens:
            refused = await provider.verify(token)
            assert isinstance(refused, Rejected)
            assert refused.reason == reason


async def test_key_rotation_accepts_new_key_and_rejects_withdrawn_key(
    issuer: ScriptedIssuer, make: Make, clock: Clock
) -> None:
    provider = await make(bearer=DIRECT)
    assert isinstance(await provider.verify(issuer.token()), Verified)
    issuer.publish("second")
    clock.now += 31
    assert isinstance(await provider.verify(issuer.token(key=KEYS["second"])), Verified)
    assert await provider.verify(issuer.token()) == Rejected("unknown_key")


async def test_unknown_key_ids_cause_one_key_request(issuer: ScriptedIssuer, make: Make) -> None:
    provider = await make(bearer=DIRECT)
    for number in range(20):
        token = issuer.token(header={"kid": f"unknown-{number}"})
        assert await provider.verify(token) == Rejected("unknown_key")
    assert issuer.count_received("/jwks") == 1


async def test_concurrent_verifications_send_one_key_request(
    issuer: ScriptedIssuer, make: Make
) -> None:
    provider = await make(bearer=DIRECT)
    token = issuer.token()
    found = await asyncio.gather(*(provider.verify(token) for _ in range(50)))
    assert all(isinstance(one, Verified) for one in found)
    assert issuer.count_received("/jwks") == 1
    assert issuer.count_received("/.well-known/openid-configuration") == 1


async def test_cached_keys_of_unavailable_issuer_are_valid_for_one_day(
    issuer: ScriptedIssuer, make: Make, clock: Clock
) -> None:
    provider = await make(bearer=DIRECT)
    await provider.verify(issuer.token())
    issuer.down = True
    clock.now += 3601
    assert isinstance(await provider.verify(issuer.token()), Verified)
    with pytest.raises(ProviderUnavailable):
        await provider.check()
    clock.now += 24 * 3600
    with pytest.raises(ProviderUnavailable):
        await provider.verify(issuer.token())


async def test_issuer_unavailable_at_start_is_retried_after_pause(
    issuer: ScriptedIssuer, make: Make, clock: Clock
) -> None:
    issuer.down = True
    provider = await make(bearer=DIRECT)
    for _ in range(10):
        with pytest.raises(ProviderUnavailable):
            await provider.verify(issuer.token())
    assert issuer.count_received("/.well-known/openid-configuration") == 1
    issuer.down = False
    clock.now += 6
    assert isinstance(await provider.verify(issuer.token()), Verified)


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example"},
        {"jwks_uri": "http://keys.example/jwks"},
        {"jwks_uri": None},
        {"token_endpoint": "ftp://x"},
    ],
)
async def test_untrusted_discovery_document_is_unavailable(
    issuer: ScriptedIssuer, make: Make, metadata: dict[str, Any]
) -> None:
    issuer.metadata |= metadata
    provider = await make(bearer=DIRECT)
    with pytest.raises(ProviderUnavailable):
        await provider.verify(issuer.token())


async def test_invalid_keys_are_ignored(issuer: ScriptedIssuer, make: Make) -> None:
    good = issuer.keys[0]
    issuer.keys = [
        {"kty": "oct", "k": "AAAA", "kid": "first"},
        {"kty": "RSA", "kid": 7},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "weak"},
        {**good, "use": "enc"},
        "nonsense",  # type: ignore[list-item]
        good,
    ]
    provider = await make(bearer=DIRECT)
    assert isinstance(await provider.verify(issuer.token()), Verified)
    issuer.keys = issuer.keys[:4]
    other = await make(bearer=DIRECT)
    with pytest.raises(ProviderUnavailable):
        await other.verify(issuer.token())
