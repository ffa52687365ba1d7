"""An issuer's tokens as credentials: what is accepted, and why the rest isn't."""

import asyncio
import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OctKey

from providers.base import ExternalGroup, ProviderUnavailable, Refused, Verified
from providers.jwt_bearer import read_unverified
from providers.oidc import OidcVerifier
from tests.parts.scripted_issuer import CURVE, KEYS, STRANGER, ScriptedIssuer, signed
from tests.providers.oidc.conftest import Clock, Make

EVERYBODY = {"audiences": ["sekisho"], "direct": True}
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


async def test_a_good_token_says_who_until_when_and_for_what(
    issuer: ScriptedIssuer, make: Make
) -> None:
    provider = await make(bearer=EVERYBODY, groups_claim="realm_access.roles")
    token = issuer.token(realm_access={"roles": ["ops", "system:masters", "ops"]})
    assert provider.claims(token)
    found = await provider.verify(token)
    assert isinstance(found, Verified)
    assert found.identity.principal_id == "oidc_corp_user://248289761001"
    assert found.identity.username == "alice"
    assert found.identity.groups == (ExternalGroup("oidc_corp_group://ops", "ops"),)
    assert found.direct
    assert abs(found.expires_at.timestamp() - time.time() - 360) < 10


async def test_the_first_rule_that_matches_says_for_what(
    issuer: ScriptedIssuer, make: Make
) -> None:
    provider = await make(client_id=None, client_secret=None, bearer=RULES)
    claims: dict[str, Any] = {"aud": ["x", "https://sekisho.example"], "repository": "acme/app"}
    main = await provider.verify(issuer.token(**claims, ref="refs/heads/main", protected=True))
    assert isinstance(main, Verified)
    assert (main.scope.rule, main.scope.clusters, main.scope.read_only) == (
        "deploy",
        ("prod",),
        False,
    )
    assert main.scope.lifetime is not None
    assert main.scope.lifetime.total_seconds() == 300
    assert [group.name for group in main.identity.groups] == ["deployers"]
    assert not main.direct
    branch = await provider.verify(issuer.token(**claims, ref="refs/heads/x", protected=True))
    assert isinstance(branch, Verified)
    assert (branch.scope.rule, branch.scope.clusters, branch.scope.read_only) == ("look", (), True)


async def test_where_no_rule_matches_each_says_on_what_it_failed(
    issuer: ScriptedIssuer, make: Make
) -> None:
    provider = await make(client_id=None, client_secret=None, bearer=RULES)
    token = issuer.token(aud="https://sekisho.example", repository="acme/x", ref="refs/tags/v1")
    assert await provider.verify(token) == Refused(
        "no_rule", "deploy: ref is 'refs/tags/v1'; look: repository is 'acme/x'"
    )
    token = issuer.token(
        aud="https://sekisho.example", repository="acme/x", ref="refs/heads/main", protected="true"
    )
    refused = await provider.verify(token)
    assert isinstance(refused, Refused)
    assert refused.detail.startswith("deploy: protected is 'true';")


NOW = int(time.time())


@pytest.mark.parametrize(
    ("reason", "claims"),
    [
        ("issuer_mismatch", {"iss": "https://other.example"}),
        ("audience_mismatch", {"aud": "somebody else"}),
        ("audience_mismatch", {"aud": None}),
        ("audience_mismatch", {"aud": {"sekisho": True}}),
        ("audience_mismatch", {"aud": [["sekisho"]]}),
        ("expired", {"exp": NOW - 120}),
        ("missing_claim", {"exp": None}),
        ("missing_claim", {"exp": "tomorrow"}),
        ("missing_claim", {"exp": True}),
        ("missing_claim", {"iat": None}),
        ("not_yet_valid", {"nbf": NOW + 1200}),
        ("issued_in_future", {"iat": NOW + 1200}),
        ("lives_too_long", {"exp": NOW + 10**8}),
        ("missing_claim", {"sub": None}),
        ("missing_claim", {"sub": ""}),
        ("missing_claim", {"sub": "a\nb"}),
        ("missing_claim", {"sub": ["x"]}),
        ("missing_claim", {"sub": "x" * 2000}),
    ],
)
async def test_wrong_claims_are_refused_each_with_its_reason(
    issuer: ScriptedIssuer, make: Make, reason: str, claims: dict[str, Any]
) -> None:
    provider = await make(bearer=EVERYBODY)
    refused = await provider.verify(issuer.token(**claims))
    assert isinstance(refused, Refused)
    assert refused.reason == reason


