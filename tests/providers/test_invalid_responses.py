"""Tests of invalid responses to every provider: a rejection, or an unavailable provider.

Any other error would be a status 500 at sign-in, and a traceback in the refresh. The tests
change valid responses one field at a time, and replace whole responses.
"""

import json
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from providers.base import (
    CannotRefresh,
    DeviceStart,
    ExternalIdentity,
    GrantEnded,
    Pending,
    ProviderContext,
    ProviderUnavailable,
    Rejected,
)
from providers.conformance.password import NoAccounts
from providers.github.provider import GithubProvider
from providers.github.settings import GithubSettings
from providers.oidc.provider import PROVIDER
from providers.oidc.settings import OidcSettings
from tests.providers.github import test_sign_in as at_github
from tests.providers.oidc.test_sign_in import BACK
from tests.support.fake_github import CLIENT, SECRET, FakeGithub, fake_github
from tests.support.isolation import free_port
from tests.support.scripted_issuer import ScriptedIssuer, scripted_issuer

Work = Callable[[], Awaitable[Any]]
BODIES = {
    "nothing": "",
    "a web page": "<!doctype html><html><body>Sign in</body></html>",
    "text": "upstream connect error",
    "null": "null",
    "a number": "7",
    "a text": '"ok"',
    "a list": "[]",
    "a list of odd things": '[null, 7, "x", [], {}, {"id": null}]',
    "an object": "{}",
    "NaN": "NaN",
    "deep nesting": "[" * 50_000,
    "deep objects": '{"a":' * 50_000,
    "a number without end": "9" * 5000,
    "half a text": '{"sub": "',
    "half a character": '{"error": "\\ud800", "message": "\\ud800", "sub": "\\ud800"}',
    "errors of odd types": '{"error": {"a": 1}, "error_description": [], "message": {}}',
}
STATUSES = (200, 301, 400, 401, 403, 429, 500)
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1e308, float("inf"), float("nan"), 10**30, "", " ", "\ud800", "\0"),
    *("x" * 5000, [], {}, [[]], [None], {"id": None}, "9" * 400, "-1", "http://evil.example"),
)


async def outcome_of(work: Work) -> str:
    """Return the kind of outcome. Fail the test if the contract does not allow it."""
    try:
        outcome = await work()
    except (ProviderUnavailable, GrantEnded, CannotRefresh) as exc:
        return _one_line(exc)
    assert outcome is None or isinstance(
        outcome, ExternalIdentity | Rejected | Pending | DeviceStart | list | str
    ), outcome
    return type(outcome).__name__


def _one_line(exc: Exception) -> str:
    assert "\n" not in str(exc)
    assert len(str(exc)) < 1000
    return type(exc).__name__


