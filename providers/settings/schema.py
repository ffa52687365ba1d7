"""The settings of a provider type as a JSON schema (2020-12), for forms and for the API.

A field's description is the docstring below the field. Settings that name files of the server are
left out: only the configuration may have them.
"""

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from config.durations import format_duration
from providers.settings.effects import holds, names_file, nested_model, secret_paths

MAX_DESCRIPTION = 500
"""Characters of a description that are kept."""


def settings_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of ``model``, with descriptions and without files of the server.

    ``secrets`` lists the settings that are never returned, in dotted form.

    Raises:
        Exception: a plug-in's model has no JSON schema.
    """
    schema = model.model_json_schema(mode="validation")
    definitions = schema.get("$defs", {})
    for one in _models(model, set()):
        part = schema if one is model else definitions.get(one.__name__)
        if part is not None and "properties" in part:
            part["properties"] = dict(_properties(one, part["properties"]))
    return {**schema, "secrets": [".".join(path) for path in secret_paths(model)]}


def field_descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstring of each field that has one. A class without source has none."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            found |= _docstrings(base)
    return found


def _properties(
    model: type[BaseModel], properties: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    descriptions = field_descriptions(model)
    for name, schema in properties.items():
        info = model.model_fields.get(name)
        if names_file(name) or (info is not None and _is_path(info.annotation)):
            continue
        text = schema.get("description") or descriptions.get(name, "")
        plain = " ".join(text.replace("``", "").split())[:MAX_DESCRIPTION]
        shown = {**schema, "description": plain} if plain else dict(schema)
        if info is not None and isinstance(info.default, timedelta):
            shown["default"] = format_duration(info.default)
        yield name, shown


def _is_path(annotation: Any) -> bool:
    """Return whether a field is a path or has paths as items. Nested models are described."""
    return nested_model(annotation, deep=True) is None and holds(annotation, (Path,), deep=True)


def _models(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """Yield the model and every model in its fields, each once."""
    if model in seen:
        return
    seen.add(model)
    yield model
    for info in model.model_fields.values():
        nested = nested_model(info.annotation, deep=True)
        if nested is not None:
            yield from _models(nested, seen)


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the strings that follow the fields in the source of ``model`` itself."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(model)))
    except (OSError, TypeError, SyntaxError):
        return {}
    body = tree.body[0].body if tree.body and isinstance(tree.body[0], ast.ClassDef) else []
    return {
        field.target.id: text.value.value
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
