"""Check the amount that a namespace requests of its project's quota before it is stored. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from management.desired_state.namespace_objects import namespace_quotas
from management.desired_state.quota_resources import unit_of
from management.kubernetes.quantity import format_quantity, parse_quantity
from store.access_records import Project, ProjectNamespace

Hard = Mapping[str, Mapping[str, str]]
"""The ``hard`` of each namespace's quota, by the namespace's name."""

_LAST = datetime.max.replace(tzinfo=UTC)


def refusal(
    project: Project, inside: Collection[ProjectNamespace], name: str, quota: Mapping[str, str]
) -> str | None:
    """Return why a namespace can't get its quota, as a field and a sentence; None: it can.

    Amounts that other namespaces request, or have by the project's ``namespace_quota``, are taken.
    """
    others = [one for one in inside if one.namespace != name]
    is_new = len(others) == len(inside)
    for resource, whole in project.quota.items():
        fixed, sharing = _taken(project, others, resource)
        left = max(parse_quantity(whole) - fixed, Decimal(0))
        if resource in quota:
            if parse_quantity(quota[resource]) > left:
                return (
                    f"quota.{resource}: {quota[resource]} is more than what is left of the "
                    f"project's {whole}: {format_quantity(left)}"
                )
        elif is_new and parse_quantity(whole) and left < unit_of(resource) * (1 + sharing):
            return (
                f"quota.{resource}: nothing is left of the project's {whole} for another "
                "namespace: raise it, or lower what the others ask for"
            )
    return None


def _taken(
    project: Project, others: Collection[ProjectNamespace], resource: str
) -> tuple[Decimal, int]:
    """Return the fixed amounts of others in total, and how many namespaces share the rest."""
    fixed, sharing = Decimal(0), 0
    for one in others:
        amount = one.quota.get(resource, project.namespace_quota.get(resource))
        if amount is None:
            sharing += 1
        else:
            fixed += parse_quantity(amount)
    # With a default amount for each namespace, no namespace shares the rest.
    return fixed, 0 if resource in project.namespace_quota else sharing


def shrunk(
    project: Project, inside: Collection[ProjectNamespace], candidate: ProjectNamespace
) -> dict[str, dict[str, str]]:
    """Return the new amounts of other namespaces, of each resource of which they would get less."""
    others = [one for one in inside if one.namespace != candidate.namespace]
    before = namespace_quotas(project, inside)
    last = replace(candidate, project_id=project.id, joined_at=_LAST)
    after = namespace_quotas(project, [*others, last])
    found: dict[str, dict[str, str]] = {}
    for one in others:
        for resource, amount in after[one.namespace].items():
            had = before[one.namespace].get(resource)
            if had is not None and parse_quantity(amount) < parse_quantity(had):
                found.setdefault(one.namespace, {})[resource] = amount
    return found


def below_use(amounts: Hard, used: Hard) -> Iterator[str]:
    """Yield a phrase for each amount that is lower than what is in use."""
    for name, hard in sorted(amounts.items()):
        for resource, amount in sorted(hard.items()):
            use = used.get(name, {}).get(resource, "0")
            if parse_quantity(use) > parse_quantity(amount):
                yield f"{name} uses {use} of {resource} and would get {amount}"
