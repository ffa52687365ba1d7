"""The differences between the desired and the observed objects of a cluster. Pure."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from management.kubernetes.manifests import (
    CLUSTER_LABEL,
    Manifest,
    is_managed,
    title,
)
from management.kubernetes.quantity import parse_quantity

Key = tuple[str, str, str]
"""Kind, namespace (empty for cluster-wide objects) and name."""

_COMPARED_WHOLE = frozenset({"ClusterRole", "ClusterRoleBinding", "RoleBinding"})
"""Kinds to which the API server adds no defaults: an additional field is a difference as well."""


class ObjectAction(enum.StrEnum):
    """What to do with an object."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    RECREATE = "recreate"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """An action on one object.

    ``manifest`` is the desired object; of a deletion, the observed one. ``current`` is the observed
    object; None if it does not exist.
    """

    action: ObjectAction
    manifest: Manifest
    current: Manifest | None = None

    @property
    def title(self) -> str:
        """Return the title of the object."""
        return title(self.manifest)


def key_of(manifest: Manifest) -> Key:
    """Return the key that identifies an object in a cluster."""
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def with_cluster_label(desired: Iterable[Manifest], cluster_id: str) -> list[Manifest]:
    """Return desired objects with the label that lets the reconciler delete them later."""
    labelled = []
    for one in desired:
        labels = {**one["metadata"]["labels"], CLUSTER_LABEL: cluster_id}
        labelled.append({**one, "metadata": {**one["metadata"], "labels": labels}})
    return labelled


def diff(
    desired: Iterable[Manifest], observed: Mapping[Key, Manifest], cluster_id: str
) -> list[ObjectChange]:
    """Return the changes that make a cluster match the desired objects.

    Roles come first, then bindings, then all other objects, and deletions last, so that a subject
    never loses a permission that it has both before and after. Objects that Sekisho does not manage
    are not touched. Objects that were created for another record of the cluster are not deleted.
    """
    changes = []
    keys = set()
    for one in sorted(desired, key=_order):
        keys.add(key_of(one))
        current = observed.get(key_of(one))
        if current is None:
            changes.append(ObjectChange(ObjectAction.CREATE, one))
        elif current.get("roleRef") != one.get("roleRef"):
            changes.append(ObjectChange(ObjectAction.RECREATE, one, current))
        elif not is_up_to_date(one, current):
            changes.append(ObjectChange(ObjectAction.UPDATE, one, current))
    obsolete = [
        one for key, one in observed.items() if key not in keys and _is_deletable(one, cluster_id)
    ]
    # Bindings are deleted before the roles that they refer to.
    obsolete.sort(key=_order, reverse=True)
    return changes + [ObjectChange(ObjectAction.DELETE, one, one) for one in obsolete]


def _is_deletable(manifest: Manifest, cluster_id: str) -> bool:
    metadata = manifest["metadata"]
    labels = metadata.get("labels") or {}
    made_for_cluster = labels.get(CLUSTER_LABEL) == cluster_id
    return (
        is_managed(manifest)
        and (made_for_cluster or metadata["name"].startswith(_LEGACY_PREFIX))
        and not metadata.get("deletionTimestamp")
    )


_LEGACY_PREFIX = "sekisho-grant-"
"""Prefix of binding names in versions without roles."""


def is_up_to_date(desired: Manifest, current: Manifest) -> bool:
    """Return whether an object in the cluster has the desired content."""
    labels = current["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in desired["metadata"]["labels"].items()):
        return False
    expected = {key: value for key, value in desired.items() if key not in _ENVELOPE}
    actual = {key: value for key, value in current.items() if key not in _ENVELOPE}
    if desired["kind"] in _COMPARED_WHOLE:
        return _without_empty(expected) == _without_empty(actual)
    return _includes(actual, expected)


_ENVELOPE = frozenset({"apiVersion", "kind", "metadata", "status"})


def _without_empty(content: Manifest) -> Manifest:
    return {key: value for key, value in content.items() if value}


def _includes(actual: object, expected: object) -> bool:
    """Return whether ``actual`` includes ``expected``; the API server may have added defaults."""
    if isinstance(expected, dict):
        return (
            isinstance(actual, dict)
            and all(_includes(actual.get(key), value) for key, value in expected.items())
            and not _has_other_limits(actual, expected)
        )
    if isinstance(expected, list):
        return (
            isinstance(actual, list)
            and len(actual) == len(expected)
            and all(map(_includes, actual, expected))
        )
    return actual == expected or _is_same_quantity(actual, expected)


_WHOLE_MAPS = ("hard", "default", "defaultRequest", "matchLabels")


def _has_other_limits(actual: dict[str, object], expected: dict[str, object]) -> bool:
    """Return whether another client added a limit to one of Sekisho's objects."""
    for name in _WHOLE_MAPS:
        one, other = expected.get(name), actual.get(name)
        if isinstance(one, dict) and isinstance(other, dict) and other.keys() != one.keys():
            return True
    return False


def _is_same_quantity(one: object, other: object) -> bool:
    try:
        return parse_quantity(str(one)) == parse_quantity(str(other))
    except ValueError:
        return False


_RANKS = {"ClusterRole": 0, "ClusterRoleBinding": 1, "RoleBinding": 1}


def _order(manifest: Manifest) -> tuple[int, Key]:
    return _RANKS.get(manifest["kind"], 2), key_of(manifest)
