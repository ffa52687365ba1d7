"""Parse and format Kubernetes quantities, such as ``500m`` and ``2Gi``. Pure.

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
_FORM = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([eE][+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)")


def parse_quantity(text: str) -> Decimal:
    """Return the number. Raises ValueError for an invalid quantity."""
    found = _FORM.fullmatch(text.strip()) if len(text) <= 64 else None
    if found is None:
        raise ValueError(f"{text[:64]!r} is not a quantity like 500m, 2 or 4Gi")
    number, exponent, suffix = found.groups()
    return Decimal(number + (exponent or "")) * _SUFFIXES[suffix or ""]


def format_quantity(value: Decimal) -> str:
    """Return a quantity: fractions in ``m``, multiples of 1024 in binary units."""
    if value != value.to_integral_value():
        return f"{int((value * 1000).to_integral_value())}m"
    whole = int(value)
    for power, letter in reversed(list(enumerate("KMGTPE", 1))):
        if whole and whole % 1024**power == 0:
            return f"{whole // 1024**power}{letter}i"
    return str(whole)
