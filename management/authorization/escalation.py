"""Nobody hands out what they don't hold themselves."""

from management.authorization.access import Access
from management.authorization.book import Content, RoleBook
from management.authorization.rules import uncovered
from store.access_records import PolicyRule, Role, Scope

_WIDER = {
    "cluster-admin": {"cluster-admin", "admin", "edit", "view"},
    "admin": {"admin", "edit", "view"},
    "edit": {"edit", "view"},
}
"""What each of Kubernetes' own roles for people includes (user-facing roles, RBAC reference)."""


def lacking(wanted: Content, held: Content) -> list[str]:
    """What of ``wanted`` isn't in ``held``, for people to read; empty: nothing."""
    names = {name for one in held.cluster_roles for name in _WIDER.get(one, {one})} | (
        held.cluster_roles
    )
    # Of a cluster's own roles nobody here knows the rules, but of the one that has them all.
    owns_all = "cluster-admin" in held.cluster_roles
    return [
        *(f"permission {one}" for one in sorted(wanted.permissions - held.permissions)),
        *(f"cluster role {one}" for one in sorted(wanted.cluster_roles - names) if not owns_all),
        *([] if owns_all else [_said(one) for one in uncovered(wanted.rules, held.rules)]),
    ]


def held_for(
    access: Access, scope: Scope, cluster_id: str | None, project_id: str | None
) -> Content:
    """What somebody may hand out in a place. Of a role as such, the place is everywhere."""
    if scope == "global":
        return Content(access.overall)
    if cluster_id is None:
        everywhere = "*" if access.owns_clusters else ""
        return access.in_cluster(everywhere) | access.in_project(everywhere, everywhere)
    if project_id is None:
        return access.in_cluster(cluster_id)
    return access.in_project(project_id, cluster_id)


def lacking_for(
    role: Role,
    book: RoleBook,
    access: Access,
    *,
    cluster_id: str | None = None,
    project_id: str | None = None,
) -> list[str]:
    """What somebody lacks to hand out ``role`` in a place, or (no place) to make it."""
    if role.id == "administrator" and not access.administrator:
        return ["the role of administrator"]
    held = held_for(access, role.scope, cluster_id, project_id)
    return lacking(book.content(role.id), held)


def _said(action: PolicyRule) -> str:
    if action.non_resource_urls:
        return f"{action.verbs[0]} {action.non_resource_urls[0]}"
    group, resource = action.api_groups[0], action.resources[0]
    what = f"{resource}.{group}" if group else resource
    named = f' "{action.resource_names[0]}"' if action.resource_names else ""
    return f"{action.verbs[0]} {what}{named}"
