"""Values for the variables of a class, typed by the class's own schemas. Pure.

A schema is an OpenAPI v3 schema as Cluster API has it in a ClusterClass. The server and the engine
check values again; here, a schema decides what a text means: ``3`` is a number or a string.
"""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import click

from config.bounded_json import load_json
from proxy.cli.suggestions import nearest

Schema = Mapping[str, Any]

_KINDS: Mapping[str, tuple[type, str]] = {
    "object": (dict, 'a JSON object, such as {"key": "value"}'),
    "array": (list, 'a JSON list, such as ["a", "b"]'),
}
_BOOLEANS = {"true": True, "false": False}


def with_set(
    values: Mapping[str, Any], texts: Iterable[str], schemas: Mapping[str, Schema]
) -> dict[str, Any]:
    """Return the values with those of ``--set KEY=VALUE``. Dots lead to fields of objects.

    An object that is not set yet begins with the values of its default. ``null`` removes a value,
    as with Helm and in a merge patch; where the schema has a string, it is the text.
    ``schemas`` are those of the class's variables, by name.

    Raises:
        UsageError: a text has no key, names no variable or field, or has a value of another type.
    """
    found = copy.deepcopy(dict(values))
    for one in texts:
        key, separator, text = one.partition("=")
        path = key.split(".")
        if not separator or not all(path):
            raise click.UsageError(f"--set {one}: write it like KEY=VALUE")
        value = _typed(_schema_at(path, schemas), text, key)
        default = schemas[path[0]].get("default")
        if len(path) > 1 and isinstance(default, dict):
            found.setdefault(path[0], copy.deepcopy(default))
        if value is None:
            _take(found, path)
        else:
            _put(found, path, value)
    return found


def without(values: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return the values without those of ``--unset KEY``. Dots lead to fields of objects.

    Raises:
        UsageError: there is no such value.
    """
    found = copy.deepcopy(dict(values))
    for key in keys:
        if not _take(found, key.split(".")):
            near = nearest(key, found)
            listed = ", ".join(sorted(found)) or "no variable"
            hint = f"did you mean {near}?" if near else f"the order sets {listed}"
            raise click.UsageError(f'--unset {key}: the order does not set "{key}"; {hint}')
    return found


def _schema_at(path: list[str], schemas: Mapping[str, Schema]) -> Schema:
    """Return the schema of a field. Raises UsageError if there is none."""
    name, *fields = path
    if name not in schemas:
        raise click.UsageError(f"--set {name}: {_unknown('the class', 'variable', name, schemas)}")
    schema, key = schemas[name], name
    for field in fields:
        if schema.get("type") == "array":
            raise click.UsageError(f"--set {key}.{field}: {key} is a list; give it as JSON")
        known = schema.get("properties") or {}
        others = schema.get("additionalProperties")
        if field in known:
            schema = known[field]
        elif isinstance(others, Mapping):
            schema = others
        elif others is True or schema.get("x-kubernetes-preserve-unknown-fields"):
            schema = {}
        else:
            raise click.UsageError(f"--set {key}.{field}: {_unknown(key, 'field', field, known)}")
        key = f"{key}.{field}"
    return schema


def _unknown(owner: str, noun: str, name: str, known: Mapping[str, Any]) -> str:
    near = nearest(name, known)
    if near:
        return f'{owner} has no {noun} "{name}"; did you mean {near}?'
    listed = f"the {noun}s are {', '.join(sorted(known))}" if known else f"it has no {noun}s"
    return f'{owner} has no {noun} "{name}"; {listed}'


def _typed(schema: Schema, text: str, key: str) -> object:
    """Return the value that a text means for a schema; None to remove it. Raises UsageError."""
    kind = schema.get("type")
    if kind == "string":
        return text
    if text == "null":
        return None
    if kind == "boolean":
        if text not in _BOOLEANS:
            raise _wrong(key, text, "true or false")
        return _BOOLEANS[text]
    if kind in {"integer", "number"}:
        return _number(key, text, whole=kind == "integer")
    if isinstance(kind, str) and kind in _KINDS:
        expected, words = _KINDS[kind]
        value = _json(text)
        if not isinstance(value, expected):
            raise _wrong(key, text, words)
        return value
    value = _json(text)  # any type, or several: what is no JSON is a string
    return text if value is None else value


def _number(key: str, text: str, *, whole: bool) -> int | float:
    value = _json(text)
    allowed = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed):
        raise _wrong(key, text, "a whole number" if whole else "a number")
    return value


def _json(text: str) -> object:
    """Return a JSON value; None for other text."""
    try:
        return load_json(text)
    except ValueError:
        return None


def _wrong(key: str, text: str, expected: str) -> click.UsageError:
    return click.UsageError(f"--set {key}={text}: {key} must be {expected}")


def _take(values: dict[str, Any], path: list[str]) -> bool:
    """Remove the value at a path. Return whether it was set."""
    *outer, last = path
    inner: Any = values
    for part in outer:
        inner = inner.get(part) if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or last not in inner:
        return False
    del inner[last]
    return True


def _put(values: dict[str, Any], path: list[str], value: object) -> None:
    """Set the value at a path. Raises UsageError if something else than an object is on it."""
    *outer, last = path
    inner = values
    for part in outer:
        inner = inner.setdefault(part, {})
        if not isinstance(inner, dict):
            raise click.UsageError(f"--set {'.'.join(path)}: {part} is not an object in --values")
    inner[last] = value