async def test_a_little_skew_between_clocks_is_forgiven(issuer: ScriptedIssuer, make: Make) -> None:
    provider = await make(bearer=EVERYBODY)
    now = int(time.time())
    skewed = issuer.token(exp=now - 30, iat=now + 30, nbf=now + 30)
    assert isinstance(await provider.verify(skewed), Verified)


async def test_only_the_issuers_own_keys_sign(issuer: ScriptedIssuer, make: Make) -> None:
    provider = await make(bearer=EVERYBODY)
    good = issuer.token()
    head, body, _ = good.split(".")
    forged = issuer.token(key=STRANGER)
    cases = {
        "bad_signature": [forged, f"{head}.{body}.{forged.split('.')[2]}", f"{head}.{body}.AAAA"],
        "unknown_key": [issuer.token(key=KEYS["second"]), issuer.token(key=CURVE)],
    }
    for reason, tokens in cases.items():
        for token in tokens:
            refused = await provider.verify(token)
            assert isinstance(refused, Refused)
            assert refused.reason == reason


async def test_no_other_algorithm_is_taken(issuer: ScriptedIssuer, make: Make) -> None:
    provider = await make(bearer=EVERYBODY)
    public = json.dumps(issuer.keys[0]).encode()
    claims = json.dumps(issuer.claims()).encode()
    with_public_key = signed(
        {"alg": "HS256", "kid": "first"}, claims, OctKey.import_key(public.ljust(32))
    )
    body = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    odd = base64.urlsafe_b64encode(b'{"alg":["RS256"]}').rstrip(b"=").decode()
    weaker = issuer.token(header={"alg": "RS512"})
    for token in (with_public_key, f"{none}.{body}.x", f"{odd}.{body}.x", weaker):
        assert await provider.verify(token) == Refused("algorithm_refused")


async def test_a_token_for_something_else_is_refused(issuer: ScriptedIssuer, make: Make) -> None:
    provider = await make(bearer=EVERYBODY)
    assert await provider.verify(issuer.token(header={"typ": "logout+jwt"})) == Refused(
        "wrong_type"
    )
    unencoded = {"alg": "RS256", "kid": "first", "b64": False, "crit": ["b64"]}
    head = base64.urlsafe_b64encode(json.dumps(unencoded).encode()).rstrip(b"=").decode()
    _, body, signature = issuer.token().split(".")
    assert await provider.verify(f"{head}.{body}.{signature}") == Refused("critical_header")
    assert isinstance(await provider.verify(issuer.token(header={"typ": "at+JWT"})), Verified)


async def test_new_keys_are_found_and_withdrawn_ones_forgotten(
    issuer: ScriptedIssuer, make: Make, clock: Clock
) -> None:
    provider = await make(bearer=EVERYBODY)
    assert isinstance(await provider.verify(issuer.token()), Verified)
    issuer.publish("second")
    clock.now += 31
    assert isinstance(await provider.verify(issuer.token(key=KEYS["second"])), Verified)
    assert await provider.verify(issuer.token()) == Refused("unknown_key")


async def test_made_up_keys_dont_have_the_issuer_asked_again_and_again(
    issuer: ScriptedIssuer, make: Make
) -> None:
    provider = await make(bearer=EVERYBODY)
    for number in range(20):
        token = issuer.token(header={"kid": f"made-up-{number}"})
        assert await provider.verify(token) == Refused("unknown_key")
    assert issuer.count("/jwks") == 1


async def test_many_at_once_ask_for_the_keys_once(issuer: ScriptedIssuer, make: Make) -> None:
    provider = await make(bearer=EVERYBODY)
    token = issuer.token()
    found = await asyncio.gather(*(provider.verify(token) for _ in range(50)))
    assert all(isinstance(one, Verified) for one in found)
    assert issuer.count("/jwks") == 1
    assert issuer.count("/.well-known/openid-configuration") == 1


