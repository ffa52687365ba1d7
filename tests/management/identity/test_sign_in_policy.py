"""Access modes: which principals may sign in."""

import pytest

from management.identity.sign_in_policy import AccessRule
from store.records import AccessMode

ALLOWED = frozenset({"x_user://1", "x_group://ops"})


@pytest.mark.parametrize(
    ("mode", "principals", "has_role", "comes_in"),
    [
        ("unrestricted", ["x_user://9"], False, True),
        ("restricted", ["x_user://9"], False, False),
        ("restricted", ["x_user://9"], True, True),
        ("restricted", ["x_user://1"], False, True),
        ("required", ["x_user://9"], True, False),
        ("required", ["x_user://1"], False, True),
        ("required", ["x_user://9", "x_group://ops"], False, True),
        ("required", [], True, False),
    ],
)
def test_access_mode_decides_which_principals_sign_in(
    mode: AccessMode, principals: list[str], has_role: bool, comes_in: bool
) -> None:
    refusal = AccessRule(mode, ALLOWED).refusal(principals, has_role=has_role)
    assert (refusal is None) == comes_in
    if refusal is not None:
        assert refusal.reason == "not_allowed"


def test_required_mode_with_an_empty_list_admits_no_principal() -> None:
    assert AccessRule("required").refusal(["x_user://1"], has_role=True) is not None
