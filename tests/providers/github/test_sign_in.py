"""Signing in at GitHub: who it is, in what, and whether that is enough."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import web

from providers.base import ExternalGroup, ExternalIdentity, Pending, ProviderUnavailable, Refused
from providers.github import PROVIDER, GithubProvider
from providers.github_settings import GithubSettings
from tests.parts.fake_github import CLIENT, FakeGithub
from tests.providers.github.conftest import Make

BACK = "https://sekisho.example/v1/login/ghe/callback"


async def sign_in(
    provider: GithubProvider, github: FakeGithub, login: str = "alice", **query: str
) -> Any:
    start = await provider.start_browser(BACK)
    back = dict(parse_qsl(github.approve(urlsplit(start.url).query, login))) | query
    return await provider.finish_browser(BACK, start.keep, back)


async def test_people_are_sent_away_with_pkce_and_the_scopes_that_are_needed(
    make: Make, github: FakeGithub
) -> None:
    start = await (await make()).start_browser(BACK)
    parts = urlsplit(start.url)
    query = dict(parse_qsl(parts.query))
    assert start.url.startswith(f"{github.root}/login/oauth/authorize?")
    assert query.pop("code_challenge")
    assert query == {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": BACK,
        "scope": "read:org user:email",
        "state": start.keep["state"],
        "allow_signup": "false",
        "code_challenge_method": "S256",
    }
    app = await (await make(app="github")).start_browser(BACK)
    assert "scope" not in dict(parse_qsl(urlsplit(app.url).query))


async def test_who_it_is_comes_with_organisations_and_teams_by_number(
    make: Make, github: FakeGithub
) -> None:
    top = github.team("acme", "engineering")
    middle = github.team("acme", "platform", parent=top)
    team = github.team("acme", "gate", parent=middle)
    alice = github.person(
        "alice",
        name="Alice Example",
        orgs={"acme": "active", "other": "pending"},
        teams=[team.id],
        emails=[("x@acme.example", False, True), ("a@acme.example", True, True)],
    )
    found = await sign_in(await make(), github)
    acme = github.orgs["acme"]
    assert found.principal_id == f"github_ghe_user://{alice.id}"
    assert (found.username, found.display_name, found.email) == (
        "alice",
        "Alice Example",
        "a@acme.example",
    )
    # Who is in a team is in those above it; an invitation is no membership.
    assert set(found.groups) == {
        ExternalGroup(f"github_ghe_org://{acme}", "acme"),
        ExternalGroup(f"github_ghe_team://{team.id}", "acme/gate"),
        ExternalGroup(f"github_ghe_team://{middle.id}", "acme/platform"),
        ExternalGroup(f"github_ghe_team://{top.id}", "acme/engineering"),
    }
    assert json.loads(found.secret)["access_token"] in github.tokens
    assert json.loads(found.secret)["access_token"] not in repr(found)


async def test_a_new_name_is_the_same_principal(make: Make, github: FakeGithub) -> None:
    provider = await make()
    alice = github.person("alice")
    before = await sign_in(provider, github)
    github.users["alicia"] = alice
    alice.login = "alicia"
    after = await sign_in(provider, github, "alicia")
    assert after.principal_id == before.principal_id
    assert after.username == "alicia"


async def test_lists_are_read_to_their_end(make: Make, github: FakeGithub) -> None:
    github.page_size = 7
    teams = [github.team("acme", f"team-{number}") for number in range(50)]
    github.person(
        "alice",
        orgs={f"org-{number}": "active" for number in range(30)} | {"acme": "active"},
        teams=[team.id for team in teams],
    )
    found = await sign_in(await make(), github)
    assert len(found.groups) == 81


async def test_teams_that_are_above_each_other_come_to_an_end(
    make: Make, github: FakeGithub
) -> None:
    one = github.team("acme", "one")
    two = github.team("acme", "two", parent=one)
    one.parent = two.id
    github.person("alice", orgs={"acme": "active"}, teams=[one.id])
    assert len((await sign_in(await make(), github)).groups) == 3


@pytest.mark.parametrize(
    ("settings", "let_in"),
    [
        ({}, True),
        ({"allowed_orgs": ["ACME"]}, True),
        ({"allowed_orgs": ["other"]}, False),
        ({"allowed_orgs": ["invited"]}, False),
        ({"allowed_teams": ["acme/gate"]}, True),
        ({"allowed_teams": ["acme/engineering"]}, True),
        ({"allowed_teams": ["other/gate"]}, False),
        ({"allowed_users": ["Alice"]}, True),
        ({"allowed_users": ["1000"]}, True),
        ({"allowed_users": ["bob"]}, False),
        ({"allowed_orgs": ["other"], "allowed_users": ["alice"]}, True),
    ],
)
async def test_who_is_allowed_comes_in(
    make: Make, github: FakeGithub, settings: dict[str, Any], let_in: bool
) -> None:
    top = github.team("acme", "engineering")
    team = github.team("acme", "gate", parent=top)
    github.person("alice", orgs={"acme": "active", "invited": "pending"}, teams=[team.id])
    found = await sign_in(await make(**settings), github)
    assert isinstance(found, ExternalIdentity) is let_in
    if not let_in:
        assert found.reason == "not_allowed"


@pytest.mark.parametrize(
    ("reason", "query"),
    [
        ("state_mismatch", {"state": "x"}),
        ("access_denied", {"error": "access_denied"}),
        ("code_missing", {"code": ""}),
        ("code_refused", {"code": "made up"}),
    ],
)
async def test_what_the_browser_brings_must_be_the_answer(
    make: Make, github: FakeGithub, reason: str, query: dict[str, str]
) -> None:
    github.person("alice")
    refused = await sign_in(await make(), github, **query)
    assert isinstance(refused, Refused)
    assert refused.reason == reason


async def test_whoever_holds_back_a_scope_isnt_let_in(make: Make, github: FakeGithub) -> None:
    github.person("alice")
    github.granted_scopes = "user:email"
    assert await sign_in(await make(), github) == Refused("scope_missing", "read:org")


async def test_an_address_may_be_kept_from_us(make: Make, github: FakeGithub) -> None:
    github.person("alice", emails=[("a@acme.example", True, True)])
    github.granted_scopes = "read:org"
    assert (await sign_in(await make(), github)).email == ""
    github.granted_scopes = "read:org,user:email"
    github.users["alice"].emails = [("a@acme.example", True, False)]
    assert (await sign_in(await make(), github)).email == ""


async def test_a_suspended_account_is_refused(make: Make, github: FakeGithub) -> None:
    github.person("alice", suspended=True)
    assert await sign_in(await make(), github) == Refused("account_suspended")


@pytest.mark.parametrize(
    ("where", "status", "text"),
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
async def test_a_github_that_fails_refuses_nobody(
    make: Make, github: FakeGithub, where: str, status: int, text: str
) -> None:
    github.person("alice")
    provider = await make()
    github.fault, github.fault_on = web.Response(status=status, text=text), where
    with pytest.raises(ProviderUnavailable):
        await sign_in(provider, github)


async def test_the_next_page_is_here_or_nowhere(make: Make, github: FakeGithub) -> None:
    github.person("alice")
    elsewhere = {"Link": '<https://evil.example/page2>; rel="next"'}
    github.fault = web.Response(text="[]", headers=elsewhere)
    github.fault_on = "/user/teams"
    with pytest.raises(ProviderUnavailable, match="somewhere else"):
        await sign_in(await make(), github)


async def test_a_code_is_typed_on_another_device(make: Make, github: FakeGithub) -> None:
    alice = github.person("alice")
    provider = await make()
    start = await provider.start_device()
    assert (start.user_code, start.interval, start.expires_in) == ("WDJB-MJHT", 5, 900)
    (code,) = github.devices
    assert await provider.poll_device(start.keep) == Pending(5)
    for state, expected in (
        ("slow_down", Pending(10)),
        ("expired_token", Refused("expired_token")),
        ("access_denied", Refused("access_denied")),
    ):
        github.devices[code] = state
        assert await provider.poll_device(start.keep) == expected
    github.devices[code] = "device_flow_disabled"
    with pytest.raises(ProviderUnavailable):
        await provider.poll_device(start.keep)
    github.devices[code] = "alice"
    found = await provider.poll_device(start.keep)
    assert isinstance(found, ExternalIdentity)
    assert found.principal_id == f"github_ghe_user://{alice.id}"


@pytest.mark.parametrize(
    ("base_url", "api"),
    [
        ("https://github.com", "https://api.github.com"),
        ("https://github.com/", "https://api.github.com"),
        ("https://acme.ghe.com", "https://api.acme.ghe.com"),
        ("https://git.acme.example", "https://git.acme.example/api/v3"),
    ],
)
def test_the_api_is_where_each_github_has_it(base_url: str, api: str) -> None:
    values = {"client_id": "x", "client_secret": "y", "base_url": base_url, "allow_anyone": True}
    assert GithubSettings.model_validate(values).api == api


def test_everybody_on_github_com_comes_in_by_no_accident() -> None:
    values = {"client_id": "x", "client_secret": "y"}
    with pytest.raises(ValueError, match="lets in everybody"):
        GithubSettings.model_validate(values)
    GithubSettings.model_validate(values | {"allowed_orgs": ["acme"]})
    with pytest.raises(ValueError, match="https"):
        GithubSettings.model_validate(values | {"base_url": "http://git.acme.example"})


def test_another_github_has_numbers_of_its_own() -> None:
    values = {"client_id": "x", "client_secret": "y"}
    public = GithubSettings.model_validate(values | {"allow_anyone": True})
    own = GithubSettings.model_validate(values | {"base_url": "https://git.acme.example"})
    assert PROVIDER.schemes("a", public) == ("github_user", "github_org", "github_team")
    assert PROVIDER.schemes("a", own) == ("github_a_user", "github_a_org", "github_a_team")
