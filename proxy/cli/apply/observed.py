"""What exists at the server, as documents have it. Pure.

:class:`Observed` holds items of the API. :func:`existing` converts them to :class:`Existing`, with
the fields and the canonical forms of documents, so that a plan compares equal things.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from proxy.cli.apply.kinds import (
    BINDING,
    CLUSTER,
    MANAGEMENT,
    MEMBER,
    PROJECT,
    ROLE,
    USER,
    Kind,
    class_of_api,
    limits_of_api,
    order_limits_of_api,
    rule_of_api,
)

Item = Mapping[str, Any]

MOST_DISPLAYED = 64
"""Characters of a display name that the API accepts."""

Key = tuple[str, ...]
"""What identifies an object: ids of what it belongs to, and its own name or id."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Items of the API. ``users`` None: the caller may not list them.

    ``members`` are those of the clusters and projects that matter to the run. ``namespaces`` are
    those of all projects that the caller may see. ``managements`` are the settings of the
    management clusters that matter. ``unreadable`` is why the caller may not read the members of a
    place, or (``unreadable_managements``) the settings of a management cluster, by its id.
    """

    me: Item
    users: Sequence[Item] | None = None
    roles: Sequence[Item] = ()
    clusters: Sequence[Item] = ()
    projects: Sequence[Item] = ()
    namespaces: Sequence[Item] = ()
    bindings: Sequence[Item] = ()
    members: Sequence[Item] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    managements: Sequence[Item] = ()
    unreadable_managements: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Existing:
    """An object that exists. ``content`` has every compared field that the caller may see.

    ``refusal`` is why no document can change it. ``subject`` is the user or group whose grant or
    account this is.
    """

    kind: Kind
    key: Key
    shown: str
    id: str
    labels: Mapping[str, str]
    content: Mapping[str, Any]
    item: Item = field(repr=False, compare=False)
    refusal: str = ""
    subject: str = ""


def existing(observed: Observed) -> Iterator[Existing]:
    """Yield every object of every kind that was read."""
    for item in observed.users or ():
        yield user_of(item)
    for item in observed.clusters:
        yield cluster_of(item)
    names = {str(one["id"]): str(one["name"]) for one in observed.roles}
    for item in observed.roles:
        yield role_of(item, names)
    places = {str(one["id"]): str(one["name"]) for one in observed.clusters}
    for item in observed.managements:
        yield management_of(item, places[str(item["id"])], names)
    yield from _projects(observed)
    yield from _grants(observed)


def user_of(item: Item) -> Existing:
    """Return a user."""
    return Existing(
        USER,
        (str(item["id"]),),
        f"user/{item['username']}",
        str(item["id"]),
        labels_of(item),
        {**_display_name(item), "enabled": item["enabled"]},
        item,
        subject=str(item["id"]),
    )


def _display_name(item: Item) -> dict[str, str]:
    """Return a user's display name, unless a provider sent one that documents can't have."""
    name = str(item["display_name"])
    fits = name.isprintable() and 0 < len(name) <= MOST_DISPLAYED and name == name.strip()
    return {"displayName": name} if fits else {}


def cluster_of(item: Item) -> Existing:
    """Return a cluster. Its settings are missing if the caller may not change it."""
    seen = {"usernameMapping": "username_mapping", "impersonator": "impersonator"}
    return Existing(
        CLUSTER,
        (str(item["id"]),),
        f"cluster/{item['name']}",
        str(item["id"]),
        labels_of(item),
        {key: item[name] for key, name in seen.items() if item.get(name) is not None},
        item,
    )


def role_of(item: Item, names: Mapping[str, str]) -> Existing:
    """Return a role. ``names`` are those of all roles, by id."""
    return Existing(
        ROLE,
        (str(item["scope"]), str(item["name"])),
        f"role/{item['scope']}/{item['name']}",
        str(item["id"]),
        labels_of(item),
        {
            "description": item["description"],
            "permissions": sorted(set(item["permissions"])),
            "rules": [rule_of_api(one) for one in item["rules"]],
            "clusterRoles": sorted(set(item["cluster_roles"])),
            "inherits": sorted({names.get(one, one) for one in item["inherits"]}),
        },
        item,
        refusal="built-in roles cannot be changed: create a role that inherits it"
        if item["built_in"]
        else "",
    )


def management_of(item: Item, cluster: str, names: Mapping[str, str]) -> Existing:
    """Return the settings of the management cluster with that name.

    ``names`` are those of all roles, by id.
    """
    classes = [class_of_api(one, names) for one in item["classes"]]
    return Existing(
        MANAGEMENT,
        (str(item["id"]),),
        f"managementcluster/{cluster}",
        str(item["id"]),
        {},
        {
            "namespace": item["namespace"],
            "classes": sorted(classes, key=lambda one: str(one["name"])),
            "limits": order_limits_of_api(item["limits"]),
        },
        {**item, "name": cluster},
    )


def project_of(item: Item, cluster: str, namespaces: Sequence[Item]) -> Existing:
    """Return a project of the cluster with that name, and its namespaces."""
    return Existing(
        PROJECT,
        (str(item["cluster"]), str(item["name"])),
        f"project/{cluster}/{item['name']}",
        str(item["id"]),
        labels_of(item),
        {
            "description": item["description"],
            "quota": dict(sorted(item["quota"].items())),
            "namespaceQuota": dict(sorted(item["namespace_quota"].items())),
            "containerLimits": limits_of_api(item["container_limits"]),
            "isolated": item["isolated"],
            "namespaces": sorted(
                (
                    {"name": str(one["name"]), "quota": dict(sorted(one["quota"].items()))}
                    for one in namespaces
                ),
                key=lambda one: str(one["name"]),
            ),
        },
        item,
    )


def grant_of(item: Item, place: str, place_id: str) -> Existing:
    """Return a binding (``place`` empty) or a member of a cluster or project."""
    subject = str(item["user"] or item["group"])
    kind = MEMBER if place else BINDING
    where = f"{place}/" if place else ""
    who = item["group"] or item.get("username") or item["name"]
    return Existing(
        kind,
        (place_id, str(item["role"]), subject),
        f"{kind.name.lower()}/{where}{who}/{item['role']}",
        str(item["id"]),
        labels_of(item),
        {},
        item,
        subject=subject,
    )


def labels_of(item: Item) -> Mapping[str, str]:
    """Return an item's labels, sorted by key."""
    return dict(sorted((item.get("labels") or {}).items()))


