"""Read YAML that is not trusted, in time and memory proportional to its length.

This is the only module that passes text to PyYAML (tests/config/test_bounded_readers.py). PyYAML
alone follows aliases that multiply, recurses as deeply as its input nests, and converts numbers of
any length in quadratic time. This module counts depth and nodes while it parses, and reads a long
scalar as text.
"""

from collections.abc import Iterator
from typing import Any, Self

import yaml

MAX_NODES = 20_000
"""Values and keys in a document: more than any configuration or kubeconfig has."""

MAX_DEPTH = 32
"""Levels of nested collections: more than any configuration or kubeconfig has."""

MAX_BYTES = 4 * 1024 * 1024
"""Characters of a document."""

MAX_NUMBER = 64
"""A longer plain scalar is text: no number, date or boolean is as long."""

_TEXT = "tag:yaml.org,2002:str"
_NUMBERS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
_COLLECTIONS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})

TOO_DEEP = f"is nested more than {MAX_DEPTH} levels deep"
TOO_LARGE = f"is longer than {MAX_BYTES} characters"


class InvalidYaml(Exception):
    """The text is not valid. ``line`` begins at 1; None if the problem is not in one line."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class BoundedLoader(yaml.SafeLoader):
    """A loader of plain values that counts nodes. It follows aliases only with ``aliases``."""

    aliases = False
    max_nodes = MAX_NODES
    _nodes = 0
    _depth = 0

    @classmethod
    def of(cls, text: str, *, aliases: bool = False, max_nodes: int = MAX_NODES) -> Self:
        """Return a loader of ``text``. Raises InvalidYaml."""
        if len(text) > MAX_BYTES:
            raise InvalidYaml(TOO_LARGE)
        try:
            loader = cls(text)
        except (yaml.YAMLError, UnicodeError) as exc:
            raise _invalid(exc) from exc
        loader.aliases, loader.max_nodes = aliases, max_nodes
        return loader

    def root(self) -> yaml.Node | None:
        """Return the document's node tree. Raises InvalidYaml."""
        try:
            return self.get_single_node()
        except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as exc:
            raise _invalid(exc) from exc

    def roots(self) -> Iterator[yaml.Node]:
        """Yield the node tree of each document. The limits are for all together.

        Raises InvalidYaml.
        """
        try:
            while self.check_node():
                node: yaml.Node | None = self.get_node()
                if node is not None:
                    yield node
        except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as exc:
            raise _invalid(exc) from exc

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose one node. Raises InvalidYaml for too many or too deeply nested nodes."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        self._nodes += 1
        if self._nodes > self.max_nodes:
            raise InvalidYaml(f"has more than {self.max_nodes} values", line)
        if not self.aliases and (isinstance(event, yaml.AliasEvent) or event.anchor is not None):
            raise InvalidYaml("has an anchor or alias (& or *), which is not supported", line)
        if self._depth > MAX_DEPTH:
            raise InvalidYaml(TOO_DEEP, line)
        self._depth += 1
        try:
            node: yaml.Node | None = super().compose_node(parent, index)
        finally:
            self._depth -= 1
        if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTIONS:
            raise InvalidYaml("has a tag (!…), which is not supported", line)
        return node

    def fetch_flow_collection_start(self, token: Any) -> None:
        """Reject deep nesting in the scanner, which looks ahead by a thousand levels."""
        if self.flow_level > MAX_DEPTH:
            raise InvalidYaml(TOO_DEEP, self.line + 1)
        super().fetch_flow_collection_start(token)

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """Return a node's tag. A long plain scalar is text, and so is a number with colons.

        YAML 1.1 reads 22:22 as 1342. Kubernetes and YAML 1.2 do not.
        """
        plain = kind is yaml.ScalarNode and implicit[0]
        if plain and len(value) > MAX_NUMBER:
            return _TEXT
        tag = str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]
        return _TEXT if plain and tag in _NUMBERS and ":" in value else tag

    def scalar(self, node: yaml.Node) -> Any:
        """Return a scalar's value. Raises InvalidYaml for an invalid one (2024-13-45)."""
        try:
            if len(node.value) > MAX_NUMBER and node.tag != _TEXT:
                raise ValueError("too long for its tag")
            return self.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError, RecursionError, KeyError) as exc:
            message = "is not a valid YAML value; put it in quotes if it is text"
            raise InvalidYaml(message, node.start_mark.line + 1) from exc


def load_bounded(text: str, *, max_nodes: int = MAX_NODES) -> Any:
    """Return the document's plain value.

    Keys are text, as written. Aliases, duplicate keys, and tags other than YAML's are invalid.

    Raises:
        InvalidYaml: the text is invalid or exceeds a limit.
    """
    loader = BoundedLoader.of(text, max_nodes=max_nodes)
    root = loader.root()
    return None if root is None else _value(loader, root)


def _value(loader: BoundedLoader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item) for item in node.value]
    return loader.scalar(node)


def _mapping(loader: BoundedLoader, node: yaml.MappingNode) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise InvalidYaml("has a key that is not text", line)
        if key_node.value in values:
            raise InvalidYaml(f"has a duplicate key: {key_node.value[:64]}", line)
        values[str(key_node.value)] = _value(loader, value_node)
    return values


def _invalid(exc: Exception) -> InvalidYaml:
    if not isinstance(exc, yaml.YAMLError):
        return InvalidYaml("is not valid YAML")
    mark = getattr(exc, "problem_mark", None) or getattr(exc, "context_mark", None)
    problem = getattr(exc, "problem", None) or str(exc).splitlines()[0]
    line = mark.line + 1 if mark is not None else None
    return InvalidYaml(f"is not valid YAML: {problem}", line)
