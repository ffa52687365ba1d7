"""Tests of large and unusual tokens of real issuers."""

import json
import time
from typing import Any

import pytest

from providers.base import (
    ExternalGroup,
    ExternalIdentity,
    GrantEnded,
    ProviderUnavailable,
    Rejected,
)
from providers.jwt.unverified import MAX_ID_TOKEN_BYTES, MAX_JWT_BYTES, read_unverified
from tests.providers.oidc.browser import BACK, PRINCIPAL, respond, sign_in
from tests.providers.oidc.conftest import Clock, Make
from tests.support.scripted_issuer import KEYS, UNTRUSTED_KEY, ScriptedIssuer, signed


async def test_user_with_3000_groups_signs_in(make: Make, issuer: ScriptedIssuer) -> None:
    groups = [f"/a-rather-long-name-of-a-department/and-of-a-team-{n:04}" for n in range(3000)]
    assert len(json.dumps(groups)) > 10 * MAX_JWT_BYTES
    found = await sign_in(await make(groups_claim="groups"), issuer, groups=groups)
    assert [one.name for one in found.groups] == groups


async def test_oversized_id_token_is_rejected_and_limit_is_reported(
    make: Make, issuer: ScriptedIssuer
) -> None:
    refused = await sign_in(await make(), issuer, groups=["x" * MAX_ID_TOKEN_BYTES])
    assert isinstance(refused, Rejected)
    assert refused.reason == "malformed"
    assert str(MAX_ID_TOKEN_BYTES) in refused.detail


def test_read_unverified_takes_linear_time(issuer: ScriptedIssuer) -> None:
    """The caller chooses the content: nesting, dots, one repeated character."""

    def seconds(size: int) -> float:
        started = time.process_time()
        for part in ("[" * size, "a" * size, "." * size, "=" * size, "eyJ" * (size // 3)):
            read_unverified(f"e30.{part}.x", limit=MAX_ID_TOKEN_BYTES)
        return time.process_time() - started

    small, large = (min(seconds(size) for _ in range(5)) for size in (1 << 14, 1 << 17))
    assert large < 40 * small + 0.05


@pytest.mark.parametrize(
    ("groups", "settings", "expected"),
    [
        (["ops"], {}, {"ops": "ops"}),
        ("ops", {}, {"ops": "ops"}),
        ([7, "ops"], {}, {"7": "7", "ops": "ops"}),
        ("ops,dev, sre", {"groups_separator": ","}, {n: n for n in ("ops", "dev", "sre")}),
        ([{"id": 7, "name": "ops"}], {"groups_member": "id"}, {"7": "ops"}),
        ([{"path": "/ops", "name": "ops"}], {"groups_member": "path"}, {"/ops": "ops"}),
        ([{"name": "system:masters"}, "sekisho:x"], {"groups_member": "name"}, {}),
        ([], {}, {}),
        (None, {}, {}),
    ],
)
async def test_groups_in_configured_form_are_read(
    make: Make, issuer: ScriptedIssuer, groups: Any, settings: dict[str, str], expected: Any
) -> None:
    provider = await make(groups_claim="groups", userinfo="never", **settings)
    found = await sign_in(provider, issuer, groups=groups)
    assert found.groups == tuple(
        ExternalGroup(f"oidc_corp_group://{key}", name) for key, name in expected.items()
    )
    assert provider.findings() == ()


@pytest.mark.parametrize(
    ("groups", "settings", "names", "hint"),
    [
        ([{"name": "ops"}], {}, [], "groups_member"),
        ([{"name": "ops"}], {"groups_member": "id"}, [], "groups_member"),
        ({"name": "ops"}, {}, [], "groups_member"),
        ([["ops"], None, True], {}, [], "neither text nor objects"),
        ("ops,dev", {}, ["ops,dev"], "groups_separator"),
    ],
)
async def test_groups_in_other_form_are_reported_as_finding(
    make: Make,
    issuer: ScriptedIssuer,
    groups: Any,
    settings: dict[str, str],
    names: list[str],
    hint: str,
) -> None:
    provider = await make(groups_claim="groups", userinfo="never", **settings)
    found = await sign_in(provider, issuer, groups=groups)
    assert [one.name for one in found.groups] == names
    [finding] = provider.findings()
    assert hint in finding


async def test_name_with_surrounding_white_space_is_not_used_or_trimmed(
    make: Make, issuer: ScriptedIssuer
) -> None:
    provider = await make(userinfo="never")
    assert (await sign_in(provider, issuer, preferred_username=" alice")).username == (
        "248289761001"
    )
    issuer.token_response = (200, {})
    assert await sign_in(provider, issuer, sub="alice ") == Rejected("unusable_claim", "sub")


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": ["sekisho", "another"]}, None),
        ({"aud": ["another", "sekisho"], "azp": "sekisho"}, None),
        ({"aud": ["sekisho"]}, None),
        ({"aud": ["sekisho", "another"], "azp": "another"}, "audience_mismatch"),
        ({"aud": ["sekisho", "another"], "azp": ["sekisho"]}, "audience_mismatch"),
        ({"aud": "sekisho", "azp": ""}, "audience_mismatch"),
        ({"aud": ["another"], "azp": "sekisho"}, "audience_mismatch"),
        ({"aud": []}, "audience_mismatch"),
        ({"aud": ["sekisho", 7]}, "audience_mismatch"),
        ({"aud": ["sekisho", ["another"]]}, "audience_mismatch"),
        ({"aud": {"sekisho": True}}, "audience_mismatch"),
        ({"aud": "SEKISHO"}, "audience_mismatch"),
        ({"aud": "sekisho "}, "audience_mismatch"),
    ],
)
async def test_audience_and_authorized_party_must_be_the_client(
    make: Make, issuer: ScriptedIssuer, claims: dict[str, Any], reason: str | None
) -> None:
    found = await sign_in(await make(userinfo="never"), issuer, **claims)
    assert (found.reason if isinstance(found, Rejected) else None) == reason


