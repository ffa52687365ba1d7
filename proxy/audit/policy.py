"""Which requests are audited: the first rule that matches says. Pure.

Rules match as those of Kubernetes' audit policy do (``k8s.io/apiserver/pkg/audit/policy``). What no
rule matches is audited: forgetting a rule must not lose events.
"""

from collections.abc import Sequence

from config.audit_settings import AuditRule
from proxy.access import Access
from proxy.request_info import RequestInfo


class AuditPolicy:
    """Rules in order."""

    def __init__(self, rules: Sequence[AuditRule]) -> None:
        self._rules = tuple(rules)

    def audits(self, access: Access) -> bool:
        """Whether ``access`` becomes an event."""
        for rule in self._rules:
            if _matches(rule, access):
                return rule.level != "None"
        return True


def _matches(rule: AuditRule, access: Access) -> bool:
    return (
        (not rule.verbs or access.info.verb in rule.verbs)
        and (not rule.users or _is_one_of(rule.users, access))
        and (not rule.user_groups or _is_in(rule.user_groups, access))
        and (not rule.clusters or bool({access.cluster, access.cluster_id} & set(rule.clusters)))
        and _about(rule, access)
    )


def _is_one_of(users: Sequence[str], access: Access) -> bool:
    if access.resolved is None:
        return False
    return access.resolved.user.id in users or access.resolved.identity.username in users


def _is_in(groups: Sequence[str], access: Access) -> bool:
    return access.resolved is not None and any(
        group.id in groups for group in access.resolved.identity.groups
    )


def _about(rule: AuditRule, access: Access) -> bool:
    """Whether the rule is about this resource, or this path. One about neither is about all."""
    if not (rule.resources or rule.namespaces or rule.non_resource_urls):
        return True
    info = access.info
    if not info.resource:
        return any(_is_path(one, access.target or access.path) for one in rule.non_resource_urls)
    if not (rule.resources or rule.namespaces):
        return False
    return (not rule.namespaces or info.namespace in rule.namespaces) and (
        not rule.resources or any(_is_resource(one, info) for one in rule.resources)
    )


def _is_path(pattern: str, target: str) -> bool:
    path = target.partition("?")[0]
    if pattern.endswith("*"):
        return path.startswith(pattern[:-1])
    return path == pattern


def _is_resource(pattern: str, info: RequestInfo) -> bool:
    """``resource[.group][/subresource]``; ``*`` alone is every one with every subresource."""
    if pattern == "*":
        return True
    kind, _, subresource = pattern.partition("/")
    resource, _, group = kind.partition(".")
    if subresource == "*":
        subresource = info.subresource or "-"
    return (
        resource in {"*", info.resource}
        and (group == info.group or (resource == "*" and not group))
        and subresource == info.subresource
    )
