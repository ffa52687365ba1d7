"""Put a server's entries into a kubeconfig that may have others. Pure.

Only entries with Sekisho's mark for the same server and prefix are changed or removed, and those
of the same name that lead to the same server, which an earlier download wrote. An entry of another
origin with the same name is a conflict.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import yaml

from proxy.cli.kubeconfig.document import (
    SECTIONS,
    Document,
    copied,
    drop,
    get,
    name_of,
    node,
    plain,
    put,
)
from proxy.cli.kubeconfig.entries import EXTENSION, Entry, Owner


class NameConflict(Exception):
    """An entry of another origin has the name that an entry of Sekisho would get."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True)
class Managed:
    """A context of Sekisho in a file, and how it signs in."""

    context: str
    user: str
    cluster_id: str
    owner: Owner
    token: str | None
    """The token's name; None for a sign-in by ``sekisho credential``."""


def merge(
    document: Document,
    entries: Sequence[Entry],
    owner: Owner,
    *,
    keep: Collection[str],
    namespace: str | None = None,
) -> list[str]:
    """Write ``entries`` and return the names of contexts that were removed.

    The owner's entries of clusters that are neither among them nor in ``keep`` (ids) are removed.
    The current context stays, unless there is none or it was removed: then it is the first entry.

    Raises:
        NameConflict: a name is in use. The document may be changed in part.
    """
    for entry in entries:
        _check(document, entry, owner)
    removed = _remove_others(document, entries, owner, keep)
    for entry in entries:
        for section, item in _items(document, entry, owner, namespace).items():
            _replace(document, section, item)
    contexts = {name_of(one) for one in document.items("contexts")}
    if entries and (not document.current or document.current in set(removed) - contexts):
        document.current = entries[0].name
    elif document.current in removed and document.current not in contexts:
        document.current = ""
    return [one for one in removed if one not in contexts]


def managed(document: Document) -> list[Managed]:
    """Return the contexts of Sekisho, of all servers."""
    found = []
    for item in document.items("contexts"):
        mark = _mark(item, "context")
        if mark is None:
            continue
        user = plain(get(get(item, "context"), "user"))
        credential = get(document.find("users", user), "user")
        token = plain(get(credential, "token")).partition(":")[0]
        owner = Owner(mark.get("server", ""), mark.get("prefix", ""))
        found.append(Managed(name_of(item), user, mark.get("cluster", ""), owner, token or None))
    return found


def remove(document: Document, contexts: Collection[Managed]) -> None:
    """Remove contexts of Sekisho, with their clusters and users."""
    for one in contexts:
        for section in SECTIONS:
            kept = [
                item
                for item in document.items(section)
                if not _is_owned(item, section, one.owner)
                or _mark_of(item, section).get("cluster") != one.cluster_id
            ]
            document.set_items(section, kept)
        if document.current == one.context:
            document.current = ""


def _check(document: Document, entry: Entry, owner: Owner) -> None:
    """Raise NameConflict unless entries of these names are Sekisho's or don't exist."""
    cluster = document.find("clusters", entry.name)
    url = plain(get(get(cluster, "cluster"), "server"))
    adopted = url == entry.cluster["server"]
    for section, name in _names(entry).items():
        found = document.find(section, name)
        if found is None or adopted or _is_owned(found, section, owner):
            continue
        raise NameConflict(name)


def _remove_others(
    document: Document, entries: Sequence[Entry], owner: Owner, keep: Collection[str]
) -> list[str]:
    """Remove the owner's entries that are not wanted; return the names of contexts."""
    ids = {one.cluster_id for one in entries}
    names = {section: {_names(one)[section] for one in entries} for section in SECTIONS}
    removed = []
    for section in SECTIONS:
        kept = []
        for item in document.items(section):
            cluster = _mark_of(item, section).get("cluster")
            if (
                not _is_owned(item, section, owner)
                or name_of(item) in names[section]
                or (cluster in keep and cluster not in ids)
            ):
                kept.append(item)
            elif section == "contexts":
                removed.append(name_of(item))
        document.set_items(section, kept)
    return removed


def _items(
    document: Document, entry: Entry, owner: Owner, namespace: str | None
) -> dict[str, yaml.MappingNode]:
    """Return the entry's nodes by section. Fields that a user has added stay."""
    mark = owner.mark(entry.cluster_id)
    context = {"cluster": entry.name, "user": entry.user_name}
    if namespace is not None:
        context["namespace"] = namespace
    found = {}
    for section, kind, values, replaced in (
        ("clusters", "cluster", entry.cluster, ("server", "certificate-authority-data")),
        ("contexts", "context", context, ()),
        ("users", "user", entry.user, ("token", "exec")),
    ):
        name = _names(entry)[section]
        item = copied(document.find(section, name)) or node({"name": name})
        assert isinstance(item, yaml.MappingNode)
        inner = copied(get(item, kind)) or node({})
        assert isinstance(inner, yaml.MappingNode)
        for key in set(replaced) - set(values):
            drop(inner, key)
        _update(inner, values)
        _put_mark(inner, mark)
        put(item, kind, inner)
        found[section] = item
    return found


def _update(mapping: yaml.MappingNode, values: Mapping[str, object]) -> None:
    """Set fields. kubectl adds some to ``exec`` (``env: null``), and users may, too."""
    for key, value in values.items():
        inner = copied(get(mapping, key))
        if inner is not None and isinstance(value, Mapping):
            _update(inner, value)
            put(mapping, key, inner)
        elif plain(get(mapping, key)) != plain(node(value)):
            put(mapping, key, node(value))


def _replace(document: Document, section: str, item: yaml.MappingNode) -> None:
    """Put an entry at the place of its name, or at the end."""
    items = document.items(section)
    name = name_of(item)
    at = next((index for index, one in enumerate(items) if name_of(one) == name), len(items))
    items[at : at + 1] = [item]
    document.set_items(section, items)


def _names(entry: Entry) -> dict[str, str]:
    return {"clusters": entry.name, "contexts": entry.name, "users": entry.user_name}


def _put_mark(inner: yaml.MappingNode, mark: dict[str, object]) -> None:
    listed = get(inner, "extensions")
    others = []
    if isinstance(listed, yaml.SequenceNode):
        others = [one for one in listed.value if plain(get(one, "name")) != EXTENSION]
        if [plain(one) for one in listed.value] == [*map(plain, others), mark]:
            return
    nodes = [*others, node(mark)]
    put(inner, "extensions", yaml.SequenceNode("tag:yaml.org,2002:seq", nodes, flow_style=False))


def _is_owned(item: yaml.Node, section: str, owner: Owner) -> bool:
    mark = _mark_of(item, section)
    return mark.get("server") == owner.server and mark.get("prefix", "") == owner.prefix


def _mark_of(item: yaml.Node, section: str) -> dict[str, str]:
    return _mark(item, section.removesuffix("s")) or {}


def _mark(item: yaml.Node, kind: str) -> dict[str, str] | None:
    """Return the extension of an entry; None if it is not Sekisho's."""
    listed = get(get(item, kind), "extensions")
    for one in listed.value if isinstance(listed, yaml.SequenceNode) else ():
        found = plain(get(one, "extension"))
        if plain(get(one, "name")) == EXTENSION and isinstance(found, dict):
            return {key: value for key, value in found.items() if isinstance(value, str)}
    return None
