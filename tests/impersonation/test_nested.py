"""Reading ``kubectl --as`` out of a request."""

import pytest

from impersonation.identity import Subject
from impersonation.nested import (
    BadImpersonation,
    Permission,
    on_behalf,
    permissions_needed,
    wished_subject,
)


def test_a_request_without_the_headers_wishes_for_nobody() -> None:
    assert wished_subject([(b"Accept", b"*/*")]) is None


def test_user_uid_groups_and_extras_are_read_in_any_case() -> None:
    wish = wished_subject(
        [
            (b"impersonate-user", b"jane"),
            (b"Impersonate-Uid", b"42"),
            (b"IMPERSONATE-GROUP", b"dev"),
            (b"Impersonate-Group", b"ops"),
            (b"Impersonate-Extra-Acme.com%2Fproject", b"x"),
        ]
    )
    assert wish == Subject("jane", "42", ("dev", "ops"), {"acme.com/project": ("x",)})


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
def test_what_is_not_one_clear_wish_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(BadImpersonation):
        wished_subject(headers)


def test_every_part_of_a_wish_needs_a_permission_of_its_own() -> None:
    assert permissions_needed(Subject("jane", "42", ("dev",), {"k": ("a", "b")})) == [
        Permission("users", "jane"),
        Permission("groups", "dev"),
        Permission("uids", "42", group="authentication.k8s.io"),
        Permission("userextras", "a", group="authentication.k8s.io", subresource="k"),
        Permission("userextras", "b", group="authentication.k8s.io", subresource="k"),
    ]


def test_a_service_account_is_asked_for_in_its_namespace() -> None:
    assert permissions_needed(Subject("system:serviceaccount:ci:builder")) == [
        Permission("serviceaccounts", "builder", namespace="ci")
    ]


def test_who_asked_is_kept_and_cannot_be_claimed_by_the_caller() -> None:
    caller = Subject("u-1", extra={"username": ("alice",), "principalid": ("local://u-1",)})
    wish = Subject("jane", extra={"originaluser": ("forged",), "username": ("forged",)})
    extra = on_behalf(wish, caller).extra
    assert extra["originaluser"] == ("u-1",)
    assert extra["originalusername"] == ("alice",)
    assert "username" not in extra
