"""Tests of the settings of OpenID Connect."""

from typing import Any

import pytest
from pydantic import ValidationError

from providers.oidc.settings import OidcSettings

GOOD = {"issuer": "https://id.example", "client_id": "sekisho"}
RULE = {"name": "r", "match": {"repository": "acme/app"}}
OTHER_RULE = {"name": "r", "match": {"repository": "acme/other"}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"issuer": "http://id.example"}, "must begin with https://"),
        ({"issuer": "https://id.example?x=1"}, "without a query"),
        ({"issuer": "id.example"}, "must be a URL"),
        ({"client_id": None}, "needs client_id"),
        (
            {
                "client_id": None,
                "client_secret": "x",
                "bearer": {"audiences": ["a"], "direct": True},
            },
            "client_secret needs client_id",
        ),
        ({"scopes": ["profile"]}, "must contain openid"),
        ({"algorithms": ["HS256"]}, "is not one of"),
        ({"algorithms": ["none"]}, "is not one of"),
        ({"algorithms": []}, "at least 1"),
        ({"bearer": {"audiences": ["a"]}}, "needs rules"),
        ({"bearer": {"audiences": [], "direct": True}}, "at least 1"),
        ({"bearer": {"audiences": ["a"], "rules": [RULE, OTHER_RULE]}}, "different names"),
        ({"bearer": {"audiences": ["a"], "rules": [{**RULE, "match": {}}]}}, "at least 1"),
        ({"bearer": {"audiences": ["a"], "rules": [{**RULE, "cluster": "x"}]}}, "not permitted"),
        ({"clock_skew": 60}, "needs a unit"),
        ({"preset": "other"}, "Input should be"),
        ({"client_secrets": "x"}, "not permitted"),
    ],
)
def test_invalid_settings_are_rejected_with_reason(changes: dict[str, Any], message: str) -> None:
    values = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    with pytest.raises(ValidationError) as caught:
        OidcSettings.model_validate(values)
    assert message in str(caught.value)


def test_preset_sets_defaults_that_settings_override() -> None:
    entra = OidcSettings.model_validate({**GOOD, "preset": "entra"})
    assert (entra.subject_claim, entra.groups_claim) == ("oid", "groups")
    assert "offline_access" in entra.scopes
    google = OidcSettings.model_validate({"preset": "google", "client_id": "x"})
    assert google.issuer == "https://accounts.google.com"
    overridden = OidcSettings.model_validate({**GOOD, "preset": "entra", "subject_claim": "sub"})
    assert overridden.subject_claim == "sub"


def test_ci_preset_needs_no_client() -> None:
    settings = OidcSettings.model_validate(
        {"preset": "github-actions", "bearer": {"audiences": ["a"], "rules": [RULE]}}
    )
    assert settings.subject_claim == "repository_id"


def test_condition_values_keep_their_types() -> None:
    rule = {"name": "r", "match": {"a": True, "b": "true", "c": 1, "d": ["x", 2]}}
    settings = OidcSettings.model_validate(
        {**GOOD, "bearer": {"audiences": ["a"], "rules": [rule]}}
    )
    assert settings.bearer is not None
    match = settings.bearer.rules[0].match
    assert [type(match[name]) for name in "abcd"] == [bool, str, int, tuple]
    assert match["d"] == ("x", 2)
