"""Access, and what a user may grant."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.authorization.access import Access, access_of
from management.authorization.builtin_roles import BUILT_IN
from management.authorization.escalation import lacking_for, missing_grants
from management.authorization.permissions import (
    ALL_CLUSTERS,
    CLUSTER_MEMBERS,
    EDIT_PROJECT,
    NAMESPACES,
    PERMISSIONS,
    SEE_PROJECT,
)
from management.authorization.role_catalog import InvalidRole, RoleCatalog, RoleGrants
from store.access_records import PolicyRule, Role
from tests.store.records import a_binding

PODS = PolicyRule(verbs=("get",), api_groups=("",), resources=("pods",))
SECRETS = PolicyRule(verbs=("get",), api_groups=("",), resources=("secrets",))


def a_role(name: str, scope: str = "cluster", **values: object) -> Role:
    return replace(Role(f"r-{name}", scope, name), **values)  # type: ignore[arg-type]


def access(*held: tuple[str, str | None, str | None], catalog: RoleCatalog | None = None) -> Access:
    bindings = [a_binding(role=role, cluster=c, project=p) for role, c, p in held]
    return access_of(bindings, catalog or RoleCatalog())


def test_project_role_grants_entry_to_its_cluster_and_nothing_else_there() -> None:
    mine = access(("project-member", "c-1", "p-1"))
    assert mine.can_enter("c-1")
    assert not mine.can_enter("c-2")
    assert mine.in_cluster("c-1") == RoleGrants()
    assert mine.in_project("p-1", "c-1").permissions == {NAMESPACES, SEE_PROJECT}
    assert mine.in_project("p-2", "c-1").permissions == frozenset()


def test_cluster_owner_owns_the_projects_of_that_cluster_only() -> None:
    mine = access(("cluster-owner", "c-1", None))
    assert mine.in_project("p-1", "c-1").permissions == PERMISSIONS["project"]
    assert mine.in_project("p-2", "c-2").permissions == frozenset()
    assert mine.global_permissions == frozenset()


def test_administrator_owns_everything() -> None:
    mine = access(("administrator", None, None))
    assert mine.administrator
    assert mine.can_enter("c-any")
    assert CLUSTER_MEMBERS in mine.in_cluster("c-any").permissions
    assert EDIT_PROJECT in mine.in_project("p-any", "c-any").permissions


def test_missing_role_grants_nothing() -> None:
    mine = access(("r-gone", "c-1", None))
    assert not mine.can_enter("c-1")


def test_stored_role_with_a_built_in_name_grants_nothing() -> None:
    forged = replace(BUILT_IN["cluster-read-only"], permissions=(CLUSTER_MEMBERS,), built_in=False)
    assert RoleCatalog([forged]).content("cluster-read-only").permissions == {"nodes.read"}


def test_role_includes_what_it_inherits() -> None:
    catalog = RoleCatalog(
        [
            a_role("base", rules=(PODS,), cluster_roles=("view",)),
            a_role("more", rules=(SECRETS,), inherits=("r-base",)),
        ]
    )
    assert catalog.content("r-more").rules == (SECRETS, PODS)
    assert catalog.content("r-more").cluster_roles == {"view"}


@pytest.mark.parametrize(
    ("inherits", "why"),
    [
        (("r-gone",), 'role "r-gone" not found'),
        (("project-owner",), "is a project role"),
        (("r-c",), "circle"),
        (("r-a",), "circle"),
    ],
)
def test_invalid_inheritance_is_rejected_with_the_reason(
    inherits: tuple[str, ...], why: str
) -> None:
    """c inherits b, b inherits a."""
    made = [a_role("a"), a_role("b", inherits=("r-a",)), a_role("c", inherits=("r-b",))]
    with pytest.raises(InvalidRole, match=why):
        RoleCatalog(made).check(a_role("a", inherits=inherits))


@given(
    st.dictionaries(
        st.integers(0, 5), st.lists(st.integers(0, 5), max_size=3, unique=True), min_size=1
    )
)
def test_concurrent_changes_create_no_circle(wanted: dict[int, list[int]]) -> None:
    """A stored circle still yields grants."""
    roles = {n: a_role(str(n), rules=(PODS,)) for n in range(6)}
    for n, parents in wanted.items():
        changed = replace(roles[n], inherits=tuple(f"r-{one}" for one in parents))
        try:
            RoleCatalog(roles.values()).check(changed)
        except InvalidRole:
            assert RoleCatalog([*roles.values(), changed]).content(changed.id).rules == (PODS,)
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
def test_user_cannot_grant_more_than_they_hold(
    held: tuple[str, str | None, str | None], role: str, allowed: bool
) -> None:
    wanted = BUILT_IN[role]
    place: dict[str, str | None] = {"cluster_id": None, "project_id": None}
    if wanted.scope != "global":
        place["cluster_id"] = "c-1"
    if wanted.scope == "project":
        place["project_id"] = "p-1"
    missing = lacking_for(wanted, RoleCatalog(), access(held), **place)
    assert (missing == []) is allowed


def test_custom_role_is_grantable_by_a_holder_of_its_rules() -> None:
    catalog = RoleCatalog([a_role("pods", rules=(PODS,)), a_role("both", rules=(PODS, SECRETS))])
    mine = access(("r-pods", "c-1", None), catalog=catalog)
    pods, both = catalog.get("r-pods"), catalog.get("r-both")
    assert pods is not None
    assert both is not None
    assert lacking_for(pods, catalog, mine, cluster_id="c-1") == []
    assert lacking_for(both, catalog, mine, cluster_id="c-1") == ["get secrets"]
    # Creating a role needs its grants everywhere.
    assert lacking_for(pods, catalog, mine) == ["get pods"]
    everywhere = access(("restricted-administrator", None, None))
    assert ALL_CLUSTERS in everywhere.global_permissions
    assert lacking_for(both, catalog, everywhere) == []


@pytest.mark.parametrize(
    ("held", "verb", "resource", "lacks"),
    [
        ("admin", "get", "pods/log", False),
        ("admin", "create", "secrets", False),
        ("edit", "list", "secrets", False),
        ("view", "list", "secrets", True),
        ("view", "get", "pods/log", False),
        ("view", "create", "pods", True),
        ("admin", "create", "nodes", True),
        ("admin", "update", "resourcequotas", True),
        ("custom", "get", "pods", True),
    ],
)
def test_rules_of_kubernetes_user_facing_roles_are_grantable(
    held: str, verb: str, resource: str, lacks: bool
) -> None:
    wanted = RoleGrants(rules=(PolicyRule(verbs=(verb,), api_groups=("",), resources=(resource,)),))
    assert bool(missing_grants(wanted, RoleGrants(cluster_roles=frozenset({held})))) is lacks
