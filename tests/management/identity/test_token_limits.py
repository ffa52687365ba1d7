"""A token created with another token never exceeds it."""

from dataclasses import fields, replace
from datetime import timedelta

import pytest

from management.identity.tokens import BeyondParent, bounded
from store.records import Token
from tests.store.records import NOW, a_token

LATER = NOW + timedelta(days=30)
BOUNDED = {"expires_at", "clusters", "projects", "read_only", "proxy_read", "confined"}
INHERITED = {"parent", "sign_in", "signed_in_at"}
FREE = {
    *("name", "kind", "digest", "user_id", "principal_id"),
    *("description", "created_at", "last_used_at"),
}


def limited(name: str, what: str, value: object) -> Token:
    return replace(a_token(name), **{what: value})  # type: ignore[arg-type]


def test_every_token_field_is_bounded_inherited_or_free() -> None:
    assert {one.name for one in fields(Token)} == BOUNDED | INHERITED | FREE


def test_child_token_ends_with_a_token_and_may_outlive_a_session() -> None:
    parent, child = a_token("parent"), a_token("child", expires_at=LATER)
    assert bounded(child, parent).expires_at == parent.expires_at
    assert bounded(replace(child, expires_at=None), parent).expires_at == parent.expires_at
    assert bounded(child, replace(parent, kind="session")).expires_at == LATER
    assert bounded(child, replace(parent, expires_at=None)).expires_at == LATER


@pytest.mark.parametrize("what", ["clusters", "projects"])
def test_child_token_scope_is_within_its_parents(what: str) -> None:
    parent = limited("parent", what, ("a", "b"))
    assert getattr(bounded(a_token("child"), parent), what) == ("a", "b")
    assert getattr(bounded(limited("child", what, ("b",)), parent), what) == ("b",)
    for wider in (("c",), ("a", "b", "c")):
        with pytest.raises(BeyondParent):
            bounded(limited("child", what, wider), parent)


@pytest.mark.parametrize("what", ["read_only", "confined"])
def test_child_token_inherits_its_parents_limits(what: str) -> None:
    assert getattr(bounded(a_token("child"), limited("parent", what, True)), what)
    assert getattr(bounded(limited("child", what, True), a_token("parent")), what)


@pytest.mark.parametrize(
    ("child", "parent", "reads", "pages"),
    [
        ((False, False), (True, False), True, False),
        ((True, True), (True, False), True, False),
        ((False, False), (True, True), True, True),
        ((True, False), (True, True), True, False),
        ((True, True), (True, True), True, True),
        ((True, True), (False, False), True, True),
        ((False, False), (False, False), False, False),
    ],
)
def test_child_token_gets_proxy_read_only_from_its_parent(
    child: tuple[bool, bool], parent: tuple[bool, bool], reads: bool, pages: bool
) -> None:
    made = bounded(
        a_token("child", read_only=child[0], proxy_read=child[1]),
        a_token("parent", read_only=parent[0], proxy_read=parent[1]),
    )
    assert (made.read_only, made.proxy_read) == (reads, pages)


def test_child_of_an_external_token_has_no_parent_recorded() -> None:
    parent = a_token("oidc", kind="bearer", read_only=True)
    child = bounded(a_token("child", expires_at=LATER), parent)
    assert (child.parent, child.read_only, child.expires_at) == (None, True, parent.expires_at)
