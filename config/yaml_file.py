"""Read a YAML file, with the line of each value."""

from typing import Any

from config.bounded_yaml import TOO_DEEP, BoundedLoader, InvalidYaml
from config.errors import Problem
from config.problems import Origins, dotted
from config.yaml_walk import ALIASES_TOO_DEEP, YamlWalk


def read_yaml(text: str, name: str) -> tuple[dict[str, Any], Origins, list[Problem]]:
    """Return the document's values, the line of each, and problems of its syntax.

    A duplicate key is a problem: the intended value is unknown.
    """
    origins = Origins(name, {})
    try:
        loader = BoundedLoader.of(text, aliases=True)
        root = loader.root()
    except InvalidYaml as exc:
        return {}, origins, [_syntax(exc, name)]
    if root is None:
        return {}, origins, []
    walk = YamlWalk(loader)
    unbounded = []
    values = None
    try:
        values = walk.value(root)
    except InvalidYaml as exc:
        unbounded = [Problem(name, "", str(exc))]
    origins.places.update({path: f"{name}:{line}" for path, line in walk.lines.items()})
    found = [Problem(f"{name}:{one.line}", dotted(one.path), one.message) for one in walk.problems]
    if unbounded:
        return {}, origins, [*found, *unbounded]
    if not isinstance(values, dict):
        return {}, origins, [Problem(f"{name}:1", "", "must hold settings (key: value)")]
    return values, origins, found


def _syntax(exc: InvalidYaml, name: str) -> Problem:
    if str(exc) == TOO_DEEP:
        return Problem(name, "", ALIASES_TOO_DEEP)
    return Problem(name if exc.line is None else f"{name}:{exc.line}", "", str(exc))
