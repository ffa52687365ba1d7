"""Tests of bearer tokens that an issuer signs: claims and rules."""

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OctKey

from providers.base import ExternalGroup, Rejected, Verified
from providers.jwt.unverified import read_unverified
from providers.oidc.provider import OidcVerifier
from tests.providers.oidc.conftest import Make
from tests.providers.oidc.direct import DIRECT
from tests.support.scripted_issuer import ScriptedIssuer, signed

RULES = {
    "audiences": ["https://sekisho.example"],
    "rules": [
        {
            "name": "deploy",
            "match": {"repository": "acme/*", "ref": "refs/heads/main", "protected": True},
            "clusters": ["prod"],
            "groups": ["deployers"],
            "lifetime": "5m",
        },
        {"name": "look", "match": {"repository": ["acme/app", "acme/web"]}, "read_only": True},
    ],
}


async def test_valid_token_returns_identity_groups_and_expiry(
    issuer: ScriptedIssuer, make: Make
) -> None:
    provider = await make(bearer=DIRECT, groups_claim="realm_access.roles")
    token = issuer.token(realm_access={"roles": ["ops", "system:masters", "ops"]})
    assert provider.claims(token)
    found = await provider.verify(token)
    assert isinstance(found, Verified)
    assert found.identity.principal_id == "oidc_corp_user://248289761001"
    assert found.identity.username == "alice"
    assert found.identity.groups == (ExternalGroup("oidc_corp_group://ops", "ops"),)
    assert found.direct
    assert abs(found.expires_at.timestamp() - time.time() - 360) < 10


async def test_first_matching_rule_determines_scope(issuer: ScriptedIssuer, make: Make) -> None:
    provider = await make(client_id=None, client_secret=None, bearer=RULES)
    claims: dict[str, Any] = {"aud": ["x", "https://sekisho.example"], "repository": "acme/app"}
    deploy = await provider.verify(issuer.token(**claims, ref="refs/heads/main", protected=True))
    assert isinstance(deploy, Verified)
    assert (deploy.scope.rule, deploy.scope.clusters, deploy.scope.read_only) == (
        "deploy",
        ("prod",),
        False,
    )
    assert deploy.scope.lifetime is not None
    assert deploy.scope.lifetime.total_seconds() == 300
    assert [group.name for group in deploy.identity.groups] == ["deployers"]
    assert not deploy.direct
    branch = await provider.verify(issuer.token(**claims, ref="refs/heads/x", protected=True))
    assert isinstance(branch, Verified)
    assert (branch.scope.rule, branch.scope.clusters, branch.scope.read_only) == ("look", (), True)


async def test_token_without_matching_rule_is_rejected_with_failed_condition_of_each_rule(
    issuer: ScriptedIssuer, make: Make
) -> None:
    provider = await make(client_id=None, client_secret=None, bearer=RULES)
    token = issuer.token(aud="https://sekisho.example", repository="acme/x", ref="refs/tags/v1")
    assert await provider.verify(token) == Rejected(
        "no_rule", "deploy: ref is 'refs/tags/v1'; look: repository is 'acme/x'"
    )
    token = issuer.token(
        aud="https://sekisho.example", repository="acme/x", ref="refs/heads/main", protected="true"
    )
    refused = await provider.verify(token)
    assert isinstance(refused, Rejected)
    assert refused.detail.startswith("deploy: protected is 'true';")


class FromNow(int):
    """Seconds from the time of the test. Many minutes may pass after the module is imported."""