def own_subjects(observed: Observed) -> frozenset[str]:
    """Return the ids by which the caller holds roles: the user's, and those of the groups."""
    groups = (str(one["id"]) for one in observed.me.get("groups") or ())
    return frozenset({str(observed.me["id"]), *groups})


def _projects(observed: Observed) -> Iterator[Existing]:
    clusters = {str(one["id"]): str(one["name"]) for one in observed.clusters}
    inside: dict[str, list[Item]] = {}
    for item in observed.namespaces:
        inside.setdefault(str(item["project"]), []).append(item)
    for item in observed.projects:
        cluster = clusters.get(str(item["cluster"]), str(item["cluster"]))
        yield project_of(item, cluster, inside.get(str(item["id"]), []))


def _grants(observed: Observed) -> Iterator[Existing]:
    for item in observed.bindings:
        yield grant_of(item, "", "")
    places = dict(_places(observed.clusters, observed.projects))
    for item in observed.members:
        place = str(item["project"] or item["cluster"])
        yield grant_of(item, places.get(place, place), place)


def _places(clusters: Iterable[Item], projects: Iterable[Item]) -> Iterator[tuple[str, str]]:
    names = {str(one["id"]): str(one["name"]) for one in clusters}
    yield from names.items()
    for one in projects:
        cluster = names.get(str(one["cluster"]), str(one["cluster"]))
        yield str(one["id"]), f"{cluster}/{one['name']}"
