"""Validation of identities from any provider."""

import pytest

from management.identity.identity_validation import (
    memberships_from,
    usable_username,
    validate_identity,
)
from providers.base import ExternalGroup, ExternalIdentity, ProviderUnavailable

SCHEMES = ("corp_user", "corp_group")


def said(key: str = "1", username: str = "ann", *groups: str) -> ExternalIdentity:
    return ExternalIdentity(
        f"corp_user://{key}",
        username,
        "Ann",
        tuple(ExternalGroup(f"corp_group://{one}", one) for one in groups),
    )


def test_unsendable_groups_are_left_out_and_never_trimmed() -> None:
    identity = said("1", "ann", "ops", "dev ", "sre\u00a0", "\u2003", "a b", "\ud800")
    assert [one.id for one in memberships_from("corp", identity)] == [
        "corp_group://a b",
        "corp_group://ops",
    ]


@pytest.mark.parametrize("username", ["ann ", " ann", "\u00a0ann", "an\nn"])
def test_unsendable_username_is_replaced_by_the_key(username: str) -> None:
    assert usable_username(said("1", username)) == "1"
    assert usable_username(said("1", "ann b")) == "ann b"


@pytest.mark.parametrize("key", ["", "1 ", "1\u2003", "\ud800", "1\n"])
def test_unsendable_principal_is_an_error_of_the_provider(key: str) -> None:
    with pytest.raises(ProviderUnavailable):
        validate_identity("corp", SCHEMES, said(key))
    validate_identity("corp", SCHEMES, said("1"))
