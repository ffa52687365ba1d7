"""Back-channel logout: whose sessions end, and who can't end them."""

import time
from typing import Any

import pytest

from providers.base import Refused
from providers.oidc_logout import EVENT
from tests.parts.scripted_issuer import STRANGER, ScriptedIssuer
from tests.providers.oidc.conftest import Make


def logout_token(issuer: ScriptedIssuer, **changes: Any) -> str:
    claims = {"events": {EVENT: {}}, "jti": "logout-1", "exp": None} | changes
    return issuer.token(header={"typ": "logout+jwt"}, **claims)


async def test_the_issuer_says_who_has_signed_out(make: Make, issuer: ScriptedIssuer) -> None:
    provider = await make()
    assert await provider.logged_out(logout_token(issuer)) == "oidc_corp_user://248289761001"


async def test_it_says_so_once(make: Make, issuer: ScriptedIssuer) -> None:
    provider = await make()
    token = logout_token(issuer)
    await provider.logged_out(token)
    assert await provider.logged_out(token) == Refused("used_before")


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
async def test_what_is_no_logout_token_is_refused(
    make: Make, issuer: ScriptedIssuer, reason: str, changes: dict[str, Any]
) -> None:
    refused = await (await make()).logged_out(logout_token(issuer, **changes))
    assert isinstance(refused, Refused)
    assert refused.reason == reason


async def test_an_id_token_or_a_strangers_is_refused(make: Make, issuer: ScriptedIssuer) -> None:
    provider = await make()
    assert await provider.logged_out(issuer.token(nonce="n")) == Refused("not_a_logout")
    forged = issuer.token(key=STRANGER, events={EVENT: {}}, jti="x")
    assert await provider.logged_out(forged) == Refused("bad_signature")
    assert await provider.logged_out("nonsense") == Refused("malformed")
