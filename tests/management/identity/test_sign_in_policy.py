"""Who may come in of those that a provider vouches for."""

import pytest

from management.access_modes import AccessRule
from store.interfaces import AccessMode

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
def test_the_mode_decides_who_comes_in(
    mode: AccessMode, principals: list[str], has_role: bool, comes_in: bool
) -> None:
    refusal = AccessRule(mode, ALLOWED).refusal(principals, has_role=has_role)
    assert (refusal is None) == comes_in
    if refusal is not None:
        assert refusal.reason == "not_allowed"


def test_required_with_an_empty_list_lets_nobody_in() -> None:
    assert AccessRule("required").refusal(["x_user://1"], has_role=True) is not None
