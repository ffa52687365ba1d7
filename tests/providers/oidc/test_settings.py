"""What can be said of an issuer, and what can't."""

from typing import Any

import pytest
from pydantic import ValidationError

from providers.oidc_settings import OidcSettings

GOOD = {"issuer": "https://id.example", "client_id": "sekisho"}
RULE = {"name": "r", "match": {"repository": "acme/app"}}


@pytest.mark.parametrize(
    ("changes", "said"),
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
            "without client_id",
        ),
        ({"scopes": ["profile"]}, "must hold openid"),
        ({"algorithms": ["HS256"]}, "is not one of"),
        ({"algorithms": ["none"]}, "is not one of"),
        ({"algorithms": []}, "at least 1"),
        ({"bearer": {"audiences": ["a"]}}, "needs rules"),
        ({"bearer": {"audiences": [], "direct": True}}, "at least 1"),
        ({"bearer": {"audiences": ["a"], "rules": [RULE, RULE]}}, "different names"),
        ({"bearer": {"audiences": ["a"], "rules": [{**RULE, "match": {}}]}}, "at least 1"),
        ({"bearer": {"audiences": ["a"], "rules": [{**RULE, "cluster": "x"}]}}, "not permitted"),
        ({"clock_skew": 60}, "needs a unit"),
        ({"preset": "other"}, "Input should be"),
        ({"client_secrets": "x"}, "not permitted"),
    ],
)
def test_what_makes_no_sense_is_told(changes: dict[str, Any], said: str) -> None:
    values = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    with pytest.raises(ValidationError) as caught:
        OidcSettings.model_validate(values)
    assert said in str(caught.value)


def test_presets_know_what_is_usual_and_anything_can_be_otherwise() -> None:
    entra = OidcSettings.model_validate({**GOOD, "preset": "entra"})
    assert (entra.subject_claim, entra.groups_claim) == ("oid", "groups")
    assert "offline_access" in entra.scopes
    google = OidcSettings.model_validate({"preset": "google", "client_id": "x"})
    assert google.issuer == "https://accounts.google.com"
    mine = OidcSettings.model_validate({**GOOD, "preset": "entra", "subject_claim": "sub"})
    assert mine.subject_claim == "sub"


def test_a_pipelines_own_preset_needs_no_client() -> None:
    settings = OidcSettings.model_validate(
        {"preset": "github-actions", "bearer": {"audiences": ["a"], "rules": [RULE]}}
    )
    assert settings.subject_claim == "repository_id"


def test_types_of_conditions_are_kept() -> None:
    rule = {"name": "r", "match": {"a": True, "b": "true", "c": 1, "d": ["x", 2]}}
    settings = OidcSettings.model_validate(
        {**GOOD, "bearer": {"audiences": ["a"], "rules": [rule]}}
    )
    assert settings.bearer is not None
    match = settings.bearer.rules[0].match
    assert [type(match[name]) for name in "abcd"] == [bool, str, int, tuple]
    assert match["d"] == ("x", 2)
