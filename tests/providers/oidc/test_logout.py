"""Tests of back-channel logout."""

import time
from typing import Any

import pytest

from providers.base import Rejected
from providers.oidc.backchannel_logout import EVENT
from tests.providers.oidc.conftest import Make
from tests.support.scripted_issuer import UNTRUSTED_KEY, ScriptedIssuer


def logout_token(issuer: ScriptedIssuer, **changes: Any) -> str:
    claims = {"events": {EVENT: {}}, "jti": "logout-1", "exp": None} | changes
    return issuer.token(header={"typ": "logout+jwt"}, **claims)


async def test_logout_token_returns_principal(make: Make, issuer: ScriptedIssuer) -> None:
    provider = await make()
    assert await provider.logged_out(logout_token(issuer)) == "oidc_corp_user://248289761001"


async def test_logout_token_used_again_is_rejected(make: Make, issuer: ScriptedIssuer) -> None:
    provider = await make()
    token = logout_token(issuer)
    await provider.logged_out(token)
    assert await provider.logged_out(token) == Rejected("used_before")


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("not_a_logout", {"events": None}),
        ("not_a_logout", {"events": {"other": {}}}),
        ("not_a_logout", {"nonce": "n"}),
        ("missing_claim", {"jti": None}),
        ("missing_claim", {"sub": None, "sid": "s-1"}),
        ("audience_mismatch", {"aud": "another"}),
        ("issuer_mismatch", {"iss": "https://other.example"}),
        ("expired", {"iat": None}),
        ("expired", {"iat": int(time.time()) - 4000}),
        ("expired", {"iat": int(time.time()) - 4000, "exp": int(time.time()) + 60}),
    ],
)
async def test_invalid_logout_token_is_rejected_with_reason(
    make: Make, issuer: ScriptedIssuer, reason: str, changes: dict[str, Any]
) -> None:
    refused = await (await make()).logged_out(logout_token(issuer, **changes))
    assert isinstance(refused, Rejected)
    assert refused.reason == reason


async def test_id_token_or_forged_logout_token_is_rejected(
    make: Make, issuer: ScriptedIssuer
) -> None:
    provider = await make()
    assert await provider.logged_out(issuer.token(nonce="n")) == Rejected("not_a_logout")
    forged = issuer.token(key=UNTRUSTED_KEY, events={EVENT: {}}, jti="x")
    assert await provider.logged_out(forged) == Rejected("bad_signature")
    assert await provider.logged_out("nonsense") == Rejected("malformed")
