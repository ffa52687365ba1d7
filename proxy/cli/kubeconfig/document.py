"""A kubeconfig as a tree of YAML nodes. Pure.

A scalar that is not changed is written as it was read: a token that looks like a number stays as it
is. The order of entries and fields, unknown fields, anchors and the styles of scalars stay too.
PyYAML's nodes have no comments, so these are lost when the file is written, as with kubectl.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from config.bounded_yaml import BoundedLoader, InvalidYaml
from proxy.cli.kubeconfig.entries import MAX_NODES, InvalidKubeconfig

_TAG = "tag:yaml.org,2002:"
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
SECTIONS = ("clusters", "contexts", "users")


class Document:
    """A kubeconfig that can be changed. ``text`` returns what was read until it is."""

    def __init__(self, text: str = "") -> None:
        """Parse ``text``. Raises InvalidKubeconfig."""
        self._read = text
        self.root = _root(text)
        self._before = self._written() if text else None
        for section in SECTIONS:
            for item in self.items(section):
                name_of(item)

    @property
    def text(self) -> str:
        """The document as YAML; unchanged, comments included, if nothing was changed."""
        written = self._written()
        return self._read if written == self._before else written

    def items(self, section: str) -> list[yaml.Node]:
        """Return the nodes of a section. Raises InvalidKubeconfig."""
        found = get(self.root, section)
        if found is None or is_null(found):
            return []
        if not isinstance(found, yaml.SequenceNode):
            raise InvalidKubeconfig(f"is not a kubeconfig: {section} must be a list")
        return list(found.value)

    def set_items(self, section: str, items: list[yaml.Node]) -> None:
        """Replace the nodes of a section."""
        found = get(self.root, section)
        if isinstance(found, yaml.SequenceNode):
            found.value[:] = items
            if items:
                found.flow_style = found.flow_style if _is_flow(self.root) else False
        elif items:
            put(self.root, section, yaml.SequenceNode(f"{_TAG}seq", items, flow_style=False))

    def find(self, section: str, name: str) -> yaml.MappingNode | None:
        """Return the entry of that name; kubectl uses the first."""
        for item in self.items(section):
            if name_of(item) == name:
                assert isinstance(item, yaml.MappingNode)
                return item
        return None

    @property
    def current(self) -> str:
        """The name of the current context; empty if there is none."""
        found = get(self.root, "current-context")
        return text_of(found) if found is not None and not is_null(found) else ""

    @current.setter
    def current(self, name: str) -> None:
        put(self.root, "current-context", node(name))

    def _written(self) -> str:
        # A long line is not folded: folding is only allowed at spaces, and hard to read.
        return yaml.serialize(self.root, Dumper=yaml.SafeDumper, allow_unicode=True, width=1 << 20)


def node(value: object) -> yaml.Node:
    """Return a plain value as a node."""
    if isinstance(value, Mapping):
        pairs = [(node(key), node(one)) for key, one in value.items()]
        return yaml.MappingNode(f"{_TAG}map", pairs, flow_style=not pairs)
    if isinstance(value, list | tuple):
        return yaml.SequenceNode(f"{_TAG}seq", [node(one) for one in value], flow_style=not value)
    if isinstance(value, bool):
        return yaml.ScalarNode(f"{_TAG}bool", str(value).lower())
    if value is None:
        return yaml.ScalarNode(f"{_TAG}null", "null")
    if isinstance(value, int):
        return yaml.ScalarNode(f"{_TAG}int", str(value))
    return yaml.ScalarNode(f"{_TAG}str", str(value))


def get(mapping: yaml.Node | None, key: str) -> yaml.Node | None:
    """Return a field of a mapping. None if there is none."""
    return next((value for name, value in _pairs(mapping) if text_of(name) == key), None)


def put(mapping: yaml.MappingNode, key: str, value: yaml.Node) -> None:
    """Set a field of a mapping, at its place."""
    for index, (name, _) in enumerate(mapping.value):
        if text_of(name) == key:
            mapping.value[index] = (name, value)
            return
    mapping.value.append((node(key), value))
    mapping.flow_style = bool(mapping.flow_style) and len(mapping.value) > 1


def drop(mapping: yaml.MappingNode, key: str) -> None:
    """Remove a field of a mapping, if it exists."""
    mapping.value[:] = [pair for pair in mapping.value if text_of(pair[0]) != key]


def copied(found: yaml.Node | None) -> yaml.MappingNode | None:
    """Return a mapping with the same fields, which can be changed. None if it is no mapping.

    An anchor makes several entries share a node.
    """
    if not isinstance(found, yaml.MappingNode):
        return None
    return yaml.MappingNode(found.tag, list(found.value), flow_style=found.flow_style)


def plain(found: yaml.Node | None) -> Any:
    """Return a node as a value in which every scalar is its text."""
    if isinstance(found, yaml.MappingNode):
        return {text_of(name): plain(value) for name, value in found.value}
    if isinstance(found, yaml.SequenceNode):
        return [plain(one) for one in found.value]
    return text_of(found)


def text_of(found: yaml.Node | None) -> str:
    """Return the text of a scalar; empty for others."""
    return str(found.value) if isinstance(found, yaml.ScalarNode) else ""


def is_null(found: yaml.Node) -> bool:
    """Return whether a node is null, as kubectl writes empty sections."""
    return isinstance(found, yaml.ScalarNode) and not found.style and found.value in _NULLS


def name_of(item: yaml.Node) -> str:
    """Return the name of an entry. Raises InvalidKubeconfig."""
    found = get(item, "name")
    if not isinstance(found, yaml.ScalarNode):
        raise InvalidKubeconfig("is not a kubeconfig: an entry has no name")
    return str(found.value)


def _pairs(mapping: yaml.Node | None) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    if isinstance(mapping, yaml.MappingNode):
        yield from mapping.value


def _is_flow(root: yaml.MappingNode) -> bool:
    return bool(root.flow_style)


def _root(text: str) -> yaml.MappingNode:
    try:
        root = BoundedLoader.of(text, aliases=True, max_nodes=MAX_NODES).root()
    except InvalidYaml as exc:
        where = f" (line {exc.line})" if exc.line else ""
        raise InvalidKubeconfig(f"{exc}{where}") from exc
    if root is None or is_null(root):
        empty = node({"apiVersion": "v1", "kind": "Config", "clusters": [], "contexts": []})
        assert isinstance(empty, yaml.MappingNode)
        for key, value in (("current-context", ""), ("users", [])):
            put(empty, key, node(value))
        return empty
    if not isinstance(root, yaml.MappingNode) or text_of(get(root, "kind")) not in {"", "Config"}:
        raise InvalidKubeconfig("is not a kubeconfig (no `kind: Config`)")
    names = [text_of(name) for name, _ in root.value]
    if twice := next((one for one in names if names.count(one) > 1), None):
        raise InvalidKubeconfig(f"is not a kubeconfig: it has {twice} twice")
    return root
