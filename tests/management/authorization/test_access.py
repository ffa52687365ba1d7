"""What somebody holds, and may hand on."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.authorization.access import Access, access_of
from management.authorization.book import BadRole, Content, RoleBook
from management.authorization.built_in import BUILT_IN
from management.authorization.escalation import lacking_for
from management.authorization.permissions import (
    ALL_CLUSTERS,
    CLUSTER_MEMBERS,
    EDIT_PROJECT,
    NAMESPACES,
    PERMISSIONS,
    SEE_PROJECT,
)
from store.access_records import PolicyRule, Role
from tests.store.records import a_binding

PODS = PolicyRule(verbs=("get",), api_groups=("",), resources=("pods",))
SECRETS = PolicyRule(verbs=("get",), api_groups=("",), resources=("secrets",))


def a_role(name: str, scope: str = "cluster", **values: object) -> Role:
    return replace(Role(f"r-{name}", scope, name), **values)  # type: ignore[arg-type]


def access(*held: tuple[str, str | None, str | None], book: RoleBook | None = None) -> Access:
    bindings = [a_binding(role=role, cluster=c, project=p) for role, c, p in held]
    return access_of(bindings, book or RoleBook())


def test_a_role_in_a_project_opens_its_cluster_and_nothing_else_of_it() -> None:
    mine = access(("project-member", "c-1", "p-1"))
    assert mine.enters("c-1")
    assert not mine.enters("c-2")
    assert mine.in_cluster("c-1") == Content()
    assert mine.in_project("p-1", "c-1").permissions == {NAMESPACES, SEE_PROJECT}
    assert mine.in_project("p-2", "c-1").permissions == frozenset()


def test_a_clusters_owner_owns_its_projects_and_no_others() -> None:
    mine = access(("cluster-owner", "c-1", None))
    assert mine.in_project("p-1", "c-1").permissions == PERMISSIONS["project"]
    assert mine.in_project("p-2", "c-2").permissions == frozenset()
    assert mine.overall == frozenset()


def test_an_administrator_owns_everything() -> None:
    mine = access(("administrator", None, None))
    assert mine.administrator
    assert mine.enters("c-any")
    assert CLUSTER_MEMBERS in mine.in_cluster("c-any").permissions
    assert EDIT_PROJECT in mine.in_project("p-any", "c-any").permissions


def test_a_role_that_is_gone_counts_for_nothing() -> None:
    mine = access(("r-gone", "c-1", None))
    assert not mine.enters("c-1")


def test_what_is_stored_under_the_name_of_a_role_that_is_always_there_counts_for_nothing() -> None:
    forged = replace(BUILT_IN["cluster-read-only"], permissions=(CLUSTER_MEMBERS,), built_in=False)
    assert RoleBook([forged]).content("cluster-read-only").permissions == {"nodes.read"}


def test_a_role_is_what_it_inherits_too() -> None:
    book = RoleBook(
        [
            a_role("base", rules=(PODS,), cluster_roles=("view",)),
            a_role("more", rules=(SECRETS,), inherits=("r-base",)),
        ]
    )
    assert book.content("r-more").rules == (SECRETS, PODS)
    assert book.content("r-more").cluster_roles == {"view"}


@pytest.mark.parametrize(
    ("inherits", "why"),
    [
        (("r-gone",), "there is no role"),
        (("project-owner",), "is a project role"),
        (("r-c",), "circle"),
        (("r-a",), "circle"),
    ],
)
def test_what_can_not_be_inherited_is_said(inherits: tuple[str, ...], why: str) -> None:
    """c inherits b inherits a."""
    made = [a_role("a"), a_role("b", inherits=("r-a",)), a_role("c", inherits=("r-b",))]
    with pytest.raises(BadRole, match=why):
        RoleBook(made).check(a_role("a", inherits=inherits))


@given(
    st.dictionaries(
        st.integers(0, 5), st.lists(st.integers(0, 5), max_size=3, unique=True), min_size=1
    )
)
def test_no_order_of_changes_makes_a_circle(wanted: dict[int, list[int]]) -> None:
    """And what is stored in a circle all the same comes to something."""
    roles = {n: a_role(str(n), rules=(PODS,)) for n in range(6)}
    for n, parents in wanted.items():
        changed = replace(roles[n], inherits=tuple(f"r-{one}" for one in parents))
        try:
            RoleBook(roles.values()).check(changed)
        except BadRole:
            assert RoleBook([*roles.values(), changed]).content(changed.id).rules == (PODS,)
            continue
        roles[n] = changed
    seen: set[str] = set()
    while True:  # Roots first: in a circle none would be left to take.
        ready = [r for r in roles.values() if r.id not in seen and set(r.inherits) <= seen]
        if not ready:
            break
        seen |= {one.id for one in ready}
    assert len(seen) == 6


@pytest.mark.parametrize(
    ("held", "role", "allowed"),
    [
        (("cluster-owner", "c-1", None), "cluster-owner", True),
        (("cluster-member", "c-1", None), "cluster-owner", False),
        (("cluster-member", "c-1", None), "cluster-read-only", True),
        (("cluster-owner", "c-2", None), "cluster-read-only", False),
        (("cluster-owner", "c-1", None), "project-owner", True),
        (("project-owner", "c-1", "p-1"), "project-owner", True),
        (("project-owner", "c-1", "p-1"), "project-read-only", True),
        (("project-member", "c-1", "p-1"), "project-owner", False),
        (("project-owner", "c-1", "p-2"), "project-read-only", False),
        (("administrator", None, None), "administrator", True),
        (("restricted-administrator", None, None), "restricted-administrator", True),
        (("restricted-administrator", None, None), "administrator", False),
        (("restricted-administrator", None, None), "cluster-owner", True),
        (("standard-user", None, None), "restricted-administrator", False),
    ],
)
def test_nobody_hands_out_more_than_they_hold(
    held: tuple[str, str | None, str | None], role: str, allowed: bool
) -> None:
    wanted = BUILT_IN[role]
    place: dict[str, str | None] = {"cluster_id": None, "project_id": None}
    if wanted.scope != "global":
        place["cluster_id"] = "c-1"
    if wanted.scope == "project":
        place["project_id"] = "p-1"
    missing = lacking_for(wanted, RoleBook(), access(held), **place)
    assert (missing == []) is allowed


def test_an_own_role_is_handed_out_by_who_holds_its_rules() -> None:
    book = RoleBook([a_role("pods", rules=(PODS,)), a_role("both", rules=(PODS, SECRETS))])
    mine = access(("r-pods", "c-1", None), book=book)
    pods, both = book.get("r-pods"), book.get("r-both")
    assert pods is not None
    assert both is not None
    assert lacking_for(pods, book, mine, cluster_id="c-1") == []
    assert lacking_for(both, book, mine, cluster_id="c-1") == ["get secrets"]
    # To make a role is to hold it everywhere.
    assert lacking_for(pods, book, mine) == ["get pods"]
    everywhere = access(("restricted-administrator", None, None))
    assert ALL_CLUSTERS in everywhere.overall
    assert lacking_for(both, book, everywhere) == []
