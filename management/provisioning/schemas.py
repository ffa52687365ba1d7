"""Whether a value fits the OpenAPI v3 schema of a variable, as far as that is checked here. Pure.

Types, enumerations, and bounds are. Patterns and formats are not: a pattern is a regular expression
of another language, and a hostile one takes minutes.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

MAX_DEPTH = 20
"""Levels of a value below which nothing is checked here."""

_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, Mapping),
}


def mismatch(schema: Mapping[str, Any], value: Any, depth: int = 0) -> str:
    """Return the first reason why the value does not fit; empty: none was found.

    The reason has nothing of the value, which may be secret.
    """
    if depth > MAX_DEPTH or not isinstance(schema, Mapping):
        return ""
    return next(_reasons(schema, value, depth), "")


def _reasons(schema: Mapping[str, Any], value: Any, depth: int) -> Iterator[str]:
    kind = schema.get("type")
    if isinstance(kind, str) and kind in _TYPES and not _TYPES[kind](value):
        yield f"must be of type {kind}"
        return
    allowed = schema.get("enum")
    if isinstance(allowed, list) and value not in allowed:
        yield f"must be one of {', '.join(map(str, allowed[:20]))}"
    if isinstance(value, str):
        yield from _outside(schema, "Length", len(value), "characters")
    elif isinstance(value, list):
        yield from _outside(schema, "Items", len(value), "items")
        yield from _inside(
            ((str(n), schema.get("items"), one) for n, one in enumerate(value)), depth
        )
    elif isinstance(value, Mapping):
        yield from _of_object(schema, value, depth)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _outside(schema, "imum", value, "")


def _outside(schema: Mapping[str, Any], suffix: str, size: float, what: str) -> Iterator[str]:
    least, most = _number(schema.get(f"min{suffix}")), _number(schema.get(f"max{suffix}"))
    if least is not None and size < least:
        yield f"must be at least {least:g} {what}".rstrip()
    if most is not None and size > most:
        yield f"must be at most {most:g} {what}".rstrip()


def _of_object(schema: Mapping[str, Any], value: Mapping[str, Any], depth: int) -> Iterator[str]:
    required, properties = schema.get("required"), schema.get("properties")
    for name in required if isinstance(required, list) else ():
        if name not in value:
            yield f"{name} must be given"
    if isinstance(properties, Mapping):
        yield from _inside(
            ((name, properties.get(name), one) for name, one in value.items()), depth
        )


def _inside(parts: Iterator[tuple[str, Any, Any]], depth: int) -> Iterator[str]:
    for name, schema, value in parts:
        if isinstance(schema, Mapping) and (reason := mismatch(schema, value, depth + 1)):
            yield f"{name[:64]} {reason}"


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
