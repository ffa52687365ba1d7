"""Evaluate a cluster's RBAC as its API server does, in linear time. Pure.

The rules are those of the RBAC authorizer (k8s.io/kubernetes/pkg/registry/rbac/validation): a
cluster-wide binding counts in every request, a RoleBinding in requests to its namespace only, and a
binding to a role that does not exist grants nothing. Permissions of other authorizers (Node,
webhooks) are not visible in RBAC.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from management.access.question import AccessQuestion
from management.access.rbac_objects import (
    MASTERS,
    ClusterRbac,
    RbacBinding,
    RbacRole,
    RbacSubject,
    RoleKey,
)
from management.authorization.rbac_rules import covers
from store.access_records import PolicyRule

RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Grant:
    """A subject may do what ``rule`` says, by ``binding`` to ``role``.

    ``binding`` and ``role`` are None for ``system:masters``, to which the API server allows
    everything. ``rule`` None: every rule of the role.
    """

    subject: RbacSubject
    binding: RbacBinding | None = None
    role: RbacRole | None = None
    rule: PolicyRule | None = None

    @property
    def namespace(self) -> str:
        """Return the namespace in which the grant counts; empty: everywhere."""
        return self.binding.namespace if self.binding is not None else ""


ALLOWED_EVERYTHING = Grant(RbacSubject("Group", MASTERS))


def grants(question: AccessQuestion, rbac: ClusterRbac) -> Iterator[Grant]:
    """Yield every grant that allows what the question is about."""
    yield ALLOWED_EVERYTHING
    found = matching_roles(question, rbac)
    for binding in rbac.bindings:
        match = found.get(binding.role)
        if match is None or not _counts(binding, question):
            continue
        for subject in binding.subjects:
            yield Grant(subject, binding, *match)


def matching_roles(
    question: AccessQuestion, rbac: ClusterRbac
) -> dict[RoleKey, tuple[RbacRole, PolicyRule]]:
    """Return the roles with a rule that allows what the question is about, and that rule."""
    action = question.action
    found = {}
    for key, role in rbac.roles.items():
        rule = next((one for one in role.rules if covers(one, action)), None)
        if rule is not None:
            found[key] = (role, rule)
    return found


def roles_of(subjects: Collection[RbacSubject], rbac: ClusterRbac) -> Iterator[Grant]:
    """Yield a grant without a rule for each role that one of the subjects holds in the cluster."""
    wanted = frozenset(subjects)
    if ALLOWED_EVERYTHING.subject in wanted:
        yield ALLOWED_EVERYTHING
    for binding in rbac.bindings:
        role = rbac.roles.get(binding.role)
        if role is not None:
            for subject in wanted.intersection(binding.subjects):
                yield Grant(subject, binding, role)


def rules_in_effect(grant: Grant) -> Sequence[PolicyRule]:
    """Return the rules of a grant's role that count: in a namespace, those about URLs never do."""
    rules = grant.role.rules if grant.role is not None else ()
    return [one for one in rules if one.resources or not grant.namespace]


def ways_to_more(question: AccessQuestion) -> list[tuple[str, AccessQuestion]]:
    """Return the permissions by which a subject can get what the question is about.

    ``impersonate`` lets it act as another subject; ``escalate`` and ``bind`` let it write roles and
    bindings that exceed its own (RBAC reference, "Privilege escalation prevention").
    """
    place = replace(question, verb="", resource="", subresource="", group="", name="", url="")
    ways = [
        ("impersonate", "", "users"),
        ("impersonate", "", "groups"),
        ("impersonate", "", "serviceaccounts"),
        ("escalate", RBAC, "clusterroles"),
        ("bind", RBAC, "clusterroles"),
    ]
    if question.namespace or question.anywhere:
        ways.append(("escalate", RBAC, "roles"))
    found = []
    for verb, group, resource in ways:
        # Users and groups have no namespace: only cluster-wide bindings allow impersonation.
        everywhere = resource in {"users", "groups"}
        where = replace(place, namespace="", anywhere=False) if everywhere else place
        asked = replace(where, verb=verb, group=group, resource=resource)
        if asked != question:
            found.append((f"{verb} {resource}", asked))
    return found


def _counts(binding: RbacBinding, question: AccessQuestion) -> bool:
    if not binding.namespace:
        return True
    if question.url:
        return False
    return question.anywhere or binding.namespace == question.namespace
