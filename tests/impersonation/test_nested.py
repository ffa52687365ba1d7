"""Tests of ``kubectl --as``."""

import pytest

from impersonation.identity import Subject
from impersonation.nested import (
    ImpersonationPermission,
    InvalidImpersonation,
    permissions_needed,
    requested_subject,
    with_original_user,
)


def test_requested_subject_without_impersonation_headers_is_none() -> None:
    assert requested_subject([(b"Accept", b"*/*")]) is None


def test_requested_subject_ignores_the_case_of_names() -> None:
    subject = requested_subject(
        [
            (b"impersonate-user", b"jane"),
            (b"Impersonate-Uid", b"42"),
            (b"IMPERSONATE-GROUP", b"dev"),
            (b"Impersonate-Group", b"ops"),
            (b"Impersonate-Extra-Acme.com%2Fproject", b"x"),
        ]
    )
    assert subject == Subject("jane", "42", ("dev", "ops"), {"acme.com/project": ("x",)})


@pytest.mark.parametrize(
    "headers",
    [
        [(b"Impersonate-User", b"a"), (b"Impersonate-User", b"b")],
        [(b"Impersonate-User", b"")],
        [(b"Impersonate-User", b"  ")],
        [(b"Impersonate-Group", b"dev")],
        [(b"Impersonate-Uid", b"1")],
        [(b"Impersonate_User", b"a")],
        [(b"Impersonate-User", b"a"), (b"Impersonate-Role", b"admin")],
        [(b"Impersonate-User", b"a"), (b"Impersonate-Extra-", b"x")],
        [(b"Impersonate-User", b"\xff")],
    ],
)
def test_requested_subject_of_ambiguous_or_invalid_headers_raises(
    headers: list[tuple[bytes, bytes]],
) -> None:
    with pytest.raises(InvalidImpersonation):
        requested_subject(headers)


def test_permissions_needed_has_one_permission_for_each_value() -> None:
    assert permissions_needed(Subject("jane", "42", ("dev",), {"k": ("a", "b")})) == [
        ImpersonationPermission("users", "jane"),
        ImpersonationPermission("groups", "dev"),
        ImpersonationPermission("uids", "42", group="authentication.k8s.io"),
        ImpersonationPermission("userextras", "a", group="authentication.k8s.io", subresource="k"),
        ImpersonationPermission("userextras", "b", group="authentication.k8s.io", subresource="k"),
    ]


def test_permissions_needed_of_a_service_account_names_its_namespace() -> None:
    assert permissions_needed(Subject("system:serviceaccount:ci:builder")) == [
        ImpersonationPermission("serviceaccounts", "builder", namespace="ci")
    ]


def test_with_original_user_replaces_the_callers_values() -> None:
    caller = Subject("u-1", extra={"username": ("alice",), "principalid": ("local://u-1",)})
    requested = Subject("jane", extra={"originaluser": ("forged",), "username": ("forged",)})
    extra = with_original_user(requested, caller).extra
    assert extra["originaluser"] == ("u-1",)
    assert extra["originalusername"] == ("alice",)
    assert "username" not in extra


@pytest.mark.parametrize(("groups", "extras"), [(257, 0), (0, 257), (128, 129), (1, 256)])
def test_requested_subject_with_too_many_groups_and_extras_raises(groups: int, extras: int) -> None:
    lines = [(b"Impersonate-User", b"jane")]
    lines += [(b"Impersonate-Group", b"g%d" % n) for n in range(groups)]
    lines += [(b"Impersonate-Extra-K%d" % (n % 7), b"v%d" % n) for n in range(extras)]
    with pytest.raises(InvalidImpersonation, match="256"):
        requested_subject(lines)
    assert requested_subject(lines[:257]) is not None
