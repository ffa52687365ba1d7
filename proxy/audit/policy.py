"""Select the requests to audit: the first rule that matches decides. Pure.

Rules match as in a Kubernetes audit policy (``k8s.io/apiserver/pkg/audit/policy``). A request that
no rule matches is audited, so that a missing rule does not lose events.
"""

from collections.abc import Sequence

from config.audit_settings import AuditRule
from proxy.request.context import RequestContext
from proxy.request.request_info import RequestInfo


class AuditPolicy:
    """The rules, in order."""

    def __init__(self, rules: Sequence[AuditRule]) -> None:
        self._rules = tuple(rules)

    def audits(self, access: RequestContext) -> bool:
        """Return whether the request is audited."""
        for rule in self._rules:
            if _matches(rule, access):
                return rule.level != "None"
        return True


def _matches(rule: AuditRule, access: RequestContext) -> bool:
    return (
        (not rule.verbs or access.info.verb in rule.verbs)
        and (not rule.users or _is_one_of(rule.users, access))
        and (not rule.user_groups or _is_in(rule.user_groups, access))
        and (not rule.clusters or bool({access.cluster, access.cluster_id} & set(rule.clusters)))
        and _about(rule, access)
    )


def _is_one_of(users: Sequence[str], access: RequestContext) -> bool:
    """Return whether the caller is in ``users``: by id, principal, or ``<provider>:<name>``.

    A bare name means a local account. At other providers, users choose their names: a user with the
    name of an account that isn't audited must still be audited.
    """
    if access.token is None:
        return False
    identity = access.token.identity
    if access.token.user.id in users or identity.principal_id in users:
        return True
    if identity.principal_id.startswith("local://") and identity.username in users:
        return True
    return f"{identity.provider}:{identity.username}" in users


def _is_in(groups: Sequence[str], access: RequestContext) -> bool:
    return access.token is not None and any(
        group.id in groups for group in access.token.identity.groups
    )


def _about(rule: AuditRule, access: RequestContext) -> bool:
    """Return whether the rule covers the resource or path. A rule without either covers all."""
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
    """Match ``resource[.group][/subresource]``. ``*`` matches all, with all subresources."""
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
