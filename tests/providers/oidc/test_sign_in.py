"""Tests of sign-ins at an issuer."""

import base64
import hashlib
import json
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from providers.base import (
    ExternalGroup,
    ExternalIdentity,
    ProviderUnavailable,
    Rejected,
)
from tests.providers.oidc.browser import BACK, PRINCIPAL, sign_in
from tests.providers.oidc.conftest import Make
from tests.support.scripted_issuer import ScriptedIssuer, at_hash


async def test_start_browser_sends_pkce_state_and_nonce(make: Make, issuer: ScriptedIssuer) -> None:
    provider = await make(authorize_parameters={"prompt": "login"})
    start = await provider.start_browser(BACK)
    parts = urlsplit(start.url)
    query = dict(parse_qsl(parts.query))
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{issuer.url}/authorize"
    challenge = hashlib.sha256(start.keep["verifier"].encode()).digest()
    assert query == {
        "tenant": "1",
        "response_type": "code",
        "client_id": "sekisho",
        "redirect_uri": BACK,
        "scope": "openid profile email",
        "state": start.keep["state"],
        "nonce": start.keep["nonce"],
        "prompt": "login",
        "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    again = await provider.start_browser(BACK)
    assert {*again.keep.values()}.isdisjoint(start.keep.values())


async def test_finish_browser_returns_identity_of_id_token(
    make: Make, issuer: ScriptedIssuer
) -> None:
    provider = await make(groups_claim="groups", userinfo="never")
    found = await sign_in(
        provider, issuer, groups=["ops"], email="a@x.example", email_verified=True
    )
    assert found == ExternalIdentity(
        PRINCIPAL,
        "alice",
        "Alice Example",
        (ExternalGroup("oidc_corp_group://ops", "ops"),),
        email="a@x.example",
        secret=json.dumps({"refresh_token": "refresh-1", "sub": "248289761001"}),
    )
    form, authorization = (
        issuer.forms[-1],
        issuer.authorizations[issuer.received_paths.index("/token")],
    )
    assert form["grant_type"] == "authorization_code"
    assert form["redirect_uri"] == BACK
    assert (
        authorization == "Basic " + base64.b64encode(b"sekisho:the%20client%27s%20secret").decode()
    )


async def test_client_secret_is_sent_in_form_or_omitted_for_public_client(
    make: Make, issuer: ScriptedIssuer
) -> None:
    await sign_in(await make(client_authentication="post"), issuer)
    assert issuer.forms[-1]["client_secret"] == "the client's secret"
    issuer.token_response = (200, {})
    await sign_in(await make(client_secret=None), issuer)
    assert issuer.forms[-1]["client_id"] == "sekisho"
    assert "client_secret" not in issuer.forms[-1]
    assert issuer.authorizations[-1] is None


@pytest.mark.parametrize(
    ("reason", "query"),
    [
        ("state_mismatch", {"state": "another"}),
        ("state_mismatch", {"state": "\u00e9"}),
        ("issuer_mismatch", {"iss": "https://other.example"}),
        ("access_denied", {"error": "access_denied"}),
        ("code_missing", {"code": ""}),
    ],
)
async def test_browser_response_of_another_sign_in_is_rejected(
    make: Make, issuer: ScriptedIssuer, reason: str, query: dict[str, str]
) -> None:
    refused = await sign_in(await make(), issuer, query)
    assert isinstance(refused, Rejected)
    assert refused.reason == reason
    assert not issuer.forms


async def test_missing_iss_parameter_of_supporting_issuer_is_rejected(
    make: Make, issuer: ScriptedIssuer
) -> None:
    issuer.metadata["authorization_response_iss_parameter_supported"] = True
    assert await sign_in(await make(), issuer) == Rejected("issuer_mismatch")
    issuer.token_response = (200, {})
    assert isinstance(await sign_in(await make(), issuer, {"iss": issuer.url}), ExternalIdentity)


@pytest.mark.parametrize(
    ("reason", "claims"),
    [
        ("nonce_mismatch", {"nonce": "another"}),
        ("nonce_mismatch", {"nonce": None}),
        ("nonce_mismatch", {"nonce": "\ud800"}),
        ("audience_mismatch", {"aud": "another"}),
        ("audience_mismatch", {"azp": "another"}),
        ("at_hash_mismatch", {"at_hash": at_hash("access-2")}),
        ("at_hash_mismatch", {"at_hash": 7}),
        ("expired", {"exp": int(time.time()) - 120}),
        ("required_claim", {"hd": "other.example"}),
        ("required_claim", {"hd": None}),
    ],
)
async def test_id_token_of_another_sign_in_is_rejected(
    make: Make, issuer: ScriptedIssuer, reason: str, claims: dict[str, Any]
) -> None:
    provider = await make(required_claims={"hd": "acme.example"}, userinfo="never")
    refused = await sign_in(provider, issuer, **({"hd": "acme.example"} | claims))
    assert isinstance(refused, Rejected)
    assert refused.reason == reason


async def test_id_token_with_matching_at_hash_and_azp_is_accepted(
    make: Make, issuer: ScriptedIssuer
) -> None:
    claims: dict[str, Any] = {
        "at_hash": at_hash("access-1"),
        "aud": ["sekisho", "x"],
        "azp": "sekisho",
    }
    assert isinstance(await sign_in(await make(), issuer, **claims), ExternalIdentity)


async def test_unverified_email_is_not_used(make: Make, issuer: ScriptedIssuer) -> None:
    provider = await make(username_claim="email", userinfo="never")
    found = await sign_in(provider, issuer, email="boss@acme.example")
    assert (found.username, found.email) == ("248289761001", "")
    issuer.token_response = (200, {})
    found = await sign_in(provider, issuer, email="boss@acme.example", email_verified=True)
    assert found.username == "boss@acme.example"


async def test_claims_missing_in_id_token_are_read_from_userinfo(
    make: Make, issuer: ScriptedIssuer
) -> None:
    issuer.userinfo = (200, {"sub": "248289761001", "groups": ["ops"], "name": "Another Name"})
    found = await sign_in(await make(groups_claim="groups"), issuer)
    assert [group.name for group in found.groups] == ["ops"]
    assert found.display_name == "Alice Example"
    assert issuer.authorizations[-1] == "Bearer access-1"


async def test_userinfo_of_another_subject_is_rejected(make: Make, issuer: ScriptedIssuer) -> None:
    issuer.userinfo = (200, {"sub": "another user", "groups": ["admins"]})
    assert await sign_in(await make(groups_claim="groups"), issuer) == Rejected(
        "subject_mismatch", "userinfo"
    )


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ((400, {"error": "invalid_grant"}), Rejected("code_refused", "invalid_grant")),
        ((401, {"error": "invalid_client"}), ProviderUnavailable),
        ((400, {}), ProviderUnavailable),
        ((500, {"error": "server_error"}), ProviderUnavailable),
        ((200, "not JSON"), ProviderUnavailable),
        ((200, []), ProviderUnavailable),
        ((302, {}), ProviderUnavailable),
        (
            (200, {"access_token": "x"}),
            Rejected("malformed", "the ID token (0 bytes, 262144 at most)"),
        ),
    ],
)
async def test_failed_token_endpoint_is_unavailable_unless_it_refuses_the_code(
    make: Make, issuer: ScriptedIssuer, response: tuple[int, Any], expected: Any
) -> None:
    provider = await make()
    issuer.token_response = response
    if expected is ProviderUnavailable:
        with pytest.raises(ProviderUnavailable):
            await sign_in(provider, issuer)
    else:
        assert await sign_in(provider, issuer) == expected


async def test_error_contains_no_secret(make: Make, issuer: ScriptedIssuer) -> None:
    provider = await make()
    issuer.token_response = (500, {"error": "the client's secret"})
    with pytest.raises(ProviderUnavailable) as caught:
        await sign_in(provider, issuer)
    assert "code-1" not in str(caught.value)


async def test_sign_in_that_another_provider_began_is_rejected(
    make: Make, issuer: ScriptedIssuer
) -> None:
    provider = await make()
    start = await provider.start_browser(BACK)
    query = {"state": start.keep["state"], "code": "code-1"}
    kept = {"state": start.keep["state"], "verifier": start.keep["verifier"]}
    outcome = await provider.finish_browser(BACK, kept, query)
    assert outcome == Rejected("state_mismatch", "another provider began the sign-in")
    outcome = await provider.poll_device({"device_code": "code-1"})
    assert outcome == Rejected("expired", "another provider began the sign-in")
