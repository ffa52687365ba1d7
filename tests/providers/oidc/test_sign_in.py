"""Tests of sign-ins at an issuer."""

import base64
import hashlib
import json
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from providers.base import (
    CannotRefresh,
    ExternalGroup,
    ExternalIdentity,
    Pending,
    ProviderUnavailable,
    Rejected,
)
from tests.providers.oidc.conftest import Make
from tests.support.scripted_issuer import ScriptedIssuer, at_hash

BACK = "https://sekisho.example/v1/login/corp/callback"
PRINCIPAL = "oidc_corp_user://248289761001"


def respond(issuer: ScriptedIssuer, *, id_token: str | None = None, **more: Any) -> None:
    """Let the token endpoint return an ID token, an access token, and ``more``."""
    body = {"id_token": id_token, "access_token": "access-1", "token_type": "Bearer"} | more
    issuer.token_response = (
        200,
        {name: value for name, value in body.items() if value is not None},
    )


async def sign_in(
    provider: Any, issuer: ScriptedIssuer, query: dict[str, str] | None = None, **claims: Any
) -> Any:
    """Sign in with the ``claims`` of the ID token and the ``query`` of the browser."""
    start = await provider.start_browser(BACK)
    if "nonce" not in claims:
        claims["nonce"] = start.keep["nonce"]
    if issuer.token_response == (200, {}):
        respond(issuer, id_token=issuer.token(**claims), refresh_token="refresh-1")
    parameters = {"state": start.keep["state"], "code": "code-1"} | (query or {})
    return await provider.finish_browser(BACK, start.keep, parameters)


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


async def test_refresh_returns_current_groups_and_new_refresh_token(
    make: Make, issuer: ScriptedIssuer
) -> None:
    provider = await make(groups_claim="groups", userinfo="never")
    secret = (await sign_in(provider, issuer, groups=["ops", "dev"])).secret
    respond(issuer, id_token=issuer.token(groups=["dev"]), refresh_token="refresh-2")
    found = await provider.refresh(PRINCIPAL, secret)
    assert [group.name for group in found.groups] == ["dev"]
    assert json.loads(found.secret)["refresh_token"] == "refresh-2"
    assert issuer.forms[-1] == {"grant_type": "refresh_token", "refresh_token": "refresh-1"}


async def test_refresh_without_new_id_token_reads_userinfo(
    make: Make, issuer: ScriptedIssuer
) -> None:
    provider = await make(groups_claim="groups", subject_claim="oid")
    secret = (await sign_in(provider, issuer, oid="o-1", groups=[])).secret
    respond(issuer)
    issuer.userinfo = (200, {"sub": "248289761001", "groups": ["new"]})
    found = await provider.refresh("oidc_corp_user://o-1", secret)
    assert [group.name for group in found.groups] == ["new"]
    assert json.loads(found.secret)["refresh_token"] == "refresh-1"
    issuer.userinfo = (200, {"sub": "another"})
    assert await provider.refresh("oidc_corp_user://o-1", secret) == Rejected("subject_mismatch")


async def test_refresh_rejects_only_accounts_that_the_issuer_refuses(
    make: Make, issuer: ScriptedIssuer
) -> None:
    provider = await make(required_claims={"hd": "acme.example"})
    secret = (await sign_in(provider, issuer, hd="acme.example")).secret
    issuer.token_response = (400, {"error": "invalid_grant", "error_description": "User disabled"})
    assert await provider.refresh(PRINCIPAL, secret) == Rejected("account_gone")
    respond(issuer, id_token=issuer.token(hd="left.example"))
    refused = await provider.refresh(PRINCIPAL, secret)
    assert refused.reason == "required_claim"
    for response in ((400, {"error": "invalid_request"}), (503, {}), (200, "?"), (429, {})):
        issuer.token_response = response
        with pytest.raises(ProviderUnavailable):
            await provider.refresh(PRINCIPAL, secret)
    with pytest.raises(CannotRefresh):
        await provider.refresh(PRINCIPAL, None)


async def test_failed_refresh_keeps_new_refresh_token(make: Make, issuer: ScriptedIssuer) -> None:
    provider = await make(groups_claim="groups")
    secret = (await sign_in(provider, issuer, groups=[])).secret
    respond(issuer, refresh_token="refresh-2")
    for status, body in ((500, "{}"), (403, "{}"), (200, "?")):
        issuer.userinfo = (status, body)
        with pytest.raises(ProviderUnavailable) as caught:
            await provider.refresh(PRINCIPAL, secret)
        assert json.loads(caught.value.secret or "")["refresh_token"] == "refresh-2"
    # A wrong clock or an unknown key must not lock users out.
    respond(issuer, id_token=issuer.token(exp=1), refresh_token="refresh-2")
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.refresh(PRINCIPAL, secret)
    assert json.loads(caught.value.secret or "")["refresh_token"] == "refresh-2"


async def test_revoke_grant_revokes_refresh_token(make: Make, issuer: ScriptedIssuer) -> None:
    provider = await make()
    secret = (await sign_in(provider, issuer)).secret
    await provider.revoke_grant(PRINCIPAL, secret)
    assert issuer.received_paths[-1] == "/revoke"
    assert issuer.forms[-1]["token"] == "refresh-1"


async def test_device_sign_in_maps_each_poll_response(make: Make, issuer: ScriptedIssuer) -> None:
    provider = await make()
    issuer.device = (
        200,
        {
            "device_code": "d-1",
            "user_code": "ABCD-EFGH",
            "verification_uri": f"{issuer.url}/activate",
            "expires_in": 600,
            "interval": 3,
        },
    )
    start = await provider.start_device()
    assert (start.user_code, start.interval) == ("ABCD-EFGH", 3)
    assert start.verification_uri_complete == f"{issuer.url}/activate"
    for error, expected in (
        ("authorization_pending", Pending(3)),
        ("slow_down", Pending(8)),
        ("expired_token", Rejected("expired_token")),
        ("access_denied", Rejected("access_denied")),
    ):
        issuer.token_response = (400, {"error": error})
        assert await provider.poll_device(start.keep) == expected
    respond(issuer, id_token=issuer.token())
    found = await provider.poll_device(start.keep)
    assert found.principal_id == PRINCIPAL
    assert issuer.forms[-1]["device_code"] == "d-1"


@pytest.mark.parametrize(
    "changes", [{}, {"user_code": "x"}, {"expires_in": "?"}, {"verification_uri": "javascript:x"}]
)
async def test_invalid_device_response_is_unavailable(
    make: Make, issuer: ScriptedIssuer, changes: dict[str, Any]
) -> None:
    good = {
        "device_code": "d",
        "user_code": "U",
        "verification_uri": "https://id.example",
        "expires_in": 9,
    }
    issuer.device = (200, good | changes if changes else {})
    provider = await make()
    if changes == {"user_code": "x"}:
        assert (await provider.start_device()).user_code == "x"
    else:
        with pytest.raises(ProviderUnavailable):
            await provider.start_device()


async def test_device_flow_disabled_has_no_device_sign_in(make: Make) -> None:
    assert not hasattr(await make(device_flow=False), "start_device")


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
