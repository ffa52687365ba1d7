"""What it takes to make a cluster what it shall be, from what is there. Pure."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from management.downstream.objects import (
    CLUSTER_LABEL,
    Manifest,
    is_ours,
    title,
)
from management.quantities import parse_quantity

Key = tuple[str, str, str]
"""Kind, namespace (empty: none) and name."""

_COMPARED_WHOLE = frozenset({"ClusterRole", "ClusterRoleBinding", "RoleBinding"})
"""Kinds that the API server adds nothing to: what somebody added is as wrong as what is missing."""


class Verb(enum.StrEnum):
    """What is to be done with an object."""

    CREATE = "create"
    REPLACE = "replace"
    DELETE = "delete"
    RECREATE = "recreate"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to do. ``manifest`` is what shall be (of a deletion: what is)."""

    verb: Verb
    manifest: Manifest
    current: Manifest | None = None

    @property
    def title(self) -> str:
        """What people call the object."""
        return title(self.manifest)


def key_of(manifest: Manifest) -> Key:
    """What tells an object from all others."""
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def labelled(wanted: Iterable[Manifest], cluster_id: str) -> list[Manifest]:
    """What a keeper wants, with its mark: that it may delete it again."""
    found = []
    for one in wanted:
        labels = {**one["metadata"]["labels"], CLUSTER_LABEL: cluster_id}
        found.append({**one, "metadata": {**one["metadata"], "labels": labels}})
    return found


def difference(
    wanted: Iterable[Manifest], observed: Mapping[Key, Manifest], cluster_id: str
) -> list[Change]:
    """What is to be done, in this order: roles, bindings, all else; deletions at the end.

    So nobody loses on the way what they hold before and after. Nothing that isn't ours is touched,
    and nothing is deleted that was made for another record of the cluster.
    """
    found = []
    keys = set()
    for one in sorted(wanted, key=_order):
        keys.add(key_of(one))
        current = observed.get(key_of(one))
        if current is None:
            found.append(Change(Verb.CREATE, one))
        elif current.get("roleRef") != one.get("roleRef"):
            found.append(Change(Verb.RECREATE, one, current))
        elif not is_as_wanted(one, current):
            found.append(Change(Verb.REPLACE, one, current))
    gone = [one for key, one in observed.items() if key not in keys and _may_go(one, cluster_id)]
    # Bindings go before the roles that they refer to.
    gone.sort(key=_order, reverse=True)
    return found + [Change(Verb.DELETE, one, one) for one in gone]


def _may_go(manifest: Manifest, cluster_id: str) -> bool:
    metadata = manifest["metadata"]
    labels = metadata.get("labels") or {}
    made_for_it = labels.get(CLUSTER_LABEL) == cluster_id
    return (
        is_ours(manifest)
        and (made_for_it or metadata["name"].startswith(_OF_OLD))
        and not metadata.get("deletionTimestamp")
    )


_OF_OLD = "sekisho-grant-"
"""How bindings were called before there were roles."""


def is_as_wanted(wanted: Manifest, current: Manifest) -> bool:
    """Whether an object says what it shall."""
    labels = current["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in wanted["metadata"]["labels"].items()):
        return False
    mine = {key: value for key, value in wanted.items() if key not in _ENVELOPE}
    theirs = {key: value for key, value in current.items() if key not in _ENVELOPE}
    if wanted["kind"] in _COMPARED_WHOLE:
        return _filled(mine) == _filled(theirs)
    return _includes(theirs, mine)


_ENVELOPE = frozenset({"apiVersion", "kind", "metadata", "status"})


def _filled(content: Manifest) -> Manifest:
    """Without what is there but empty."""
    return {key: value for key, value in content.items() if value}


def _includes(theirs: object, mine: object) -> bool:
    """Whether ``theirs`` says all that ``mine`` does; the API server may have filled in more."""
    if isinstance(mine, dict):
        return (
            isinstance(theirs, dict)
            and all(_includes(theirs.get(key), value) for key, value in mine.items())
            and not _more_limits(theirs, mine)
        )
    if isinstance(mine, list):
        return (
            isinstance(theirs, list)
            and len(theirs) == len(mine)
            and all(map(_includes, theirs, mine))
        )
    return theirs == mine or _same_quantity(theirs, mine)


_WHOLE_MAPS = ("hard", "default", "defaultRequest", "matchLabels")


def _more_limits(theirs: dict[str, object], mine: dict[str, object]) -> bool:
    """Whether somebody added a limit of their own to one of ours."""
    for name in _WHOLE_MAPS:
        one, other = mine.get(name), theirs.get(name)
        if isinstance(one, dict) and isinstance(other, dict) and other.keys() != one.keys():
            return True
    return False


def _same_quantity(one: object, other: object) -> bool:
    try:
        return parse_quantity(str(one)) == parse_quantity(str(other))
    except ValueError:
        return False


_RANKS = {"ClusterRole": 0, "ClusterRoleBinding": 1, "RoleBinding": 1}


def _order(manifest: Manifest) -> tuple[int, Key]:
    return _RANKS.get(manifest["kind"], 2), key_of(manifest)
