"""Settings from the environment: ``SEKISHO_<SECTION>__<KEY>``. Pure.

pydantic-settings has such a source, but it does not report where a value came from or which
variable was misspelt. An operator needs both.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr

from config.errors import Problem
from config.problems import Origins, Path
from config.renamed_settings import RENAMED
from config.settings import Settings

PREFIX = "SEKISHO_"
NOT_SETTINGS = frozenset({"SEKISHO_CONFIG", "SEKISHO_CACHE"})
"""Variables that are not settings: the configuration file, and the cache directory."""

CLIENT_SERVER = "SEKISHO_SERVER"
"""The server that commands speak to. As JSON, it is the section ``server`` of the settings."""


def overlay(
    values: dict[str, Any], environment: Mapping[str, str], origins: Origins
) -> list[Problem]:
    """Add the environment's settings to ``values``, and return the problems.

    Values are text, as in YAML strings; lists and whole sections are JSON. A variable whose first
    part is not a section is ignored: a shared environment may contain any variable, and Kubernetes
    adds ``SEKISHO_SERVICE_HOST`` and similar ones for a service of that name.
    """
    problems = []
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        if variable == CLIENT_SERVER and not environment[variable].lstrip().startswith("{"):
            continue
        path = tuple(part.lower() for part in variable[len(PREFIX) :].split("__"))
        place = f"environment variable {variable}"
        if path[0] not in Settings.model_fields and (path[0],) not in RENAMED:
            meant = _MISSING_AN_UNDERSCORE.get(variable.upper())
            if meant is not None:
                problems.append(Problem(place, "", f"is not a setting; did you mean {meant}?"))
            continue
        message = _apply(values, path, environment[variable])
        if message is not None:
            problems.append(Problem(place, "", message))
            continue
        _set_origin(origins, path, place)
    return problems


def _apply(values: dict[str, Any], path: Path, text: str) -> str | None:
    """Set the value of a variable. Return a problem's message, or None."""
    if not all(path):
        return "has an empty part; write it like SEKISHO_SERVER__LISTEN"
    value: Any = text
    if _takes_json(path) and text.lstrip().startswith(("[", "{")):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return "begins like JSON but is not valid JSON; correct it"
    for part in path[:-1]:
        if values.get(str(part)) is None:  # an empty section in the file
            values[str(part)] = {}
        values = values[str(part)]
        if not isinstance(values, dict):
            return "is inside a value that is not a group of settings; set the whole value instead"
    values[str(path[-1])] = value
    return None


def _set_origin(origins: Origins, path: Path, place: str) -> None:
    """Record that the value at ``path``, with everything in it, comes from ``place``."""
    for inner in [one for one in origins.places if one[: len(path)] == path]:
        del origins.places[inner]
    origins.places[path] = place


def _takes_json(path: Path) -> bool:
    """Return whether ``path`` is a list or section. An address like ``[::1]:8443`` is text."""
    model: type[BaseModel] = Settings
    annotation: Any = Settings
    for part in path:
        field = model.model_fields.get(str(part))
        if field is None:
            return False
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return annotation is model or get_origin(annotation) is tuple


def _variables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Yield the variable of every setting."""
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _variables(annotation, f"{variable}__")
        else:
            yield variable
            if annotation is SecretStr or SecretStr in get_args(annotation):
                yield f"{variable}_FILE"


_MISSING_AN_UNDERSCORE = {
    variable.replace("__", "_"): variable
    for variable in _variables(Settings, PREFIX)
    if "__" in variable
}
"""Variables with ``_`` in place of ``__``, the most likely typing error, with the correct name.

Only exact matches are reported: similar names may be variables of other programs.
"""
