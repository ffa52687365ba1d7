"""Tests of refreshes at GitHub: rejections, rate limits, expiring tokens."""

import json

import pytest
from aiohttp import web

from providers.base import (
    CannotRefresh,
    ExternalIdentity,
    GrantEnded,
    ProviderUnavailable,
    Rejected,
)
from providers.github.rate_limits import retry_delay
from tests.providers.github.browser import sign_in
from tests.providers.github.conftest import Make, WallClock
from tests.support.fake_github import FakeGithub


async def test_refresh_returns_current_groups(make: Make, github: FakeGithub) -> None:
    alice = github.create_user("alice", orgs={"acme": "active", "beta": "active"})
    provider = await make()
    first = await sign_in(provider, github)
    del alice.orgs["beta"]
    current = await provider.refresh(first.principal_id, first.secret)
    assert isinstance(current, ExternalIdentity)
    assert [group.name for group in current.groups] == ["acme"]


async def test_refresh_of_former_member_suspended_user_or_revoked_token_is_rejected(
    make: Make, github: FakeGithub
) -> None:
    alice = github.create_user("alice", orgs={"acme": "active"})
    provider = await make(allowed_orgs=["acme"])
    first = await sign_in(provider, github)
    alice.orgs["acme"] = "pending"
    refused = await provider.refresh(first.principal_id, first.secret)
    assert isinstance(refused, Rejected)
    assert refused.reason == "not_allowed"
    alice.suspended = True
    assert await provider.refresh(first.principal_id, first.secret) == Rejected("account_suspended")
    alice.suspended = False
    github.tokens.clear()
    assert await provider.refresh(first.principal_id, first.secret) == Rejected("token_revoked")


async def test_unconfirmed_401_of_github_is_unavailable(make: Make, github: FakeGithub) -> None:
    github.create_user("alice")
    provider = await make()
    first = await sign_in(provider, github)
    github.fault, github.fault_on = web.Response(status=401, text="{}"), "/user"
    with pytest.raises(ProviderUnavailable):
        await provider.refresh(first.principal_id, first.secret)


async def test_unavailable_github_does_not_reject_users(make: Make, github: FakeGithub) -> None:
    github.create_user("alice")
    provider = await make()
    first = await sign_in(provider, github)
    github.fault = web.Response(status=503)
    with pytest.raises(ProviderUnavailable):
        await provider.refresh(first.principal_id, first.secret)
    with pytest.raises(ProviderUnavailable):
        await provider.check()
    github.fault = None
    await provider.check()
    assert isinstance(await provider.refresh(first.principal_id, first.secret), ExternalIdentity)
    with pytest.raises(CannotRefresh):
        await provider.refresh(first.principal_id, None)


async def test_refresh_with_token_of_another_user_is_rejected(
    make: Make, github: FakeGithub
) -> None:
    github.create_user("alice")
    github.create_user("bob")
    provider = await make()
    alice, bob = await sign_in(provider, github), await sign_in(provider, github, "bob")
    assert await provider.refresh(alice.principal_id, bob.secret) == Rejected("subject_mismatch")


async def test_expiring_app_token_is_replaced_and_kept(
    make: Make, github: FakeGithub, wall_clock: WallClock
) -> None:
    github.expiring = True
    github.create_user("alice")
    provider = await make(app="github")
    first = await sign_in(provider, github)
    again = await provider.refresh(first.principal_id, first.secret)
    assert isinstance(again, ExternalIdentity)
    assert again.secret == first.secret
    wall_clock.ahead = 28800 - 200
    github.fault, github.fault_on = web.Response(status=502), "/user"
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.refresh(first.principal_id, first.secret)
    # The refresh token is used up, so its successor must be stored although the refresh failed.
    assert caught.value.secret is not None
    assert caught.value.secret != first.secret
    github.fault = None
    current = await provider.refresh(first.principal_id, caught.value.secret)
    assert isinstance(current, ExternalIdentity)
    # A used or expired refresh token does not mean that the account is gone.
    with pytest.raises(GrantEnded):
        await provider.refresh(first.principal_id, first.secret)


async def test_revoke_grant_revokes_access_token(make: Make, github: FakeGithub) -> None:
    github.create_user("alice")
    provider = await make()
    first = await sign_in(provider, github)
    await provider.revoke_grant(first.principal_id, first.secret)
    assert github.revoked == [json.loads(first.secret)["access_token"]]
    await provider.revoke_grant(first.principal_id, first.secret)
    github.fault = web.Response(status=500)
    with pytest.raises(ProviderUnavailable):
        await provider.revoke_grant(first.principal_id, first.secret)


async def test_rate_limited_provider_sends_no_request(
    make: Make, github: FakeGithub, wall_clock: WallClock
) -> None:
    github.create_user("alice")
    provider = await make()
    first = await sign_in(provider, github)
    github.fault = web.Response(status=403, text="{}", headers={"Retry-After": "30"})
    github.fault_on = "/user"
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.refresh(first.principal_id, first.secret)
    assert caught.value.retry_after == 30
    github.fault = None
    requests = len(github.received)
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.refresh(first.principal_id, first.secret)
    assert 25 <= (caught.value.retry_after or 0) <= 30
    assert len(github.received) == requests
    wall_clock.ahead = 31
    assert isinstance(await provider.refresh(first.principal_id, first.secret), ExternalIdentity)


