"""Settings from the environment: ``SEKISHO_<SECTION>__<KEY>``. Pure, on a mapping.

pydantic-settings has such a source; it knows neither where a value came from nor which variable
was misspelt, and both are what an operator needs to be told.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr

from config.problems import Origins, Path, Problem
from config.settings import Settings

PREFIX = "SEKISHO_"
NOT_SETTINGS = frozenset({"SEKISHO_CONFIG", "SEKISHO_CACHE"})
"""Read by others: which file to read, and where to keep what can be made again."""


def overlay(
    values: dict[str, Any], environment: Mapping[str, str], origins: Origins
) -> list[Problem]:
    """Put the environment's settings over ``values``; what is wrong with them.

    Values are text, as in YAML's strings; lists and whole sections are JSON. A variable whose
    first part is no section isn't ours: a shared environment may have anything, and Kubernetes
    puts ``SEKISHO_SERVICE_HOST`` and the like into the pods beside a service of that name.
    """
    problems = []
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        path = tuple(part.lower() for part in variable[len(PREFIX) :].split("__"))
        place = f"environment variable {variable}"
        if path[0] not in Settings.model_fields:
            meant = _MISSING_AN_UNDERSCORE.get(variable.upper())
            if meant is not None:
                problems.append(Problem(place, "", f"is not a setting; did you mean {meant}?"))
            continue
        said = _apply(values, path, environment[variable])
        if said is not None:
            problems.append(Problem(place, "", said))
            continue
        _claim(origins, path, place)
    return problems


def _apply(values: dict[str, Any], path: Path, text: str) -> str | None:
    """Put a variable's value in its place; what is wrong with it, or None."""
    if not all(path):
        return "has an empty part; write it like SEKISHO_SERVER__LISTEN"
    value: Any = text
    if _takes_json(path) and text.lstrip().startswith(("[", "{")):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return "begins like JSON and is not valid JSON; mend it"
    for part in path[:-1]:
        if values.get(str(part)) is None:  # an empty section in the file is nothing yet
            values[str(part)] = {}
        values = values[str(part)]
        if not isinstance(values, dict):
            return "is inside of what is not a group of settings; set the whole of it instead"
    values[str(path[-1])] = value
    return None


def _claim(origins: Origins, path: Path, place: str) -> None:
    """What is at ``path``, and all that is in it, comes from ``place`` now."""
    for inner in [one for one in origins.places if one[: len(path)] == path]:
        del origins.places[inner]
    origins.places[path] = place


def _takes_json(path: Path) -> bool:
    """Whether a list or a section is at ``path``: an address like ``[::1]:8443`` is text."""
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
    """The variable of every single setting."""
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
"""The likeliest typing error, exactly: what only looks like a section may be somebody else's."""