def changed(response: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield copies of the response with each field in turn removed or replaced."""
    for name in response:
        yield {key: value for key, value in response.items() if key != name}
        for value in VALUES:
            yield response | {name: value}


# OpenID Connect


async def oidc(issuer: ScriptedIssuer, **settings: Any) -> Any:
    values = {"issuer": issuer.url, "client_id": "sekisho", "groups_claim": "groups"} | settings
    model = OidcSettings.model_validate(values)
    provider = PROVIDER.create("corp", model, ProviderContext(NoAccounts(), time.monotonic))
    await provider.start()
    return provider


def oidc_calls(provider: Any, issuer: ScriptedIssuer) -> dict[str, Work]:
    secret = json.dumps({"refresh_token": "r", "sub": "248289761001"})
    principal = "oidc_corp_user://248289761001"
    keep = {"state": "s", "nonce": "n", "verifier": "v"}
    back = {"state": "s", "code": "c"}
    return {
        "start": lambda: provider.start_browser(BACK),
        "finish": lambda: provider.finish_browser(BACK, keep, back),
        "refresh": lambda: provider.refresh(principal, secret),
        "device": provider.start_device,
        "poll": lambda: provider.poll_device({"code": "d", "interval": "5"}),
        "revoke": lambda: provider.revoke_grant(principal, secret),
        "check": provider.check,
        "logout": partial(provider.logged_out, issuer.token()),
    }


@pytest.mark.parametrize(
    ("path", "calls"),
    [
        ("/.well-known/openid-configuration", ["check", "device"]),
        ("/jwks", ["logout", "finish"]),
        ("/token", ["finish", "refresh", "poll"]),
        ("/userinfo", ["finish", "refresh"]),
        ("/device", ["device"]),
        ("/revoke", ["revoke"]),
    ],
)
async def test_any_issuer_response_ends_in_a_contract_outcome(path: str, calls: list[str]) -> None:
    async with scripted_issuer(free_port()) as issuer:
        issuer.token_response = (200, _tokens(issuer))
        cached = path in {"/jwks", "/.well-known/openid-configuration"}
        provider = await oidc(issuer, userinfo="always")
        for body in BODIES.values():
            for status in STATUSES:
                issuer.overrides = {path: (status, body)}
                if cached:  # Only a new provider requests these again.
                    await provider.close()
                    provider = await oidc(issuer)
                for name in calls:
                    await outcome_of(oidc_calls(provider, issuer)[name])
        await provider.close()


def _tokens(issuer: ScriptedIssuer) -> dict[str, Any]:
    token = issuer.token(nonce="n", groups=["ops"])
    return {"id_token": token, "access_token": "a", "refresh_token": "r", "expires_in": 300}


async def test_any_field_of_issuer_responses_ends_in_a_contract_outcome() -> None:
    async with scripted_issuer(free_port()) as issuer:
        good = dict(issuer.metadata)
        for metadata in changed(good | {"scopes_supported": [], "issuer": issuer.url}):
            issuer.metadata = metadata
            provider = await oidc(issuer)
            await outcome_of(provider.check)
            await outcome_of(provider.start_device)
            await provider.close()
        issuer.metadata = good
        provider = await oidc(issuer, userinfo="always")
        calls = oidc_calls(provider, issuer)
        issuer.userinfo = (200, {"sub": "248289761001"})
        for variant in changed(_tokens(issuer) | {"error": "x", "error_description": "y"}):
            for status in (200, 400):
                issuer.token_response = (status, variant)
                for name in ("finish", "refresh", "poll"):
                    await outcome_of(calls[name])
        issuer.token_response = (200, _tokens(issuer))
        for variant in changed(
            {"sub": "248289761001", "groups": ["ops"], "email": "a@b", "name": "A"}
        ):
            issuer.userinfo = (200, variant)
            await outcome_of(calls["finish"])
        device = {"device_code": "d", "user_code": "u", "expires_in": 9, "interval": 5}
        for variant in changed(device | {"verification_uri": "https://id.example"}):
            issuer.device = (200, variant)
            await outcome_of(calls["device"])
        await provider.close()


async def test_any_claim_ends_in_a_contract_outcome() -> None:
    async with scripted_issuer(free_port()) as issuer:
        provider = await oidc(
            issuer, groups_member="id", required_claims={"hd": "x"}, userinfo="never"
        )
        calls = oidc_calls(provider, issuer)
        optional = {
            "nonce": "n",
            "azp": "sekisho",
            "at_hash": "x",
            "email": "a@b",
            "nbf": 1,
            "hd": "x",
        }
        optional |= {"email_verified": True, "groups": [{"id": 1}], "_claim_names": {}, "jti": "j"}
        for claims in changed(issuer.claims(**optional)):
            token = issuer.token(**(dict.fromkeys(issuer.claims()) | claims))
            issuer.token_response = (200, {"id_token": token, "access_token": "a"})
            await outcome_of(calls["finish"])
            await outcome_of(calls["poll"])
            await outcome_of(partial(provider.logged_out, token))
        await provider.close()


async def test_any_issuer_key_ends_in_a_contract_outcome() -> None:
    async with scripted_issuer(free_port()) as issuer:
        issuer.publish("first", "curve")
        for number, key in enumerate(list(issuer.keys)):
            others = [one for index, one in enumerate(issuer.keys) if index != number]
            for variant in changed(key | {"alg": "RS256", "key_ops": ["verify"], "x5c": []}):
                issuer.keys = [variant, *others]
                provider = await oidc(issuer)
                await outcome_of(partial(provider.logged_out, issuer.token()))
                await provider.close()
            issuer.publish("first", "curve")


# GitHub

_PATHS = ("/user", "/user/memberships/orgs", "/user/teams", "/user/emails", "/teams/staff")


async def github_provider(github: FakeGithub) -> GithubProvider:
    parent = github.create_team("acme", "staff")
    team = github.create_team("acme", "ops", parent)
    emails = [("a@acme.example", True, True)]
    github.create_user("alice", orgs={"acme": "active"}, teams=[team.id], emails=emails)
    values = {"client_id": CLIENT, "client_secret": SECRET, "base_url": github.root}
    provider = GithubProvider("ghe", GithubSettings.model_validate(values), AdvancingClock())
    await provider.start()
    return provider


class AdvancingClock:
    """Clock that advances one day per call, so that no rate limit pause lasts."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        self.now += 86400
        return self.now


@pytest.mark.parametrize(
    "path",
    [*_PATHS, "/login/oauth/access_token", "/login/device/code", "/grant", "/rate_limit"],
)
async def test_any_github_response_ends_in_a_contract_outcome(path: str) -> None:
    async with fake_github(free_port()) as github:
        provider = await github_provider(github)
        first = await at_github.sign_in(provider, github)
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
        first = await at_github.sign_in(provider, github)
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


@pytest.mark.parametrize("secret", ["", "x", "{}", "[]", "null", '{"access_token": 7}', "7", '"x"'])
async def test_invalid_stored_secret_ends_in_a_contract_outcome(secret: str) -> None:
    async with fake_github(free_port()) as github, scripted_issuer(free_port()) as issuer:
        hub, corp = await github_provider(github), await oidc(issuer)
        await outcome_of(lambda: hub.refresh("github_ghe_user://1000", secret))
        await outcome_of(lambda: hub.revoke_grant("github_ghe_user://1000", secret))
        await outcome_of(lambda: corp.refresh("oidc_corp_user://1", secret))
        await outcome_of(lambda: corp.revoke_grant("oidc_corp_user://1", secret))
        await hub.close()
        await corp.close()
