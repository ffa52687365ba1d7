"""Tests of sign-ins at GitHub."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from providers.base import ExternalGroup, ExternalIdentity, Pending, ProviderUnavailable, Rejected
from providers.github.provider import PROVIDER
from providers.github.settings import GithubSettings
from tests.providers.github.browser import BACK, sign_in
from tests.providers.github.conftest import Make
from tests.support.fake_github import CLIENT, FakeGithub


async def test_start_browser_sends_pkce_and_needed_scopes(make: Make, github: FakeGithub) -> None:
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


async def test_finish_browser_returns_identity_with_organisation_and_team_ids(
    make: Make, github: FakeGithub
) -> None:
    top = github.create_team("acme", "engineering")
    middle = github.create_team("acme", "platform", parent=top)
    team = github.create_team("acme", "gate", parent=middle)
    alice = github.create_user(
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
    # A team member is also in the parent teams. An invitation is no membership.
    assert set(found.groups) == {
        ExternalGroup(f"github_ghe_org://{acme}", "acme"),
        ExternalGroup(f"github_ghe_team://{team.id}", "acme/gate"),
        ExternalGroup(f"github_ghe_team://{middle.id}", "acme/platform"),
        ExternalGroup(f"github_ghe_team://{top.id}", "acme/engineering"),
    }
    assert json.loads(found.secret)["access_token"] in github.tokens
    assert json.loads(found.secret)["access_token"] not in repr(found)


async def test_renamed_user_keeps_principal_id(make: Make, github: FakeGithub) -> None:
    provider = await make()
    alice = github.create_user("alice")
    before = await sign_in(provider, github)
    github.users["alicia"] = alice
    alice.login = "alicia"
    after = await sign_in(provider, github, "alicia")
    assert after.principal_id == before.principal_id
    assert after.username == "alicia"


async def test_paged_lists_are_read_completely(make: Make, github: FakeGithub) -> None:
    github.page_size = 7
    teams = [github.create_team("acme", f"team-{number}") for number in range(50)]
    github.create_user(
        "alice",
        orgs={f"org-{number}": "active" for number in range(30)} | {"acme": "active"},
        teams=[team.id for team in teams],
    )
    found = await sign_in(await make(), github)
    assert len(found.groups) == 81


async def test_circular_teams_are_returned(make: Make, github: FakeGithub) -> None:
    one = github.create_team("acme", "one")
    two = github.create_team("acme", "two", parent=one)
    one.parent = two.id
    github.create_user("alice", orgs={"acme": "active"}, teams=[one.id])
    assert len((await sign_in(await make(), github)).groups) == 3


@pytest.mark.parametrize(
    ("settings", "allowed"),
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
async def test_sign_in_follows_allowed_settings(
    make: Make, github: FakeGithub, settings: dict[str, Any], allowed: bool
) -> None:
    top = github.create_team("acme", "engineering")
    team = github.create_team("acme", "gate", parent=top)
    github.create_user("alice", orgs={"acme": "active", "invited": "pending"}, teams=[team.id])
    found = await sign_in(await make(**settings), github)
    assert isinstance(found, ExternalIdentity) is allowed
    if not allowed:
        assert found.reason == "not_allowed"


@pytest.mark.parametrize(
    "settings",
    [
        {"allowed_users": ["{user}"]},
        {"allowed_orgs": ["{org}"]},
        {"allowed_teams": ["{org}/gate"]},
        {"allowed_teams": ["{team}"]},
    ],
)
async def test_configured_number_is_an_id_and_not_a_name(
    make: Make, github: FakeGithub, settings: dict[str, Any]
) -> None:
    team = github.create_team("acme", "gate")
    owner = github.create_user("alice", orgs={"acme": "active"}, teams=[team.id])
    numbers = {"user": owner.id, "org": github.orgs["acme"], "team": team.id}
    # Any user may register a name of digits, here the ids of other accounts.
    same_name = github.create_team(str(numbers["org"]), "gate")
    numeric_team = github.create_team("other", str(numbers["team"]))
    github.create_user(
        str(numbers["user"]),
        orgs={str(numbers["org"]): "active"},
        teams=[same_name.id, numeric_team.id],
    )
    named = {key: [one.format(**numbers) for one in value] for key, value in settings.items()}
    provider = await make(**named)
    assert isinstance(await sign_in(provider, github), ExternalIdentity)
    refused = await sign_in(provider, github, str(numbers["user"]))
    assert refused.reason == "not_allowed"


async def test_sign_in_without_email_permission_succeeds(make: Make, github: FakeGithub) -> None:
    github.create_user("alice", emails=[("a@acme.example", True, True)])
    github.granted_scopes = "read:org"
    assert (await sign_in(await make(), github)).email == ""
    github.granted_scopes = "read:org,user:email"
    github.users["alice"].emails = [("a@acme.example", True, False)]
    assert (await sign_in(await make(), github)).email == ""


async def test_device_sign_in_maps_each_poll_response(make: Make, github: FakeGithub) -> None:
    alice = github.create_user("alice")
    provider = await make()
    start = await provider.start_device()
    assert (start.user_code, start.interval, start.expires_in) == ("WDJB-MJHT", 5, 900)
    (code,) = github.devices
    assert await provider.poll_device(start.keep) == Pending(5)
    for state, expected in (
        ("slow_down", Pending(10)),
        ("expired_token", Rejected("expired_token")),
        ("access_denied", Rejected("access_denied")),
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
def test_api_url_follows_base_url(base_url: str, api: str) -> None:
    values = {"client_id": "x", "client_secret": "y", "base_url": base_url, "allow_anyone": True}
    assert GithubSettings.model_validate(values).api == api


def test_schemes_of_github_enterprise_contain_provider_name() -> None:
    values = {"client_id": "x", "client_secret": "y"}
    public = GithubSettings.model_validate(values | {"allow_anyone": True})
    own = GithubSettings.model_validate(values | {"base_url": "https://git.acme.example"})
    assert PROVIDER.schemes("a", public) == ("github_user", "github_org", "github_team")
    assert PROVIDER.schemes("a", own) == ("github_a_user", "github_a_org", "github_a_team")
