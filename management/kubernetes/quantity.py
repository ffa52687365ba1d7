"""Kubernetes quantities (``500m``, ``2Gi``): read, compared, and written the shortest way.

See k8s.io/apimachinery/pkg/api/resource (Quantity).
"""

import re
from decimal import Decimal

_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal("1e3"),
    "M": Decimal("1e6"),
    "G": Decimal("1e9"),
    "T": Decimal("1e12"),
    "P": Decimal("1e15"),
    "E": Decimal("1e18"),
    **{f"{letter}i": Decimal(1024) ** (n + 1) for n, letter in enumerate("KMGTPE")},
}
_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)")


def parse_quantity(text: str) -> Decimal:
    """The number. Raises ValueError for what isn't a quantity."""
    found = _FORM.fullmatch(text.strip()) if len(text) <= 64 else None
    if found is None:
        raise ValueError(f"{text[:64]!r} is not a quantity like 500m, 2 or 4Gi")
    number, exponent, suffix = found.groups()
    return Decimal(number + (exponent or "")) * _SUFFIXES[suffix or ""]


def format_quantity(value: Decimal) -> str:
    """A whole number as it is, or in binary units if it has them; a part of one in ``m``."""
    if value != value.to_integral_value():
        return f"{int((value * 1000).to_integral_value())}m"
    whole = int(value)
    for power, letter in reversed(list(enumerate("KMGTPE", 1))):
        if whole and whole % 1024**power == 0:
            return f"{whole // 1024**power}{letter}i"
    return str(whole)


def shares(
    total: dict[str, Decimal],
    by_default: dict[str, Decimal],
    asked: dict[str, dict[str, Decimal]],
) -> dict[str, dict[str, Decimal]]:
    """How a project's quota is split over its namespaces.

    ``asked`` has for each namespace what it asks for itself. Who asks for nothing gets
    ``by_default``, or else an equal part of what is left. All of them together never get more than
    ``total``: those that asked come first, by name.
    """
    result: dict[str, dict[str, Decimal]] = {name: {} for name in asked}
    for resource, limit in total.items():
        left = limit
        waiting = []
        for name in sorted(asked):
            wanted = asked[name].get(resource)
            if wanted is None:
                waiting.append(name)
            else:
                result[name][resource] = given = min(wanted, left)
                left -= given
        even = _floor(left / len(waiting)) if waiting else Decimal(0)
        for name in waiting:
            result[name][resource] = given = min(by_default.get(resource, even), left)
            left -= given
    for name, wants in asked.items():
        for resource, value in {**by_default, **wants}.items():
            result[name].setdefault(resource, value)
    return result


def _floor(value: Decimal) -> Decimal:
    """Down to thousandths, below one; else to whole numbers."""
    unit = Decimal("0.001") if value < 1 else Decimal(1)
    return (value // unit) * unit
