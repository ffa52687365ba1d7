"""Reading YAML and remembering on which line everything stood."""

from typing import Any

import yaml

from config.problems import Origins, Path, Problem, dotted

MAX_NODES = 20_000
"""More than any configuration has; a bomb of aliases has more."""

MAX_DEPTH = 32
"""Deeper than any configuration; an alias of what it is in has no end."""

_TOO_DEEP = "is nested too deeply (an alias inside of what it stands for?)"


class _Reader(yaml.SafeLoader):
    """Builds values of the nodes that were composed."""


def read_yaml(text: str, name: str) -> tuple[dict[str, Any], Origins, list[Problem]]:
    """The document's values, the line of each, and what is wrong with it as YAML.

    Duplicate keys are a problem: whichever won, the operator meant the other half the time.
    """
    origins = Origins(name, {})
    try:
        loader = _Reader(text)
        root = loader.get_single_node()
    except yaml.YAMLError as exc:
        return {}, origins, [_syntax(exc, name)]
    except RecursionError:
        return {}, origins, [Problem(name, "", _TOO_DEEP)]
    if root is None:
        return {}, origins, []
    walk = _Walk(loader, origins)
    try:
        values = walk.value(root, ())
    except _Unbounded as exc:
        return {}, origins, [*walk.problems, Problem(name, "", str(exc))]
    if not isinstance(values, dict):
        return {}, origins, [Problem(f"{name}:1", "", "must hold settings (key: value)")]
    return values, origins, walk.problems


class _Unbounded(Exception):
    """The document grows beyond all bounds when its aliases are followed."""


class _Walk:
    def __init__(self, loader: _Reader, origins: Origins) -> None:
        self._loader = loader
        self._origins = origins
        self._left = MAX_NODES
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, path: Path) -> Any:
        self._left -= 1
        if self._left < 0:
            raise _Unbounded("is too large (aliases that multiply?)")
        if len(path) > MAX_DEPTH:
            raise _Unbounded(_TOO_DEEP)
        self._origins.places.setdefault(path, self._place(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, n)) for n, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        """A value; what looks like a date or a number and is none (2024-13-45) is a problem."""
        try:
            return self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError):
            said = "is not a value that YAML can hold; put it in quotes if it is text"
            self.problems.append(Problem(self._place(node), dotted(path), said))
            return None

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                said = "has a key that is not text; write key: value"
                self.problems.append(Problem(self._place(key_node), dotted(path), said))
                continue
            key = str(key_node.value)  # as it is written: `on` is a key like any other
            here = (*path, key)
            if key in values:
                self.problems.append(
                    Problem(self._place(key_node), dotted(here), "is there twice; remove one")
                )
            self._origins.places[here] = self._place(key_node)
            values[key] = self.value(value_node, here)
        return values

    def _place(self, node: yaml.Node) -> str:
        return f"{self._origins.file}:{node.start_mark.line + 1}"


def _syntax(exc: yaml.YAMLError, name: str) -> Problem:
    mark = getattr(exc, "problem_mark", None) or getattr(exc, "context_mark", None)
    place = f"{name}:{mark.line + 1}" if mark is not None else name
    said = getattr(exc, "problem", None) or str(exc).splitlines()[0]
    return Problem(place, "", f"is not valid YAML: {said}")
