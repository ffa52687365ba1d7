"""Tests of the settings of identities."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from config.identity_settings import IdentitySettings
from config.sign_in_settings import ProviderEntry


def test_retention_is_off_by_default() -> None:
    made = IdentitySettings()
    assert made.refresh_interval == timedelta(hours=1)
    assert made.retention.disable_after is None
    assert made.retention.delete_after is None


@pytest.mark.parametrize(
    "retention",
    [{"delete_after": "90d"}, {"disable_after": "90d", "delete_after": "30d"}],
)
def test_delete_after_needs_a_shorter_disable_after(retention: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="shorter disable_after"):
        IdentitySettings.model_validate({"retention": retention})


def test_allowed_principal_without_a_scheme_is_rejected() -> None:
    entry = {"type": "local", "name": "local", "access_mode": "required"}
    with pytest.raises(ValidationError, match="'ops' is not a principal id"):
        ProviderEntry.model_validate({**entry, "allowed_principals": ["ops"]})
    made = ProviderEntry.model_validate({**entry, "allowed_principals": ["x_group://1"], "y": 1})
    assert made.options == {"y": 1}
