"""Settings from the environment: ``SEKISHO_<SECTION>__<KEY>``. Pure, on a mapping."""

import json
from collections.abc import Mapping
from typing import Any

from config.problems import Origins, Path, Problem
from config.settings import Settings

PREFIX = "SEKISHO_"
NOT_SETTINGS = frozenset({"SEKISHO_CONFIG", "SEKISHO_CACHE"})
"""Read by others: which file to read, and where to keep what can be made again."""


def overlay(
    values: dict[str, Any], environment: Mapping[str, str], origins: Origins
) -> list[Problem]:
    """Put the environment's settings over ``values``; what is wrong with them.

    Values are text, as in YAML's strings; what begins with ``[`` or ``{`` is JSON. A variable whose
    first part is no section isn't ours: a shared environment may have anything.
    """
    problems = []
    for variable in sorted(environment):
        path = _path(variable)
        if path is None:
            continue
        text = environment[variable]
        try:
            value = json.loads(text) if text.lstrip().startswith(("[", "{")) else text
        except ValueError:
            problems.append(Problem(variable, "", "begins like JSON and is not valid JSON"))
            continue
        if not _put(values, path, value):
            problems.append(Problem(variable, "", "is inside of what is not a group of settings"))
            continue
        origins.places[path] = f"environment variable {variable}"
    return problems


def _path(variable: str) -> Path | None:
    if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
        return None
    path = tuple(part.lower() for part in variable[len(PREFIX) :].split("__"))
    known = path[0] in Settings.model_fields and all(path)
    return path if known else None


def _put(values: dict[str, Any], path: Path, value: Any) -> bool:
    for part in path[:-1]:
        inner = values.setdefault(str(part), {})
        if not isinstance(inner, dict):
            return False
        values = inner
    values[str(path[-1])] = value
    return True
