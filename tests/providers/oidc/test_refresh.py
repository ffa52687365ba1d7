"""Tests of refreshes with the grant of a sign-in, and of its end."""

import json

import pytest

from providers.base import (
    CannotRefresh,
    ProviderUnavailable,
    Rejected,
)
from tests.providers.oidc.browser import PRINCIPAL, respond, sign_in
from tests.providers.oidc.conftest import Make
from tests.support.scripted_issuer import ScriptedIssuer


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
