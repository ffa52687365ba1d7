"""Labels of objects, and selectors over them, with the rules of Kubernetes.

The server validates labels and selects by them, and the command line does the same before it sends
anything. Both use this module.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self

from config.text_patterns import described

MOST_LABELS = 32
"""Labels of one object."""

MOST_REQUIREMENTS = 16
"""Requirements of one selector."""

_PART = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"

KEY_PATTERN = described(
    rf"^([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_PART}$",
    "the key of a label, such as team or example.com/team",
)
"""A key: a name of at most 63 characters, optionally with a DNS name and a slash before it."""

VALUE_PATTERN = described(
    rf"^({_PART})?$",
    "the value of a label: letters, digits, -, _, and ., with a letter or digit at both ends",
)
"""A value: empty, or at most 63 characters."""

_KEY, _VALUE = re.compile(KEY_PATTERN), re.compile(VALUE_PATTERN)
_OPERATORS: Final[dict[str, Literal["=", "!="]]] = {"!=": "!=", "==": "=", "=": "="}


class InvalidSelector(ValueError):
    """A selector cannot be parsed. The message says what is supported."""


def is_label_key(text: str) -> bool:
    """Return whether ``text`` is a valid key."""
    return len(text) <= 317 and _KEY.fullmatch(text) is not None


def is_label_value(text: str) -> bool:
    """Return whether ``text`` is a valid value."""
    return len(text) <= 63 and _VALUE.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement of a selector. ``value`` matters for ``=`` and ``!=`` only."""

    key: str
    operator: Literal["=", "!=", "exists", "absent"]
    value: str = ""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether labels satisfy the requirement. ``!=`` includes a missing key."""
        if self.operator == "exists":
            return self.key in labels
        if self.operator == "absent":
            return self.key not in labels
        return (labels.get(self.key) == self.value) is (self.operator == "=")


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements that must all be satisfied."""

    requirements: tuple[Requirement, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the selector ``team=shop,tier!=test,managed,!legacy``.

        Raises:
            InvalidSelector: the text is not such a list, or is empty.
        """
        parts = [part.strip() for part in text.split(",", MOST_REQUIREMENTS)]
        if len(parts) > MOST_REQUIREMENTS:
            raise InvalidSelector(f"has more than {MOST_REQUIREMENTS} requirements")
        return cls(tuple(_requirement(part) for part in parts))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether labels satisfy every requirement."""
        return all(one.matches(labels) for one in self.requirements)


def _requirement(text: str) -> Requirement:
    absent = text.startswith("!")
    one = Requirement(text.removeprefix("!").strip(), "absent" if absent else "exists")
    for written, operator in _OPERATORS.items():
        key, found, value = text.partition(written)
        if found:
            one = Requirement(key.strip(), operator, value.strip())
            break
    if not is_label_key(one.key) or not is_label_value(one.value):
        raise InvalidSelector(
            f"{text[:64]!r} is no requirement: use key=value, key!=value, key, or !key, "
            "separated by commas"
        )
    return one
