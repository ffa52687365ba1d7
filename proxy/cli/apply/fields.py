"""Fields of documents: which values they have, and their names in the API. Pure.

A check returns the canonical form of a value, in which two equal values are equal text, or raises
:class:`Invalid`. Only the form is checked here; the server checks the meaning.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from config.labels import MOST_LABELS, is_label_key, is_label_value
from proxy.cli.suggestions import unknown_field

Check = Callable[[Any], Any]

KEEP: Any = object()
"""The default of fields that keep their value if a document leaves them out."""

MOST_TEXT = 512
"""Characters of any text in a document: as many as the API accepts anywhere."""

MOST_COUNT = 100_000
"""The largest limit that the API accepts."""

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Invalid(Exception):
    """A value is not valid. ``path`` leads to the part that is wrong."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a spec.

    ``api`` is its name in requests and responses. ``identifies``: it belongs to the identity of
    the object. ``compared``: a difference is a change.
    """

    check: Check
    api: str
    default: Any = None
    required: bool = False
    identifies: bool = False
    compared: bool = True


def text(value: Any) -> str:
    """Return one line of text."""
    if not isinstance(value, str):
        raise Invalid("must be text; put it in quotes")
    if len(value) > MOST_TEXT:
        raise Invalid(f"must have at most {MOST_TEXT} characters")
    if any(not one.isprintable() for one in value):
        raise Invalid("must be one line without control characters")
    return value


def name(value: Any) -> str:
    """Return text that is not empty and has no spaces around it."""
    found = text(value)
    if not found or found != found.strip():
        raise Invalid("must not be empty, and not begin or end with a space")
    return found


def flag(value: Any) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise Invalid("must be true or false")
    return value


def count(value: Any) -> int:
    """Return a number of things."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_COUNT:
        raise Invalid(f"must be a whole number from 0 to {MOST_COUNT}")
    return value


def one_of(*values: str) -> Check:
    """Return a check for one of several words."""

    def check(value: Any) -> str:
        if value not in values:
            raise Invalid(f"must be {', '.join(values[:-1])}, or {values[-1]}")
        return str(value)

    return check


def dns_label(value: Any) -> str:
    """Return a name that Kubernetes accepts for a namespace."""
    if not _DNS_LABEL.fullmatch(text(value)):
        raise Invalid("must be a namespace's name: lower-case letters, digits, and hyphens")
    return str(value)


def a_list(check: Check, *, as_set: bool = False) -> Check:
    """Return a check for a list. ``as_set``: order and repetition do not matter."""

    def check_list(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Invalid("must be a list (- …)")
        problems: list[Invalid] = []
        found = [_collected(check, one, n, problems) for n, one in enumerate(value)]
        _raise(problems)
        return sorted(set(found)) if as_set else found

    return check_list


def quantities(value: Any) -> dict[str, str]:
    """Return resources and their quantities, sorted. Numbers are quantities, too."""
    if not isinstance(value, dict):
        raise Invalid("must be resources and quantities (pods: 10)")
    problems: list[Invalid] = []
    found = {key: _collected(_quantity, value[key], key, problems) for key in sorted(value)}
    _raise(problems)
    return found


def labels(value: Any) -> dict[str, str]:
    """Return labels, sorted by key."""
    if not isinstance(value, dict):
        raise Invalid("must be labels (team: shop)")
    if len(value) > MOST_LABELS:
        raise Invalid(f"must be at most {MOST_LABELS} labels")
    problems: list[Invalid] = []
    found = {key: _collected(_label(key), value[key], key, problems) for key in sorted(value)}
    _raise(problems)
    return found


def mapping(fields: Mapping[str, Field], *, complete: bool = True) -> Check:
    """Return a check for a mapping with these fields.

    ``complete``: defaults are filled in.
    """

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Invalid(f"must be a mapping with {', '.join(fields)}")
        problems = [
            Invalid(f"is not a field{unknown_field(key, fields)}", key)
            for key in value
            if key not in fields
        ]
        found: dict[str, Any] = {}
        for key, one in fields.items():
            if key in value:
                found[key] = _collected(one.check, value[key], key, problems)
            elif one.required:
                problems.append(Invalid(f"{key} is missing"))
            elif complete:
                found[key] = one.default
        _raise(problems)
        return found

    return check


class Several(Invalid):
    """Several problems of one value."""

    def __init__(self, problems: list[Invalid]) -> None:
        super().__init__(str(problems[0]), *problems[0].path)
        self.problems = problems


def problems_of(error: Invalid) -> list[Invalid]:
    """Return every problem of an error."""
    return error.problems if isinstance(error, Several) else [error]


def _collected(check: Check, value: Any, key: str | int, problems: list[Invalid]) -> Any:
    """Return the checked value. If it is not valid, add its problems and return None."""
    try:
        return check(value)
    except Invalid as exc:
        problems += [Invalid(str(one), key, *one.path) for one in problems_of(exc)]
        return None


def _raise(problems: list[Invalid]) -> None:
    if problems:
        raise Several(problems)


def _quantity(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Invalid("must be a quantity, such as 10, 500m, or 4Gi")
    return text(str(value))


def _label(key: str) -> Check:
    def check(value: Any) -> str:
        if not is_label_key(key):
            raise Invalid("is no label's key: use letters, digits, -, _, ., and optionally domain/")
        if not isinstance(value, str):
            raise Invalid("must be text; put it in quotes")
        if not is_label_value(value):
            raise Invalid("must have at most 63 letters, digits, -, _, and .")
        return value

    return check
