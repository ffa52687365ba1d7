"""Asking GitHub later: who is cut off, and who isn't; limits; tokens that end."""

import json

import pytest
from aiohttp import web

from providers.base import CannotRefresh, ExternalIdentity, ProviderUnavailable, Refused
from providers.github_limits import wait_after
from tests.parts.fake_github import FakeGithub
from tests.providers.github.conftest import Make, WallClock
from tests.providers.github.test_sign_in import sign_in


async def test_groups_become_those_of_now(make: Make, github: FakeGithub) -> None:
    alice = github.person("alice", orgs={"acme": "active", "beta": "active"})
    provider = await make()
    first = await sign_in(provider, github)
    del alice.orgs["beta"]
    now = await provider.refresh(first.principal_id, first.secret)
    assert isinstance(now, ExternalIdentity)
    assert [group.name for group in now.groups] == ["acme"]


async def test_who_left_or_took_it_back_or_is_suspended_is_refused(
    make: Make, github: FakeGithub
) -> None:
    alice = github.person("alice", orgs={"acme": "active"})
    provider = await make(allowed_orgs=["acme"])
    first = await sign_in(provider, github)
    alice.orgs["acme"] = "pending"
    refused = await provider.refresh(first.principal_id, first.secret)
    assert isinstance(refused, Refused)
    assert refused.reason == "not_allowed"
    alice.suspended = True
    assert await provider.refresh(first.principal_id, first.secret) == Refused("account_suspended")
    alice.suspended = False
    github.tokens.clear()
    assert await provider.refresh(first.principal_id, first.secret) == Refused("token_revoked")


async def test_a_401_that_github_itself_denies_locks_nobody_out(
    make: Make, github: FakeGithub
) -> None:
    github.person("alice")
    provider = await make()
    first = await sign_in(provider, github)
    github.fault, github.fault_on = web.Response(status=401, text="{}"), "/user"
    with pytest.raises(ProviderUnavailable):
        await provider.refresh(first.principal_id, first.secret)


async def test_a_github_that_is_down_changes_nothing(make: Make, github: FakeGithub) -> None:
    github.person("alice")
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


async def test_anothers_token_is_nobodys(make: Make, github: FakeGithub) -> None:
    github.person("alice")
    github.person("bob")
    provider = await make()
    alice, bob = await sign_in(provider, github), await sign_in(provider, github, "bob")
    assert await provider.refresh(alice.principal_id, bob.secret) == Refused("subject_mismatch")


async def test_an_apps_token_is_replaced_before_it_ends_and_never_lost(
    make: Make, github: FakeGithub, wall_clock: WallClock
) -> None:
    github.expiring = True
    github.person("alice")
    provider = await make(app="github")
    first = await sign_in(provider, github)
    again = await provider.refresh(first.principal_id, first.secret)
    assert isinstance(again, ExternalIdentity)
    assert again.secret == first.secret
    wall_clock.ahead = 28800 - 200
    github.fault, github.fault_on = web.Response(status=502), "/user"
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.refresh(first.principal_id, first.secret)
    # The refresh token was used up: what came for it must be kept although nothing came of it.
    assert caught.value.secret is not None
    assert caught.value.secret != first.secret
    github.fault = None
    now = await provider.refresh(first.principal_id, caught.value.secret)
    assert isinstance(now, ExternalIdentity)
    assert await provider.refresh(first.principal_id, first.secret) == Refused("token_revoked")


async def test_what_was_granted_is_given_back(make: Make, github: FakeGithub) -> None:
    github.person("alice")
    provider = await make()
    first = await sign_in(provider, github)
    await provider.revoke_grant(first.principal_id, first.secret)
    assert github.revoked == [json.loads(first.secret)["access_token"]]
    await provider.revoke_grant(first.principal_id, first.secret)
    github.fault = web.Response(status=500)
    with pytest.raises(ProviderUnavailable):
        await provider.revoke_grant(first.principal_id, first.secret)


async def test_while_a_limit_holds_nothing_is_sent(
    make: Make, github: FakeGithub, wall_clock: WallClock
) -> None:
    github.person("alice")
    provider = await make()
    first = await sign_in(provider, github)
    github.fault = web.Response(status=403, text="{}", headers={"Retry-After": "30"})
    github.fault_on = "/user"
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.refresh(first.principal_id, first.secret)
    assert caught.value.retry_after == 30
    github.fault = None
    asked = len(github.asked)
    with pytest.raises(ProviderUnavailable) as caught:
        await provider.refresh(first.principal_id, first.secret)
    assert 25 <= (caught.value.retry_after or 0) <= 30
    assert len(github.asked) == asked
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
def test_limits_are_read_as_github_documents_them(
    status: int, headers: dict[str, str], message: str, wait: int | None
) -> None:
    assert wait_after(status, headers, message, 1000.0) == wait


async def test_people_organisations_and_teams_are_found_by_their_beginnings(
    make: Make, github: FakeGithub
) -> None:
    github.person("alice", orgs={"alpine": "active"})
    github.person("malice")
    team = github.team("acme", "all-hands")
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
    asked = len(github.asked)
    for text in ("", "a b", "al type:org", "al*", "é", "x" * 100):
        assert await provider.search(text, limit=10) == []
    assert len(github.asked) == asked
    assert await (await make()).search("al", limit=10) == []
    with pytest.raises(ProviderUnavailable):
        await (await make(search_token="gone")).search("al", limit=10)
