"""Tests of sign-ins that end in a refusal, or in an unavailable provider."""

import pytest
from aiohttp import web

from providers.base import ProviderUnavailable, Rejected
from providers.github.settings import GithubSettings
from tests.providers.github.browser import BACK, sign_in
from tests.providers.github.conftest import Make
from tests.support.fake_github import FakeGithub


@pytest.mark.parametrize(
    ("reason", "query"),
    [
        ("state_mismatch", {"state": "x"}),
        ("access_denied", {"error": "access_denied"}),
        ("code_missing", {"code": ""}),
        ("code_refused", {"code": "made up"}),
    ],
)
async def test_invalid_browser_response_is_rejected(
    make: Make, github: FakeGithub, reason: str, query: dict[str, str]
) -> None:
    github.create_user("alice")
    refused = await sign_in(await make(), github, **query)
    assert isinstance(refused, Rejected)
    assert refused.reason == reason


async def test_sign_in_without_required_scope_is_rejected(make: Make, github: FakeGithub) -> None:
    github.create_user("alice")
    github.granted_scopes = "user:email"
    assert await sign_in(await make(), github) == Rejected("scope_missing", "read:org")


async def test_suspended_account_is_rejected(make: Make, github: FakeGithub) -> None:
    github.create_user("alice", suspended=True)
    assert await sign_in(await make(), github) == Rejected("account_suspended")


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/access_token", 500, "{}"),
        ("/access_token", 200, "<html>"),
        ("/access_token", 200, "[]"),
        ("/access_token", 200, "{}"),
        ("/access_token", 200, '{"error": "incorrect_client_credentials"}'),
        ("/user", 502, ""),
        ("/user", 200, "[]"),
        ("/user", 200, '{"login": "alice"}'),
        ("/user", 401, '{"message": "Bad credentials"}'),
        ("/user", 302, ""),
        ("/user/memberships/orgs", 200, "{}"),
        ("/user/memberships/orgs", 403, '{"message": "Resource not accessible"}'),
        ("/user/teams", 404, '{"message": "Not Found"}'),
        ("/user/teams", 200, '[{"id": "x"}]'),
    ],
)
async def test_failed_github_response_is_unavailable(
    make: Make, github: FakeGithub, path: str, status: int, text: str
) -> None:
    github.create_user("alice")
    provider = await make()
    github.fault, github.fault_on = web.Response(status=status, text=text), path
    with pytest.raises(ProviderUnavailable):
        await sign_in(provider, github)


async def test_next_page_at_another_host_is_refused(make: Make, github: FakeGithub) -> None:
    github.create_user("alice")
    elsewhere = {"Link": '<https://evil.example/page2>; rel="next"'}
    github.fault = web.Response(text="[]", headers=elsewhere)
    github.fault_on = "/user/teams"
    with pytest.raises(ProviderUnavailable, match="at another host"):
        await sign_in(await make(), github)


def test_github_com_without_allow_list_is_rejected() -> None:
    values = {"client_id": "x", "client_secret": "y"}
    with pytest.raises(ValueError, match="everyone with a GitHub account"):
        GithubSettings.model_validate(values)
    GithubSettings.model_validate(values | {"allowed_orgs": ["acme"]})
    with pytest.raises(ValueError, match="https"):
        GithubSettings.model_validate(values | {"base_url": "http://git.acme.example"})


async def test_sign_in_that_another_provider_began_is_rejected(
    make: Make, github: FakeGithub
) -> None:
    provider = await make()
    start = await provider.start_browser(BACK)
    query = {"state": start.keep["state"], "code": "code-1"}
    kept = {"state": start.keep["state"]}
    finished = await provider.finish_browser(BACK, kept, query)
    assert finished == Rejected("state_mismatch", "another provider began the sign-in")
    polled = await provider.poll_device({"device_code": "code-1"})
    assert polled == Rejected("expired", "another provider began the sign-in")