@pytest.mark.parametrize(
    ("reason", "claims"),
    [
        ("issuer_mismatch", {"iss": "https://other.example"}),
        ("audience_mismatch", {"aud": "another client"}),
        ("audience_mismatch", {"aud": None}),
        ("audience_mismatch", {"aud": {"sekisho": True}}),
        ("audience_mismatch", {"aud": [["sekisho"]]}),
        ("expired", {"exp": FromNow(-120)}),
        ("missing_claim", {"exp": None}),
        ("missing_claim", {"exp": "tomorrow"}),
        ("missing_claim", {"exp": True}),
        ("missing_claim", {"iat": None}),
        ("not_yet_valid", {"nbf": FromNow(1200)}),
        ("issued_in_future", {"iat": FromNow(1200)}),
        ("lives_too_long", {"exp": FromNow(10**8)}),
        ("missing_claim", {"sub": None}),
        ("missing_claim", {"sub": ""}),
        ("unusable_claim", {"sub": "a\nb"}),
        ("missing_claim", {"sub": ["x"]}),
        ("unusable_claim", {"sub": "x" * 2000}),
    ],
)
async def test_token_with_invalid_claim_is_rejected_with_reason(
    issuer: ScriptedIssuer, make: Make, reason: str, claims: dict[str, Any]
) -> None:
    provider, now = await make(bearer=DIRECT), int(time.time())
    sent: dict[str, Any] = {
        name: now + value if isinstance(value, FromNow) else value for name, value in claims.items()
    }
    refused = await provider.verify(issuer.token(**sent))
    assert isinstance(refused, Rejected)
    assert refused.reason == reason


async def test_token_within_clock_skew_is_accepted(issuer: ScriptedIssuer, make: Make) -> None:
    provider = await make(bearer=DIRECT)
    now = int(time.time())
    skewed = issuer.token(exp=now - 30, iat=now + 30, nbf=now + 30)
    assert isinstance(await provider.verify(skewed), Verified)


async def test_token_with_other_algorithm_is_rejected(issuer: ScriptedIssuer, make: Make) -> None:
    provider = await make(bearer=DIRECT)
    public = json.dumps(issuer.keys[0]).encode()
    claims = json.dumps(issuer.claims()).encode()
    with_public_key = signed(
        {"alg": "HS256", "kid": "first"}, claims, OctKey.import_key(public.ljust(32))
    )
    body = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    invalid = base64.urlsafe_b64encode(b'{"alg":["RS256"]}').rstrip(b"=").decode()
    weaker = issuer.token(header={"alg": "RS512"})
    for token in (with_public_key, f"{none}.{body}.x", f"{invalid}.{body}.x", weaker):
        assert await provider.verify(token) == Rejected("algorithm_refused")


async def test_token_with_other_type_or_critical_header_is_rejected(
    issuer: ScriptedIssuer, make: Make
) -> None:
    provider = await make(bearer=DIRECT)
    assert await provider.verify(issuer.token(header={"typ": "logout+jwt"})) == Rejected(
        "wrong_type"
    )
    unencoded = {"alg": "RS256", "kid": "first", "b64": False, "crit": ["b64"]}
    header = base64.urlsafe_b64encode(json.dumps(unencoded).encode()).rstrip(b"=").decode()
    _, body, signature = issuer.token().split(".")
    assert await provider.verify(f"{header}.{body}.{signature}") == Rejected("critical_header")
    assert isinstance(await provider.verify(issuer.token(header={"typ": "at+JWT"})), Verified)


async def test_token_with_groups_overage_is_rejected(issuer: ScriptedIssuer, make: Make) -> None:
    provider = await make(bearer=DIRECT, groups_claim="groups")
    overage: dict[str, Any] = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {}}}
    refused = await provider.verify(issuer.token(**overage))
    assert isinstance(refused, Rejected)
    assert refused.reason == "groups_overage"


async def test_token_without_required_claim_is_rejected(issuer: ScriptedIssuer, make: Make) -> None:
    provider = await make(bearer=DIRECT, required_claims={"hd": "acme.example"})
    assert isinstance(await provider.verify(issuer.token(hd="acme.example")), Verified)
    refused = await provider.verify(issuer.token(hd="other.example"))
    assert isinstance(refused, Rejected)
    assert refused.reason == "required_claim"


async def test_provider_without_client_has_no_browser_sign_in(make: Make) -> None:
    provider = await make(client_id=None, client_secret=None, bearer=RULES)
    assert type(provider) is OidcVerifier
    assert not hasattr(provider, "start_browser")


@given(st.text(max_size=300) | st.from_regex(r"[A-Za-z0-9_.-]{0,60}", fullmatch=True))
def test_read_unverified_accepts_any_text(text: str) -> None:
    read_unverified(text)


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_read_unverified_returns_objects_or_none(header: bytes, body: bytes) -> None:
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, body)]
    token = read_unverified(f"{parts[0]}.{parts[1]}.x")
    assert token is None or {type(token.header), type(token.claims)} == {dict}