async def test_key_replaced_under_same_id_is_fetched_with_bounded_requests(
    make: Make, issuer: ScriptedIssuer, clock: Clock
) -> None:
    provider = await make()
    assert isinstance(await sign_in(provider, issuer), ExternalIdentity)
    replaced = {**UNTRUSTED_KEY.as_dict(private=False), "use": "sig"}
    issuer.keys = [replaced]
    start = await provider.start_browser(BACK)
    query = {"state": start.keep["state"], "code": "code-1"}
    respond(issuer, id_token=issuer.token(key=UNTRUSTED_KEY, nonce=start.keep["nonce"]))
    assert await provider.finish_browser(BACK, start.keep, query) == Rejected("bad_signature")
    clock.now += 31
    assert isinstance(await provider.finish_browser(BACK, start.keep, query), ExternalIdentity)
    # The old key is no longer valid, and tokens signed with it cause no request.
    requests = issuer.count_received("/jwks")
    respond(issuer, id_token=issuer.token(key=KEYS["first"], nonce=start.keep["nonce"]))
    for _ in range(5):
        refused = await provider.finish_browser(BACK, start.keep, query)
        assert refused == Rejected("bad_signature")
    assert issuer.count_received("/jwks") == requests


@pytest.mark.parametrize(
    "response", [(401, {}), (403, "{}"), (500, "?"), (200, "<html>"), (429, {})]
)
async def test_failed_userinfo_is_a_finding_if_only_names_are_missing(
    make: Make, issuer: ScriptedIssuer, response: tuple[int, Any]
) -> None:
    issuer.userinfo = response
    provider = await make(groups_claim="groups")
    found = await sign_in(provider, issuer, groups=["ops"], name=None)
    assert [one.name for one in found.groups] == ["ops"]
    assert provider.findings()


@pytest.mark.parametrize("userinfo", ["auto", "always"])
async def test_failed_userinfo_rejects_sign_in_if_groups_are_missing(
    make: Make, issuer: ScriptedIssuer, userinfo: str
) -> None:
    issuer.userinfo = (401, {})
    provider = await make(groups_claim="groups", userinfo=userinfo)
    assert await sign_in(provider, issuer) == Rejected("userinfo_refused")


async def test_userinfo_is_not_requested_if_no_claim_is_missing(
    make: Make, issuer: ScriptedIssuer
) -> None:
    provider = await make(groups_claim="groups", required_claims={"hd": "x"})
    assert isinstance(await sign_in(provider, issuer, groups=[], hd="x"), ExternalIdentity)
    assert issuer.count_received("/userinfo") == 0
    issuer.token_response = (200, {})
    issuer.userinfo = (200, {"sub": "248289761001", "hd": "x"})
    assert isinstance(await sign_in(provider, issuer, groups=[]), ExternalIdentity)
    assert issuer.count_received("/userinfo") == 1


