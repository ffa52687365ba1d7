"""Write what exists as documents, in a canonical order. Pure.

The same state is always the same text, so that a repository shows only real differences. A plan of
exported documents is empty.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from config.labels import Selector
from proxy.cli.apply.fields import KEEP
from proxy.cli.apply.kinds import API_VERSION, CLUSTER, KINDS, ORDER, PROJECT, ROLE, USER
from proxy.cli.apply.observed import Existing, Observed, existing
from proxy.cli.apply.references import Names
from proxy.cli.apply.yaml_text import yaml_text


def exported(
    observed: Observed, kinds: Collection[str] = frozenset(KINDS), selector: Selector | None = None
) -> list[dict[str, Any]]:
    """Return documents of everything that documents can manage.

    Built-in roles, and clusters whose settings the caller may not see, are left out.
    """
    writer = _Writer(observed)
    found = [
        one
        for one in existing(observed)
        if one.kind.name in kinds
        and not one.refusal
        and (one.kind is not CLUSTER or one.content)
        and (selector is None or selector.matches(one.labels))
    ]
    found.sort(key=lambda one: (ORDER[one.kind.name], one.shown, one.id))
    return [writer.document(one) for one in found]


def export_text(documents: list[dict[str, Any]]) -> str:
    """Return documents as YAML; empty if there are none."""
    return yaml_text(documents) if documents else ""


class _Writer:
    def __init__(self, observed: Observed) -> None:
        users = observed.users
        self._users = {str(one["id"]): one for one in users or ()}
        self._names = Names.of(users or ())
        self._clusters = {str(one["id"]): str(one["name"]) for one in observed.clusters}
        self._projects = {str(one["id"]): str(one["name"]) for one in observed.projects}

    def document(self, one: Existing) -> dict[str, Any]:
        """Return an object as a document."""
        metadata: dict[str, Any] = {}
        reference = self._names.reference(one.item) if one.kind is USER else {}
        if one.kind.named:
            metadata["name"] = reference.get("user", str(one.item.get("name")))
        if one.labels:
            metadata["labels"] = dict(one.labels)
        spec = {**dict(self._identity(one, reference)), **dict(_content(one))}
        head = {"apiVersion": API_VERSION, "kind": one.kind.name}
        rest = {"metadata": metadata, "spec": spec}
        return head | {key: value for key, value in rest.items() if value}

    def _identity(self, one: Existing, reference: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
        item = one.item
        if one.kind is USER and "provider" in reference:
            yield "provider", reference["provider"]
        elif one.kind is ROLE:
            yield "scope", item["scope"]
        elif one.kind is PROJECT:
            yield "cluster", self._cluster(item)
        elif "role" in one.kind.fields:
            if item.get("cluster"):
                yield "cluster", self._cluster(item)
            if item.get("project"):
                yield "project", self._projects.get(str(item["project"]), item["project"])
            yield "role", item["role"]
            yield from self._subject(item)

    def _cluster(self, item: Mapping[str, Any]) -> str:
        return self._clusters.get(str(item["cluster"]), str(item["cluster"]))

    def _subject(self, item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if item["group"]:
            yield "group", str(item["group"])
            if item["name"] and item["name"] != item["group"]:
                yield "groupName", str(item["name"])
            return
        user = self._users.get(str(item["user"]))
        yield from (self._names.reference(user) if user else {"user": str(item["user"])}).items()


def _content(one: Existing) -> Iterator[tuple[str, Any]]:
    """Yield the fields that differ from their defaults."""
    for key, field in one.kind.compared().items():
        if key not in one.content:
            continue
        value = one.content[key]
        if field.default is not KEEP and value == field.default:
            continue
        yield key, _without_empty(value)


def _without_empty(value: Any) -> Any:
    """Return a value without the empty collections in it."""
    if isinstance(value, dict):
        return {key: _without_empty(one) for key, one in value.items() if one not in ({}, [])}
    if isinstance(value, list):
        return [_without_empty(one) for one in value]
    return value
