"""Decide whether RBAC rules cover another rule.

The algorithm is that of Kubernetes' escalation check (``validation.Covers``,
k8s.io/component-helpers/auth/rbac): rules are broken down into single actions, and one held rule
must allow each action by itself.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product

from store.access_records import PolicyRule


def uncovered_rules(wanted: Iterable[PolicyRule], held: Iterable[PolicyRule]) -> list[PolicyRule]:
    """Return the single actions in ``wanted`` that no rule in ``held`` allows."""
    owned = list(held)
    return [
        action
        for rule in wanted
        for action in breakdown_rule(rule)
        if not any(covers(one, action) for one in owned)
    ]


def breakdown_rule(rule: PolicyRule) -> Iterator[PolicyRule]:
    """Yield the single actions of a rule: one verb on one resource, or on one URL."""
    for verb, url in product(rule.verbs, rule.non_resource_urls):
        yield PolicyRule(verbs=(verb,), non_resource_urls=(url,))
    for group, resource, verb in product(rule.api_groups, rule.resources, rule.verbs):
        one = PolicyRule(verbs=(verb,), api_groups=(group,), resources=(resource,))
        if not rule.resource_names:
            yield one
        for name in rule.resource_names:
            yield replace(one, resource_names=(name,))


def covers(held: PolicyRule, action: PolicyRule) -> bool:
    """Return whether one rule allows one action.

    A single request is an action too: with its resource as ``pods/log``, and with its object's name
    even if that is empty (``RuleAllows``, k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac).
    """
    [verb] = action.verbs
    if verb not in held.verbs and "*" not in held.verbs:
        return False
    if action.non_resource_urls:
        return any(_url_covers(one, action.non_resource_urls[0]) for one in held.non_resource_urls)
    [group], [resource] = action.api_groups, action.resources
    return (
        (group in held.api_groups or "*" in held.api_groups)
        and any(_resource_covers(one, resource) for one in held.resources)
        and (not held.resource_names or _named(action) in held.resource_names)
    )


def _named(action: PolicyRule) -> str | None:
    """Return the object name of an action; None if it is about all objects."""
    return action.resource_names[0] if action.resource_names else None


def _resource_covers(held: str, wanted: str) -> bool:
    """Match resources: ``*`` is all, ``*/status`` is that subresource of all."""
    if held in {"*", wanted}:
        return True
    slash, subresource = held.startswith("*/"), wanted.partition("/")[2]
    return slash and bool(subresource) and held[2:] == subresource


def _url_covers(held: str, wanted: str) -> bool:
    """Match URLs: ``/healthz/*`` is everything below. Kubernetes drops every star at the end."""
    if held in {"*", wanted}:
        return True
    return held.endswith("*") and wanted.startswith(held.rstrip("*"))
