"""Whether rules of Kubernetes RBAC allow all that another rule allows.

As Kubernetes' own escalation check (``validation.Covers``, k8s.io/component-helpers/auth/rbac):
rules are broken down into single actions, each of which one held rule must allow by itself.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product

from store.access_records import PolicyRule


def uncovered(wanted: Iterable[PolicyRule], held: Iterable[PolicyRule]) -> list[PolicyRule]:
    """The single actions in ``wanted`` that no rule in ``held`` allows."""
    owned = list(held)
    return [
        action
        for rule in wanted
        for action in broken_down(rule)
        if not any(covers(one, action) for one in owned)
    ]


def broken_down(rule: PolicyRule) -> Iterator[PolicyRule]:
    """The same as single actions: one verb on one resource, or on one URL, each."""
    for verb, url in product(rule.verbs, rule.non_resource_urls):
        yield PolicyRule(verbs=(verb,), non_resource_urls=(url,))
    for group, resource, verb in product(rule.api_groups, rule.resources, rule.verbs):
        one = PolicyRule(verbs=(verb,), api_groups=(group,), resources=(resource,))
        if not rule.resource_names:
            yield one
        for name in rule.resource_names:
            yield replace(one, resource_names=(name,))


def covers(held: PolicyRule, action: PolicyRule) -> bool:
    """Whether one rule allows one action."""
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
    """The one object that an action is about; None: it is about all."""
    return action.resource_names[0] if action.resource_names else None


def _resource_covers(held: str, wanted: str) -> bool:
    """``*`` is all; ``*/status`` is that subresource of all."""
    if held in {"*", wanted}:
        return True
    slash, subresource = held.startswith("*/"), wanted.partition("/")[2]
    return slash and bool(subresource) and held[2:] == subresource


def _url_covers(held: str, wanted: str) -> bool:
    """``/healthz/*`` is all below it, as only its last character may be a star."""
    if held in {"*", wanted}:
        return True
    return held.endswith("*") and wanted.startswith(held[:-1])
