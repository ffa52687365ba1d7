"""Privilege escalation checks: a user may grant only what the user holds."""

from management.authorization.access import Access
from management.authorization.rbac_rules import uncovered_rules
from management.authorization.role_catalog import RoleCatalog, RoleGrants
from management.authorization.user_facing import RULES
from store.access_records import PolicyRule, Role, Scope

_WIDER = {
    "cluster-admin": {"cluster-admin", "admin", "edit", "view"},
    "admin": {"admin", "edit", "view"},
    "edit": {"edit", "view"},
}
"""What each of Kubernetes' user-facing roles includes (RBAC reference, "User-facing roles")."""


def missing_grants(wanted: RoleGrants, held: RoleGrants) -> list[str]:
    """Return what ``wanted`` has and ``held`` lacks, as text; empty if nothing."""
    names = {name for one in held.cluster_roles for name in _WIDER.get(one, {one})} | (
        held.cluster_roles
    )
    # The rules of a cluster's own roles are not known here; those of Kubernetes' user-facing roles
    # are.
    owns_all = "cluster-admin" in held.cluster_roles
    rules = [*held.rules, *(rule for name in sorted(names) for rule in RULES.get(name, ()))]
    return [
        *(f"permission {one}" for one in sorted(wanted.permissions - held.permissions)),
        *(f"cluster role {one}" for one in sorted(wanted.cluster_roles - names) if not owns_all),
        *([] if owns_all else [_as_text(one) for one in uncovered_rules(wanted.rules, rules)]),
    ]


def grantable_in(
    access: Access, scope: Scope, cluster_id: str | None, project_id: str | None
) -> RoleGrants:
    """Return what a user may grant in a place. For a role itself, the place is everywhere."""
    if scope == "global":
        return RoleGrants(access.global_permissions)
    if cluster_id is None:
        everywhere = "*" if access.owns_clusters else ""
        return access.in_cluster(everywhere) | access.in_project(everywhere, everywhere)
    if project_id is None:
        return access.in_cluster(cluster_id)
    return access.in_project(project_id, cluster_id)


def lacking_for(
    role: Role,
    catalog: RoleCatalog,
    access: Access,
    *,
    cluster_id: str | None = None,
    project_id: str | None = None,
) -> list[str]:
    """Return what a user lacks to grant ``role`` in a place, or to create it (no place)."""
    if role.id == "administrator" and not access.administrator:
        return ["the role of administrator"]
    held = grantable_in(access, role.scope, cluster_id, project_id)
    return missing_grants(catalog.content(role.id), held)


def exceeding(theirs: Access, mine: Access) -> list[str]:
    """Return what ``theirs`` grants in any place and ``mine`` does not; empty if nothing.

    Access to a cluster counts by itself: the cluster may have rules that Sekisho does not know.
    """
    found = ["the role of administrator"] if theirs.administrator and not mine.administrator else []
    found += [
        f"permission {one}" for one in sorted(theirs.global_permissions - mine.global_permissions)
    ]
    for cluster_id, content in theirs.in_clusters.items():
        found += _in_place(cluster_id, missing_grants(content, mine.in_cluster(cluster_id)))
    for project_id, content in theirs.in_projects.items():
        held = mine.in_project(project_id, theirs.project_clusters[project_id])
        found += _in_place(project_id, missing_grants(content, held))
    return found + [
        f"entering {cluster_id}" for cluster_id in theirs.clusters if not mine.can_enter(cluster_id)
    ]


def _in_place(place: str, missing: list[str]) -> list[str]:
    return [f"{one} in {place}" for one in missing]


def _as_text(action: PolicyRule) -> str:
    if action.non_resource_urls:
        return f"{action.verbs[0]} {action.non_resource_urls[0]}"
    group, resource = action.api_groups[0], action.resources[0]
    what = f"{resource}.{group}" if group else resource
    named = f' "{action.resource_names[0]}"' if action.resource_names else ""
    return f"{action.verbs[0]} {what}{named}"