@pytest.mark.parametrize(
    ("status", "headers", "message", "wait"),
    [
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1100"}, "", 100),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "900"}, "", 1),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9999999"}, "", 3600),
        (403, {"X-RateLimit-Remaining": "0"}, "", 60),
        (429, {"Retry-After": "5", "X-RateLimit-Remaining": "0"}, "", 5),
        (429, {}, "", 60),
        (403, {}, "You have exceeded a secondary rate limit.", 60),
        (403, {"X-RateLimit-Remaining": "12"}, "Resource not accessible", None),
        (200, {"X-RateLimit-Remaining": "0"}, "", None),
    ],
)
def test_retry_delay_follows_documented_rate_limits(
    status: int, headers: dict[str, str], message: str, wait: int | None
) -> None:
    assert retry_delay(status, headers, message, 1000.0) == wait


async def test_search_finds_users_organisations_and_teams_by_prefix(
    make: Make, github: FakeGithub
) -> None:
    github.create_user("alice", orgs={"alpine": "active"})
    github.create_user("malice")
    team = github.create_team("acme", "all-hands")
    github._issue("malice")
    (token,) = github.tokens
    provider = await make(search_token=token, allowed_orgs=["acme"])
    found = await provider.search("al", limit=10)
    assert {(one.name, one.kind) for one in found} == {
        ("alice", "user"),
        ("alpine", "group"),
        ("acme/all-hands", "group"),
    }
    assert f"github_ghe_team://{team.id}" in {one.principal_id for one in found}
    assert len(await provider.search("al", limit=1)) == 1
    requests = len(github.received)
    for text in ("", "a b", "al type:org", "al*", "é", "x" * 100):
        assert await provider.search(text, limit=10) == []
    assert len(github.received) == requests
    assert await (await make()).search("al", limit=10) == []
    with pytest.raises(ProviderUnavailable):
        await (await make(search_token="gone")).search("al", limit=10)


SUSPENDED = '{"message": "Sorry. Your account was suspended."}'
SAML = '{"message": "Resource protected by organization SAML enforcement."}'
LISTS = ("/user", "/user/memberships/orgs", "/user/teams", "/user/emails")


@pytest.mark.parametrize("path", LISTS)
async def test_suspension_reported_by_any_endpoint_rejects_refresh(
    make: Make, github: FakeGithub, path: str
) -> None:
    github.create_user("alice", orgs={"acme": "active"})
    provider = await make()
    first = await sign_in(provider, github)
    github.fault, github.fault_on = web.Response(status=403, text=SUSPENDED), path
    assert await provider.refresh(first.principal_id, first.secret) == Rejected("account_suspended")


@pytest.mark.parametrize("path", LISTS[:3])
@pytest.mark.parametrize("text", [SAML, "{}", "<html>", "", '{"message": 7}', "[]"])
async def test_denied_list_is_unavailable_and_named(
    make: Make, github: FakeGithub, path: str, text: str
) -> None:
    github.create_user("alice", orgs={"acme": "active"})
    provider = await make(allowed_orgs=["acme"])
    first = await sign_in(provider, github)
    github.fault, github.fault_on = web.Response(status=403, text=text), path
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.refresh(first.principal_id, first.secret)
    if text == SAML:
        assert "SAML" in str(caught.value)
    if text == SAML and path != "/user":
        refused = await sign_in(provider, github)
        assert isinstance(refused, Rejected)
        assert refused.reason == "single_sign_on_missing"


async def test_organisation_with_hidden_teams_rejects_only_if_settings_need_it(
    make: Make, github: FakeGithub
) -> None:
    """Nested teams of two organisations, of which one requires single sign-on."""
    teams = []
    for org in ("acme", "foreign"):
        parent = github.create_team(org, "staff")
        teams.append(github.create_team(org, "ops", parent).id)
    github.create_user("alice", orgs={"acme": "active", "foreign": "active"}, teams=teams)
    hidden = web.Response(
        status=403, text=SAML, headers={"X-GitHub-SSO": "required; url=https://x"}
    )
    github.fault, github.fault_on = hidden, "/orgs/foreign/teams/staff"
    for settings in ({"allowed_orgs": ["acme"]}, {"allowed_teams": ["acme/ops"]}, {}):
        found = await sign_in(await make(**settings), github)
        assert isinstance(found, ExternalIdentity)
        assert {one.name for one in found.groups} == {
            *("acme", "acme/ops", "acme/staff", "foreign", "foreign/ops")
        }
    for settings in ({"allowed_orgs": ["Foreign"]}, {"allowed_teams": ["foreign/staff"]}):
        refused = await sign_in(await make(**settings), github)
        assert isinstance(refused, Rejected)
        assert refused.reason == "single_sign_on_missing"


async def test_member_of_hidden_organisation_is_not_rejected_as_former_member(
    make: Make, github: FakeGithub
) -> None:
    github.create_user("alice", orgs={"acme": "active"})
    provider = await make(allowed_orgs=["acme"])
    first = await sign_in(provider, github)
    hidden = {"X-GitHub-SSO": "partial-results; organizations=5000,5001"}
    github.fault = web.Response(status=200, text="[]", headers=hidden)
    github.fault_on = "/user/memberships/orgs"
    with pytest.raises(ProviderUnavailable, match="5000"):
        await provider.refresh(first.principal_id, first.secret)
    refused = await sign_in(provider, github)
    assert isinstance(refused, Rejected)
    assert refused.reason == "single_sign_on_missing"
