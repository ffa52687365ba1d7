"""Plain values of a YAML document, with the line and the problems of each value."""

from dataclasses import dataclass
from typing import Any

import yaml

from config.bounded_yaml import MAX_DEPTH, MAX_NODES, BoundedLoader, InvalidYaml

Path = tuple[str | int, ...]
"""The keys and positions that lead to a value."""

ALIASES_TOO_DEEP = "is nested too deeply (an alias inside its own value?)"


@dataclass(frozen=True, slots=True)
class YamlProblem:
    """A problem of one value. ``line`` begins at 1."""

    line: int
    path: Path
    message: str


class YamlWalk:
    """Converts the nodes of one document.

    ``lines`` has the line of each value, ``problems`` those of single values: a key that occurs
    twice, whose first value counts, and an invalid scalar. Keys are text, as written. Aliases
    multiply values and may be nested in themselves, so values are counted here again.
    """

    def __init__(self, loader: BoundedLoader, *, max_nodes: int = MAX_NODES) -> None:
        self._loader = loader
        self._left = max_nodes
        self.lines: dict[Path, int] = {}
        self.problems: list[YamlProblem] = []

    def value(self, node: yaml.Node, path: Path = ()) -> Any:
        """Return the value of a node. Raises InvalidYaml for too many values or levels."""
        self._left -= 1
        if self._left < 0:
            raise InvalidYaml("is too large (aliases that multiply?)")
        if len(path) > MAX_DEPTH:
            raise InvalidYaml(ALIASES_TOO_DEEP)
        self.lines.setdefault(path, _line(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, n)) for n, item in enumerate(node.value)]
        try:
            return self._loader.scalar(node)
        except InvalidYaml as exc:  # such as a date 2024-13-45
            self._add(node, path, str(exc))
            return None

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._add(key_node, path, "has a key that is not text; write key: value")
                continue
            key = str(key_node.value)  # as written: `on` is a key like any other
            here = (*path, key)
            if key in values:
                self._add(key_node, here, "occurs twice; remove one")
                continue
            self.lines[here] = _line(key_node)
            values[key] = self.value(value_node, here)
        return values

    def _add(self, node: yaml.Node, path: Path, message: str) -> None:
        self.problems.append(YamlProblem(_line(node), path, message))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
