"""Read a stream of YAML documents that are not trusted, with the line of each value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from config.bounded_yaml import MAX_NODES, BoundedLoader, InvalidYaml

Path = tuple[str | int, ...]
"""The keys and positions that lead to a value."""


@dataclass(frozen=True, slots=True)
class YamlProblem:
    """A problem of one value. ``line`` begins at 1."""

    line: int
    path: Path
    message: str


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """A document's plain value, and the line of each value in it. Keys are text, as written."""

    value: Any
    lines: Mapping[Path, int]
    problems: Sequence[YamlProblem] = field(default=())

    def line(self, path: Path) -> int:
        """Return the line of the value at ``path``, or else of its nearest parent."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1


def read_documents(text: str, *, max_nodes: int = MAX_NODES) -> list[YamlDocument]:
    """Return the documents of a stream, without empty ones.

    A duplicate key and an invalid scalar are problems of their document. Anchors, aliases, and tags
    other than YAML's are invalid.

    Raises:
        InvalidYaml: the text is no YAML, or exceeds a limit.
    """
    loader = BoundedLoader.of(text, max_nodes=max_nodes)
    found = [_Walk(loader).document(root) for root in loader.roots()]
    return [one for one in found if one.value is not None or one.problems]


class _Walk:
    """Converts one document."""

    def __init__(self, loader: BoundedLoader) -> None:
        self._loader = loader
        self._lines: dict[Path, int] = {}
        self._problems: list[YamlProblem] = []

    def document(self, root: yaml.Node) -> YamlDocument:
        return YamlDocument(self._value(root, ()), self._lines, self._problems)

    def _value(self, node: yaml.Node, path: Path) -> Any:
        self._lines.setdefault(path, _line(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, n)) for n, item in enumerate(node.value)]
        try:
            return self._loader.scalar(node)
        except InvalidYaml as exc:
            self._problems.append(YamlProblem(_line(node), path, str(exc)))
            return None

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                message = "has a key that is not text; write key: value"
                self._problems.append(YamlProblem(_line(key_node), path, message))
                continue
            key = str(key_node.value)
            here = (*path, key)
            if key in values:
                self._problems.append(YamlProblem(_line(key_node), here, "occurs twice"))
                continue
            self._lines[here] = _line(key_node)
            values[key] = self._value(value_node, here)
        return values


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