async def test_while_the_issuer_is_down_its_keys_serve_for_a_day(
    issuer: ScriptedIssuer, make: Make, clock: Clock
) -> None:
    provider = await make(bearer=EVERYBODY)
    await provider.verify(issuer.token())
    issuer.down = True
    clock.now += 3601
    assert isinstance(await provider.verify(issuer.token()), Verified)
    with pytest.raises(ProviderUnavailable):
        await provider.check()
    clock.now += 24 * 3600
    with pytest.raises(ProviderUnavailable):
        await provider.verify(issuer.token())


async def test_an_issuer_that_is_down_from_the_start_is_asked_now_and_then(
    issuer: ScriptedIssuer, make: Make, clock: Clock
) -> None:
    issuer.down = True
    provider = await make(bearer=EVERYBODY)
    for _ in range(10):
        with pytest.raises(ProviderUnavailable):
            await provider.verify(issuer.token())
    assert issuer.count("/.well-known/openid-configuration") == 1
    issuer.down = False
    clock.now += 6
    assert isinstance(await provider.verify(issuer.token()), Verified)


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example"},
        {"jwks_uri": "http://keys.example/jwks"},
        {"jwks_uri": None},
        {"token_endpoint": "ftp://x"},
    ],
)
async def test_a_discovery_document_that_cant_be_trusted_is_not(
    issuer: ScriptedIssuer, make: Make, metadata: dict[str, Any]
) -> None:
    issuer.metadata |= metadata
    provider = await make(bearer=EVERYBODY)
    with pytest.raises(ProviderUnavailable):
        await provider.verify(issuer.token())


async def test_keys_that_are_none_are_left_out(issuer: ScriptedIssuer, make: Make) -> None:
    good = issuer.keys[0]
    issuer.keys = [
        {"kty": "oct", "k": "AAAA", "kid": "first"},
        {"kty": "RSA", "kid": 7},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "weak"},
        {**good, "use": "enc"},
        "nonsense",  # type: ignore[list-item]
        good,
    ]
    provider = await make(bearer=EVERYBODY)
    assert isinstance(await provider.verify(issuer.token()), Verified)
    issuer.keys = issuer.keys[:4]
    other = await make(bearer=EVERYBODY)
    with pytest.raises(ProviderUnavailable):
        await other.verify(issuer.token())


async def test_groups_too_many_for_a_token_are_no_fewer_groups(
    issuer: ScriptedIssuer, make: Make
) -> None:
    provider = await make(bearer=EVERYBODY, groups_claim="groups")
    overage: dict[str, Any] = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {}}}
    refused = await provider.verify(issuer.token(**overage))
    assert isinstance(refused, Refused)
    assert refused.reason == "groups_overage"


async def test_what_everybody_must_meet_tokens_must_as_well(
    issuer: ScriptedIssuer, make: Make
) -> None:
    provider = await make(bearer=EVERYBODY, required_claims={"hd": "acme.example"})
    assert isinstance(await provider.verify(issuer.token(hd="acme.example")), Verified)
    refused = await provider.verify(issuer.token(hd="other.example"))
    assert isinstance(refused, Refused)
    assert refused.reason == "required_claim"


async def test_a_provider_for_ci_alone_signs_nobody_in(make: Make) -> None:
    provider = await make(client_id=None, client_secret=None, bearer=RULES)
    assert type(provider) is OidcVerifier
    assert not hasattr(provider, "start_browser")


@given(st.text(max_size=300) | st.from_regex(r"[A-Za-z0-9_.-]{0,60}", fullmatch=True))
def test_anybodys_bytes_can_be_looked_at(text: str) -> None:
    read_unverified(text)


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_what_decodes_to_no_object_is_no_jwt(head: bytes, body: bytes) -> None:
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (head, body)]
    said = read_unverified(f"{parts[0]}.{parts[1]}.x")
    assert said is None or {type(said.header), type(said.claims)} == {dict}
