"""Find the roles of Sekisho that would allow a request, the smallest first. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from management.access.question import AccessQuestion
from management.access.rbac_objects import ClusterRbac
from management.authorization.permissions import SEE_PROJECT
from management.authorization.rbac_rules import covers
from management.authorization.role_catalog import RoleCatalog, RoleGrants
from store.access_records import PolicyRule, Role, Scope

STAR = 1000
"""What a star counts: more than the verbs, resources or groups that a rule names one by one."""

MAX_ROLES = 3
"""Roles that an explanation names."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A role that has the missing rule or permission. ``size`` compares roles only."""

    role: Role
    size: int


def roles_with_rule(
    question: AccessQuestion, catalog: RoleCatalog, rbac: ClusterRbac, scopes: Iterable[Scope]
) -> list[Suggestion]:
    """Return the roles whose rules allow the request, in the order of ``scopes``, then of size."""
    action = question.action
    found: list[Suggestion] = []
    for scope in scopes:
        some = []
        for role in catalog:
            if role.scope != scope:
                continue
            content = catalog.content(role.id)
            rules = [*_rules(content, rbac), *_by_permission(content, question)]
            if any(covers(one, action) for one in rules):
                some.append(Suggestion(role, sum(map(_size, rules)) + len(content.permissions)))
        found += sorted(some, key=lambda one: (one.size, one.role.name))
    return found[:MAX_ROLES]


def roles_with_permission(permission: str, catalog: RoleCatalog, scope: Scope) -> list[Suggestion]:
    """Return the roles of a scope that grant a permission, the smallest first."""
    found = [
        Suggestion(role, len(catalog.content(role.id).permissions))
        for role in catalog
        if role.scope == scope and permission in catalog.content(role.id).permissions
    ]
    return sorted(found, key=lambda one: (one.size, one.role.name))[:MAX_ROLES]


def _rules(content: RoleGrants, rbac: ClusterRbac) -> Iterator[PolicyRule]:
    """Yield a role's rules, with those of its cluster roles in the cluster."""
    yield from content.rules
    for name in content.cluster_roles:
        role = rbac.roles.get(("", name))
        if role is not None:
            yield from role.rules


def _by_permission(content: RoleGrants, question: AccessQuestion) -> Iterator[PolicyRule]:
    """Yield the rule that comes with a permission: members of a project may read its namespaces."""
    if SEE_PROJECT in content.permissions and question.namespace:
        yield PolicyRule(
            verbs=("get",),
            api_groups=("",),
            resources=("namespaces",),
            resource_names=(question.namespace,),
        )


def _size(rule: PolicyRule) -> int:
    """Return about how many single actions a rule allows."""
    if rule.non_resource_urls:
        return _count(rule.verbs) * _count(rule.non_resource_urls)
    names = len(rule.resource_names) or STAR
    return _count(rule.verbs) * _count(rule.api_groups) * _count(rule.resources) * names


def _count(words: tuple[str, ...]) -> int:
    return sum(STAR if "*" in one else 1 for one in words)
