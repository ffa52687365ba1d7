"""Tests of invalid responses of GitHub: a rejection, or an unavailable provider."""

import json
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from providers.github.provider import GithubProvider
from tests.providers.github.browser import sign_in
from tests.providers.github.responses import github_provider
from tests.providers.outcomes import BODIES, STATUSES, Work, changed, outcome_of
from tests.support.fake_github import fake_github
from tests.support.isolation import free_port

_PATHS = ("/user", "/user/memberships/orgs", "/user/teams", "/user/emails", "/teams/staff")


@pytest.mark.parametrize(
    "path",
    [*_PATHS, "/login/oauth/access_token", "/login/device/code", "/grant", "/rate_limit"],
)
async def test_any_github_response_ends_in_a_contract_outcome(path: str) -> None:
    async with fake_github(free_port()) as github:
        provider = await github_provider(github)
        first = await sign_in(provider, github)
        for body in BODIES.values():
            for status in STATUSES:
                headers = {"Retry-After": "soon", "X-RateLimit-Remaining": "?"}
                github.fault = web.Response(status=status, text=body, headers=headers)
                github.fault_on = path
                await _call_github(provider, first, path)
        await provider.close()


async def _call_github(provider: GithubProvider, first: Any, path: str) -> None:
    calls: dict[str, Work] = {
        "/login/device/code": provider.start_device,
        "/login/oauth/access_token": lambda: provider.poll_device({"code": "d", "interval": "5"}),
        "/grant": lambda: provider.revoke_grant(first.principal_id, first.secret),
        "/rate_limit": provider.check,
    }
    again = partial(provider.refresh, first.principal_id, first.secret)
    await outcome_of(calls.get(path, again))


async def test_any_field_of_github_responses_ends_in_a_contract_outcome() -> None:
    async with fake_github(free_port()) as github:
        provider = await github_provider(github)
        first = await sign_in(provider, github)
        user, team = github.users["alice"], github.team_full(github.teams[9001])
        org = github._membership(user, "acme", "active")
        org["organization"] = {"id": 1, "login": "acme"}
        valid: dict[str, list[Any]] = {
            "/user": [{"id": 1000, "login": "alice", "name": "A", "suspended_at": None}],
            "/user/memberships/orgs": [{"state": "active", "organization": org["organization"]}],
            "/user/teams": [{n: team[n] for n in ("id", "slug", "name", "parent", "organization")}],
            "/user/emails": [{"email": "a@b", "primary": True, "verified": True}],
        }
        for path, [good] in valid.items():
            for variant in changed(good):
                text = json.dumps(variant if path == "/user" else [variant])
                github.fault, github.fault_on = web.Response(text=text), path
                await outcome_of(lambda: provider.refresh(first.principal_id, first.secret))
        token = {"access_token": "a", "expires_in": 9, "refresh_token": "r", "scope": "read:org"}
        ended = json.dumps({"access_token": "a", "refresh_token": "r", "expires_at": 1})
        for variant in changed(token | {"error": "slow_down", "interval": 5}):
            text = json.dumps(variant)
            github.fault, github.fault_on = web.Response(text=text), "/login/oauth/access_token"
            await outcome_of(lambda: provider.refresh(first.principal_id, ended))
            await outcome_of(lambda: provider.poll_device({"code": "d", "interval": "5"}))
        await provider.close()
