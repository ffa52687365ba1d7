"""Read a YAML file, with the line of each value."""

from typing import Any

import yaml

from config.bounded_yaml import MAX_DEPTH, MAX_NODES, TOO_DEEP, BoundedLoader, InvalidYaml
from config.errors import Problem
from config.problems import Origins, Path, dotted

_TOO_DEEP = "is nested too deeply (an alias inside its own value?)"


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
    walk = _Walk(loader, origins)
    try:
        values = walk.value(root, ())
    except _Unbounded as exc:
        return {}, origins, [*walk.problems, Problem(name, "", str(exc))]
    if not isinstance(values, dict):
        return {}, origins, [Problem(f"{name}:1", "", "must hold settings (key: value)")]
    return values, origins, walk.problems


class _Unbounded(Exception):
    """The document exceeds the limits when its aliases are followed."""


class _Walk:
    def __init__(self, loader: BoundedLoader, origins: Origins) -> None:
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
        """Return a scalar's value. An invalid date or number (2024-13-45) is a problem."""
        try:
            return self._loader.scalar(node)
        except InvalidYaml as exc:
            self.problems.append(Problem(self._place(node), dotted(path), str(exc)))
            return None

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                message = "has a key that is not text; write key: value"
                self.problems.append(Problem(self._place(key_node), dotted(path), message))
                continue
            key = str(key_node.value)  # as written: `on` is a key like any other
            here = (*path, key)
            if key in values:
                self.problems.append(
                    Problem(self._place(key_node), dotted(here), "occurs twice; remove one")
                )
            self._origins.places[here] = self._place(key_node)
            values[key] = self.value(value_node, here)
        return values

    def _place(self, node: yaml.Node) -> str:
        return f"{self._origins.file}:{node.start_mark.line + 1}"


def _syntax(exc: InvalidYaml, name: str) -> Problem:
    if str(exc) == TOO_DEEP:
        return Problem(name, "", _TOO_DEEP)
    return Problem(name if exc.line is None else f"{name}:{exc.line}", "", str(exc))
