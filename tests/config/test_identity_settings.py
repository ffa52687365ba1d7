"""Settings of what becomes of people."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from config.identity_settings import IdentitySettings
from config.settings import ProviderEntry


def test_nothing_happens_to_unseen_users_by_default() -> None:
    made = IdentitySettings()
    assert made.refresh_interval == timedelta(hours=1)
    assert made.retention.disable_after is None
    assert made.retention.delete_after is None


@pytest.mark.parametrize(
    "retention",
    [{"delete_after": "90d"}, {"disable_after": "90d", "delete_after": "30d"}],
)
def test_users_are_disabled_before_they_are_deleted(retention: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="shorter disable_after"):
        IdentitySettings.model_validate({"retention": retention})


def test_an_allowed_principal_is_an_id_and_not_a_name() -> None:
    entry = {"type": "local", "name": "local", "access_mode": "required"}
    with pytest.raises(ValidationError, match="'ops' is no principal's id"):
        ProviderEntry.model_validate({**entry, "allowed_principals": ["ops"]})
    made = ProviderEntry.model_validate({**entry, "allowed_principals": ["x_group://1"], "y": 1})
    assert made.options == {"y": 1}
