"""Tests of invalid responses of an issuer: a rejection, or an unavailable provider."""

from functools import partial
from typing import Any

import pytest

from tests.providers.oidc.responses import oidc, oidc_calls
from tests.providers.outcomes import BODIES, STATUSES, changed, outcome_of
from tests.support.isolation import free_port
from tests.support.scripted_issuer import ScriptedIssuer, scripted_issuer


@pytest.mark.parametrize(
    ("path", "calls"),
    [
        ("/.well-known/openid-configuration", ["check", "device"]),
        ("/jwks", ["logout", "finish"]),
        ("/token", ["finish", "refresh", "poll"]),
        ("/userinfo", ["finish", "refresh"]),
        ("/device", ["device"]),
        ("/revoke", ["revoke"]),
    ],
)
async def test_any_issuer_response_ends_in_a_contract_outcome(path: str, calls: list[str]) -> None:
    async with scripted_issuer(free_port()) as issuer:
        issuer.token_response = (200, _tokens(issuer))
        cached = path in {"/jwks", "/.well-known/openid-configuration"}
        provider = await oidc(issuer, userinfo="always")
        for body in BODIES.values():
            for status in STATUSES:
                issuer.overrides = {path: (status, body)}
                if cached:  # Only a new provider requests these again.
                    await provider.close()
                    provider = await oidc(issuer)
                for name in calls:
                    await outcome_of(oidc_calls(provider, issuer)[name])
        await provider.close()


def _tokens(issuer: ScriptedIssuer) -> dict[str, Any]:
    token = issuer.token(nonce="n", groups=["ops"])
    return {"id_token": token, "access_token": "a", "refresh_token": "r", "expires_in": 300}


async def test_any_field_of_issuer_responses_ends_in_a_contract_outcome() -> None:
    async with scripted_issuer(free_port()) as issuer:
        good = dict(issuer.metadata)
        for metadata in changed(good | {"scopes_supported": [], "issuer": issuer.url}):
            issuer.metadata = metadata
            provider = await oidc(issuer)
            await outcome_of(provider.check)
            await outcome_of(provider.start_device)
            await provider.close()
        issuer.metadata = good
        provider = await oidc(issuer, userinfo="always")
        calls = oidc_calls(provider, issuer)
        issuer.userinfo = (200, {"sub": "248289761001"})
        for variant in changed(_tokens(issuer) | {"error": "x", "error_description": "y"}):
            for status in (200, 400):
                issuer.token_response = (status, variant)
                for name in ("finish", "refresh", "poll"):
                    await outcome_of(calls[name])
        issuer.token_response = (200, _tokens(issuer))
        for variant in changed(
            {"sub": "248289761001", "groups": ["ops"], "email": "a@b", "name": "A"}
        ):
            issuer.userinfo = (200, variant)
            await outcome_of(calls["finish"])
        device = {"device_code": "d", "user_code": "u", "expires_in": 9, "interval": 5}
        for variant in changed(device | {"verification_uri": "https://id.example"}):
            issuer.device = (200, variant)
            await outcome_of(calls["device"])
        await provider.close()


async def test_any_claim_ends_in_a_contract_outcome() -> None:
    async with scripted_issuer(free_port()) as issuer:
        provider = await oidc(
            issuer, groups_member="id", required_claims={"hd": "x"}, userinfo="never"
        )
        calls = oidc_calls(provider, issuer)
        optional = {
            "nonce": "n",
            "azp": "sekisho",
            "at_hash": "x",
            "email": "a@b",
            "nbf": 1,
            "hd": "x",
        }
        optional |= {"email_verified": True, "groups": [{"id": 1}], "_claim_names": {}, "jti": "j"}
        for claims in changed(issuer.claims(**optional)):
            token = issuer.token(**(dict.fromkeys(issuer.claims()) | claims))
            issuer.token_response = (200, {"id_token": token, "access_token": "a"})
            await outcome_of(calls["finish"])
            await outcome_of(calls["poll"])
            await outcome_of(partial(provider.logged_out, token))
        await provider.close()


async def test_any_issuer_key_ends_in_a_contract_outcome() -> None:
    async with scripted_issuer(free_port()) as issuer:
        issuer.publish("first", "curve")
        for number, key in enumerate(list(issuer.keys)):
            others = [one for index, one in enumerate(issuer.keys) if index != number]
            for variant in changed(key | {"alg": "RS256", "key_ops": ["verify"], "x5c": []}):
                issuer.keys = [variant, *others]
                provider = await oidc(issuer)
                await outcome_of(partial(provider.logged_out, issuer.token()))
                await provider.close()
            issuer.publish("first", "curve")
