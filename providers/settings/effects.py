"""The effects of a change of a provider's settings: on secrets, on principals, or none.

Each settings model declares the effects of its fields in ``EFFECTS``, a class variable that
subclasses extend. A field without a declaration affects everything. A plug-in that declares nothing
therefore fails closed: any change requires the secrets again, an administrator, and a confirmation
for existing principals.
"""

import enum
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr

SettingPath = tuple[str, ...]


class Effect(enum.Flag):
    """The effects of a setting."""

    NONE = 0
    DESTINATION = enum.auto()
    """The destination of secrets and passwords, or trust in responses: hosts, TLS, HTTP proxies."""

    MEANING = enum.auto()
    """The identity that a response means, and which responses count: claims, attributes, audiences.
    """

    BACKEND = enum.auto()
    """The identity of the issuer or directory, which is stored with the principals."""


EVERYTHING = Effect.DESTINATION | Effect.MEANING | Effect.BACKEND


def effects_of(model: type[BaseModel]) -> dict[str, Effect]:
    """Return the effect of each field of ``model``. Secrets have none."""
    declared: dict[str, Effect] = {}
    for base in reversed(model.__mro__):
        declared |= vars(base).get("EFFECTS", {})
    secrets = {path[0] for path in secret_paths(model) if len(path) == 1}
    return {
        name: Effect.NONE if name in secrets else declared.get(name, EVERYTHING)
        for name in model.model_fields
    }


def changed_effects(model: type[BaseModel], before: BaseModel, after: BaseModel) -> Effect:
    """Return everything that a change of settings affects."""
    total = Effect.NONE
    for name, effect in effects_of(model).items():
        if _plain(getattr(before, name)) != _plain(getattr(after, name)):
            total |= effect
    return total


def backend_of(type_name: str, settings: BaseModel) -> dict[str, Any]:
    """Return what identifies the issuer or directory of ``settings``, as plain JSON."""
    values = settings.model_dump(mode="json")
    effects = effects_of(type(settings))
    kept = {name: values[name] for name, effect in effects.items() if effect & Effect.BACKEND}
    return {"type": type_name} | {name: one for name, one in kept.items() if one is not None}


def secret_paths(model: type[BaseModel]) -> list[SettingPath]:
    """Return the paths of secrets in the settings of ``model``.

    A list or mapping that contains secrets counts as one secret.
    """
    found: list[SettingPath] = []
    for name, info in model.model_fields.items():
        if holds(info.annotation, (SecretStr, SecretBytes), deep=False):
            found.append((name,))
            continue
        nested = nested_model(info.annotation)
        if nested is not None:
            found += [(name, *path) for path in secret_paths(nested)]
        elif holds(info.annotation, (SecretStr, SecretBytes), deep=True):
            found.append((name,))
    return found


def missing_secrets(
    model: type[BaseModel], merged: Mapping[str, Any], given: Mapping[str, Any]
) -> list[str]:
    """Return the secrets of ``merged`` that ``given`` does not repeat, in dotted form."""
    return [
        ".".join(path)
        for path in secret_paths(model)
        if _at(merged, path) not in (None, "") and _at(given, path) is None
    ]


def named_files(model: type[BaseModel], values: Mapping[str, Any]) -> list[str]:
    """Return the settings in ``values`` that name files of the server, in dotted form."""
    return list(dict.fromkeys([*_files_by_type(model, values, ()), *_files_by_name(values, ())]))


_FILE_ENDINGS = ("_file", "_path", "_dir", "_directory")


def names_file(setting: str) -> bool:
    """Return whether a setting names a file of the server, by its name."""
    return setting.endswith(_FILE_ENDINGS)


def _files_by_type(
    model: type[BaseModel], values: Mapping[str, Any], at: SettingPath
) -> Iterator[str]:
    for name, info in model.model_fields.items():
        keys = {name, info.alias} - {None}
        for key in keys:
            value = values.get(key or "")
            nested = nested_model(info.annotation)
            if value is None:
                continue
            if nested is not None and isinstance(value, Mapping):
                yield from _files_by_type(nested, value, (*at, name))
            elif holds(info.annotation, (Path,), deep=True):
                yield ".".join((*at, name))


def _files_by_name(values: Mapping[str, Any], at: SettingPath) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _files_by_name(value, (*at, str(key)))
        elif value is not None and names_file(str(key)):
            yield ".".join((*at, str(key)))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    return value


def nested_model(annotation: Any, *, deep: bool = False) -> type[BaseModel] | None:
    """Return the model of a field that contains one, else None. ``deep``: also in its items."""
    for one in _alternatives(annotation):
        if isinstance(one, type) and get_origin(one) is None and issubclass(one, BaseModel):
            return one
        for part in get_args(one) if deep else ():
            found = nested_model(part, deep=True)
            if found is not None:
                return found
    return None


def _alternatives(annotation: Any) -> list[Any]:
    if get_origin(annotation) in {Union, types.UnionType}:
        return [part for one in get_args(annotation) for part in _alternatives(one)]
    if hasattr(annotation, "__metadata__"):
        return _alternatives(annotation.__origin__)
    return [annotation]


def holds(annotation: Any, kinds: tuple[type, ...], *, deep: bool) -> bool:
    """Return whether a field's type is one of ``kinds``. ``deep``: also in models and items."""
    for one in _alternatives(annotation):
        if isinstance(one, type) and get_origin(one) is None and issubclass(one, kinds):
            return True
        if deep and isinstance(one, type) and issubclass(one, BaseModel):
            fields = one.model_fields.values()
            if any(holds(field.annotation, kinds, deep=True) for field in fields):
                return True
        if deep and any(holds(part, kinds, deep=True) for part in get_args(one)):
            return True
    return False


def _at(values: Mapping[str, Any], path: SettingPath) -> Any:
    found: Any = values
    for part in path:
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
