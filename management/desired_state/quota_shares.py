"""Split a project's quota over its namespaces. Pure.

Namespaces are served in the order in which they joined the project, so that earlier ones keep their
amounts. A namespace that requests an amount, or gets the project's ``namespace_quota``, gets it, or
the rest if that is less. The other namespaces share the rest equally, in whole units.
"""

from collections.abc import Mapping
from decimal import Decimal

from management.desired_state.quota_resources import unit_of

Amounts = Mapping[str, Decimal]


def split_quota(
    total: Amounts, default: Amounts, requested: Mapping[str, Amounts]
) -> dict[str, dict[str, Decimal]]:
    """Return the amounts of each namespace. ``requested`` has them in the order of joining.

    The sum never exceeds ``total``. Kubernetes accepts each amount: counts are whole numbers.
    """
    result: dict[str, dict[str, Decimal]] = {name: {} for name in requested}
    for resource, limit in total.items():
        unit = unit_of(resource)
        left = _whole(limit, unit)
        sharing = []
        for name, wants in requested.items():
            wanted = wants.get(resource, default.get(resource))
            if wanted is None:
                sharing.append(name)
            else:
                result[name][resource] = given = _whole(min(wanted, left), unit)
                left -= given
        for name, given in zip(sharing, _evenly(left, unit, len(sharing)), strict=True):
            result[name][resource] = given
    for name, wants in requested.items():
        for resource, value in {**default, **wants}.items():
            result[name].setdefault(resource, _whole(value, unit_of(resource)))
    return result


def _evenly(amount: Decimal, unit: Decimal, count: int) -> list[Decimal]:
    """Return equal parts in whole units. The first parts get one more unit of the remainder."""
    if not count:
        return []
    each, over = divmod(int(amount / unit), count)
    return [(each + (number < over)) * unit for number in range(count)]


def _whole(value: Decimal, unit: Decimal) -> Decimal:
    return (value // unit) * unit
