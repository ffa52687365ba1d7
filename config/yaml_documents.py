"""Read a stream of YAML documents that are not trusted, with the line of each value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from config.bounded_yaml import MAX_NODES, BoundedLoader
from config.yaml_walk import Path, YamlProblem, YamlWalk


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
    found = [_document(loader, root, max_nodes) for root in loader.roots()]
    return [one for one in found if one.value is not None or one.problems]


def _document(loader: BoundedLoader, root: yaml.Node, max_nodes: int) -> YamlDocument:
    walk = YamlWalk(loader, max_nodes=max_nodes)
    return YamlDocument(walk.value(root), walk.lines, walk.problems)
