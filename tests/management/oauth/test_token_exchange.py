"""Token exchange for pipelines: a CI token for a short-lived one, by rules on its claims."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.management.oauth.conftest import AUDIENCE, World
from tests.support.log_lines import await_audit_event
from tests.support.scripted_issuer import KEYS, UNTRUSTED_KEY

RULES = ("main", "nowhere", "pull-requests")
GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT = "urn:ietf:params:oauth:token-type:jwt"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def pipeline_token(world: World, **changes: Any) -> str:
    """Return a token like those of GitHub Actions."""
    claims = {
        "aud": AUDIENCE,
        "sub": "repo:acme/app:ref:refs/heads/main",
        "repository": "acme/app",
        "repository_id": "74",
        "repository_owner": "acme",
        "ref": "refs/heads/main",
        "name": None,
        "preferred_username": None,
    }
    return world.ci.token(**(claims | changes))


def exchange(world: World, token: str, **changes: Any) -> tuple[int, dict[str, Any]]:
    values = {"grant_type": GRANT, "subject_token": token, "subject_token_type": JWT} | changes
    form = urlencode({name: value for name, value in values.items() if value is not None}, True)
    answer = world.server.request_raw("POST", "/v1/token", form.encode(), FORM)
    return answer.status, answer.json() | {"request_id": answer.headers["X-Request-Id"]}


def audited(world: World, said: dict[str, Any]) -> dict[str, str]:
    """Return the audit record of the request with that response."""
    event = await_audit_event(world.server, said["request_id"])
    return {name.removeprefix("sekisho.io/"): said for name, said in event["annotations"].items()}


def test_run_on_main_gets_a_short_token(oidc: World) -> None:
    status, said = exchange(oidc, pipeline_token(oidc))
    assert status == 200, said
    assert said["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert said["token_type"] == "Bearer"
    assert 880 < said["expires_in"] <= 900
    assert said["renewable_until"] is None
    assert said["scope"] == ""
    me = oidc.server.request("GET", "/v1/me", token=said["access_token"]).json()
    assert me["username"] == "acme/app"
    assert me["principals"][0]["id"] == "oidc_ci_user://74"
    assert audited(oidc, said)["rule"] == "main"


def test_pull_request_gets_a_shorter_read_only_token(oidc: World) -> None:
    _, said = exchange(oidc, pipeline_token(oidc, ref="refs/pull/7/merge"))
    assert said["expires_in"] <= 300
    assert said["scope"] == "read-only"
    answer = oidc.server.request("POST", "/v1/tokens", token=said["access_token"], body={})
    assert answer.status == 403


def test_exchange_can_request_a_narrower_scope(oidc: World) -> None:
    _, said = exchange(oidc, pipeline_token(oidc), scope="read-only")
    assert said["scope"] == "read-only"
    _, said = exchange(oidc, pipeline_token(oidc), scope="read-only proxy-read")
    assert said["scope"] == "proxy-read"
    status, said = exchange(oidc, pipeline_token(oidc), scope="admin")
    assert (status, said["error"]) == (400, "invalid_scope")


def test_token_created_with_an_exchanged_one_ends_no_later(oidc: World) -> None:
    _, said = exchange(oidc, pipeline_token(oidc))
    made = oidc.server.request("POST", "/v1/tokens", token=said["access_token"], body={}).json()
    ends = [datetime.fromisoformat(one["expires_at"]) for one in (made, said)]
    assert ends[0] <= ends[1]


@pytest.mark.parametrize(
    ("reason", "claims"),
    [
        (
            "no_rule (" + "; ".join(f"{rule}: repository is 'evil/app'" for rule in RULES) + ")",
            {"repository": "evil/app"},
        ),
        ("audience_mismatch", {"aud": "sts.amazonaws.com"}),
        ("expired", {"exp": 1_700_000_000}),
        ("missing_claim (repository_id)", {"repository_id": None}),
        ("unknown_issuer", {"iss": "https://token.actions.githubusercontent.com"}),
        (
            "no_cluster (rule nowhere names no existing cluster)",
            {"repository": "acme/nowhere", "ref": "x", "repository_id": "75"},
        ),
    ],
)
def test_rejected_exchange_has_its_reason_in_the_audit_log(
    oidc: World, reason: str, claims: dict[str, Any]
) -> None:
    status, said = exchange(oidc, pipeline_token(oidc, **claims))
    assert (status, said["error"]) == (401, "access_denied")
    assert said["error_description"] == "the token was rejected; the audit log has the reason"
    assert audited(oidc, said)["rejected"] == reason


def test_forged_or_malformed_token_is_rejected(oidc: World) -> None:
    for key, reason in ((UNTRUSTED_KEY, "bad_signature"), (KEYS["second"], "unknown_key")):
        status, said = exchange(oidc, pipeline_token(oidc, key=key))
        assert status == 401
        assert audited(oidc, said)["rejected"] == reason
    for token in ("x", "a.b.c", "token-abcdefghij:secret", "é"):
        assert exchange(oidc, token)[0] == 401


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"subject_token": None}, 400, "invalid_request"),
        ({"subject_token_type": None}, 400, "invalid_request"),
        (
            {"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"},
            400,
            "invalid_request",
        ),
        ({"requested_token_type": JWT}, 400, "invalid_request"),
        ({"actor_token": "x"}, 400, "invalid_request"),
        ({"audience": "no-such-cluster"}, 400, "invalid_target"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": None}, 400, "invalid_request"),
        ({"scope": ["read-only", "read-only"]}, 400, "invalid_request"),
    ],
)
def test_malformed_request_is_rejected_with_the_reason(
    oidc: World, changes: dict[str, Any], status: int, error: str
) -> None:
    found = exchange(oidc, pipeline_token(oidc), **changes)
    assert (found[0], found[1]["error"]) == (status, error)
    assert found[1]["request_id"]


def test_body_must_be_a_form(oidc: World) -> None:
    for body, headers, status in (
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"\xff", FORM, 400),
        (b"a=" + b"x" * 100_000, FORM, 413),
        (b"&".join(b"a%d=1" % n for n in range(300)), FORM, 400),
    ):
        answer = oidc.server.request_raw("POST", "/v1/token", body, headers)
        assert answer.status == status
        assert answer.json()["error"] == "invalid_request"


def test_request_from_another_site_gets_no_token(oidc: World) -> None:
    headers = FORM | {"Origin": "https://evil.example"}
    answer = oidc.server.request_raw("POST", "/v1/token", b"grant_type=x", headers)
    assert answer.status == 403


def test_unavailable_provider_gets_503(oidc: World) -> None:
    # An unknown key makes Sekisho query the issuer, which is down; known keys still work.
    oidc.ci.down = True
    try:
        assert exchange(oidc, pipeline_token(oidc))[0] == 200
    finally:
        oidc.ci.down = False


def test_disabled_pipeline_user_gets_no_token(oidc: World) -> None:
    _, said = exchange(oidc, pipeline_token(oidc, repository_id="80", repository="acme/other"))
    user = said["user"]["id"]
    oidc.server.change("admin", "user", "disable", user)
    status, again = exchange(
        oidc, pipeline_token(oidc, repository_id="80", repository="acme/other")
    )
    assert (status, again["error"]) == (401, "access_denied")
    assert audited(oidc, again)["rejected"] == "user_disabled"


def test_direct_token_works_at_the_api_with_its_own_groups(oidc: World) -> None:
    token = oidc.ci.token(aud="direct", groups=["ops"])
    me = oidc.server.request("GET", "/v1/me", token=token).json()
    assert me["username"] == "alice"
    assert me["principals"][0]["id"] == "oidc_direct_user://248289761001"
    # A token for another audience can only be exchanged; the audit log has the reason.
    assert oidc.server.request("GET", "/v1/me", token=pipeline_token(oidc)).status == 401
    answer = oidc.server.request("GET", "/v1/me", token=oidc.ci.token(aud="direct", exp=1))
    assert answer.status == 401
    assert "expired" not in answer.body.decode()


def test_provider_test_without_credentials_checks_the_backend(oidc: World) -> None:
    root = oidc.server.token("carol")
    at = "/v1/providers/corp/test"
    assert oidc.server.request("POST", at, token=root, body={}).json()["outcome"] == "reachable"
    body = {"username": "a", "password": "b"}
    assert oidc.server.request("POST", at, token=root, body=body).status == 422