async def test_signed_userinfo_is_verified(make: Make, issuer: ScriptedIssuer) -> None:
    provider = await make(groups_claim="groups")
    header = {"alg": "RS256", "kid": "first"}

    def signed_userinfo(key: Any = KEYS["first"], **claims: Any) -> str:
        values = {"sub": "248289761001", "groups": ["ops"]} | claims
        return signed(header, json.dumps(values).encode(), key)

    issuer.userinfo_type = "application/jwt"
    for good in (
        signed_userinfo(),
        signed_userinfo(iss=issuer.url, aud="sekisho"),
        signed_userinfo(aud=["x", "sekisho"]),
    ):
        issuer.userinfo, issuer.token_response = (200, good), (200, {})
        found = await sign_in(provider, issuer)
        assert [one.name for one in found.groups] == ["ops"]
    bad = (
        signed_userinfo(UNTRUSTED_KEY),
        signed_userinfo(iss="https://other.example"),
        signed_userinfo(aud="another"),
        signed_userinfo(exp=1),
        "not a JWT",
        "a.b.c.d.e",
        signed_userinfo().rpartition(".")[0] + ".",
    )
    for one in bad:
        issuer.userinfo, issuer.token_response = (200, one), (200, {})
        with pytest.raises(ProviderUnavailable):
            await sign_in(provider, issuer)
    issuer.userinfo, issuer.token_response = (200, signed_userinfo(sub="another")), (200, {})
    assert await sign_in(provider, issuer) == Rejected("subject_mismatch", "userinfo")


@pytest.mark.parametrize(
    ("supported", "settings", "requested"),
    [
        (["openid", "offline_access"], {}, True),
        (["openid"], {}, False),
        (None, {}, False),
        ("offline_access", {}, False),
        (None, {"preset": "keycloak"}, True),
        (["offline_access"], {"preset": "keycloak", "offline_access": "never"}, False),
        (["offline_access"], {"preset": "google"}, False),
        (["offline_access"], {"scopes": ["openid", "offline_access"]}, True),
    ],
)
async def test_offline_access_is_requested_if_supported(
    make: Make, issuer: ScriptedIssuer, supported: Any, settings: dict[str, Any], requested: bool
) -> None:
    issuer.metadata["scopes_supported"] = supported
    url = (await (await make(**settings)).start_browser(BACK)).url
    assert url.count("offline_access") == requested


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        # Keycloak: the session was idle for too long, or the server has restarted.
        ({"error_description": "Session not active"}, GrantEnded),
        ({"error_description": "Token is not active"}, GrantEnded),
        ({"error_description": "Offline user session not found"}, GrantEnded),
        # Okta, Google, Entra ID: revoked, not used for too long, a password changed.
        ({"error_description": "The refresh token is invalid or expired."}, GrantEnded),
        ({"error_description": "Token has been expired or revoked."}, GrantEnded),
        ({"error_description": "AADSTS700082: expired", "error_codes": [700082]}, GrantEnded),
        ({"error_description": 7, "error_codes": "50057"}, GrantEnded),
        ({}, GrantEnded),
        ({"error_description": "User disabled"}, Rejected("account_gone")),
        ({"error_description": "Account has been deleted"}, Rejected("account_gone")),
        ({"error_description": "AADSTS50057: …", "error_codes": [50057]}, Rejected("account_gone")),
        ({"error": "access_denied", "error_description": "user is blocked"}, Rejected),
    ],
)
async def test_invalid_grant_distinguishes_ended_grant_from_deleted_account(
    make: Make, issuer: ScriptedIssuer, response: dict[str, Any], expected: Any
) -> None:
    provider = await make()
    secret = (await sign_in(provider, issuer)).secret
    issuer.token_response = (400, {"error": "invalid_grant"} | response)
    if expected is GrantEnded:
        with pytest.raises(GrantEnded):
            await provider.refresh(PRINCIPAL, secret)
    else:
        refused = await provider.refresh(PRINCIPAL, secret)
        assert refused == (expected if isinstance(expected, Rejected) else Rejected("account_gone"))
