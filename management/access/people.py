"""The users of Sekisho behind the subjects of a cluster. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from impersonation.identity import AUTHENTICATED_GROUPS
from management.desired_state.snapshot import subject_names
from store.access_records import Binding
from store.records import Cluster, User

MAX_MEMBERS = 10_000
"""Memberships of groups that one answer considers."""

EVERYONE = frozenset(AUTHENTICATED_GROUPS)
"""Groups of every authenticated user."""


@dataclass(frozen=True, slots=True)
class People:
    """Users and groups in the terms of one cluster.

    ``users`` are by id. ``names`` has user ids by the user name in the cluster, ``members`` by
    group. ``entering`` are the ids of users who may enter the cluster, ``group_names`` the display
    names of groups. ``complete`` is false if there were too many members.
    """

    users: Mapping[str, User] = field(default_factory=dict)
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    members: Mapping[str, Sequence[str]] = field(default_factory=dict)
    entering: frozenset[str] = frozenset()
    group_names: Mapping[str, str] = field(default_factory=dict)
    complete: bool = True

    def blocked(self, user: User) -> str:
        """Return why a user can use no permission in the cluster; empty if nothing prevents it."""
        if not user.enabled:
            return "disabled"
        if user.principals and all(one.disabled_reason for one in user.principals):
            return "the provider rejects the account"
        return "" if user.id in self.entering else "has no access to the cluster in Sekisho"


def people_of(
    cluster: Cluster,
    users: Iterable[User],
    memberships: Iterable[tuple[str, str, str]],
    grants: Iterable[Binding],
    *,
    complete: bool = True,
) -> People:
    """Return the people of a cluster.

    ``memberships`` are group ids, group names and user ids. ``grants`` are the bindings that let
    their subjects enter the cluster.
    """
    known = {one.id: one for one in users}
    names: dict[str, list[str]] = defaultdict(list)
    for user in known.values():
        for name in subject_names(cluster, user):
            names[name].append(user.id)
    members: dict[str, list[str]] = defaultdict(list)
    group_names: dict[str, str] = {}
    for group_id, name, user_id in memberships:
        group_names[group_id] = name
        if user_id in known:
            members[group_id].append(user_id)
    entering: set[str] = set()
    for one in grants:
        if one.user_id is not None:
            entering.add(one.user_id)
        elif one.group_id is not None:
            entering.update(members.get(one.group_id, ()))
            group_names.setdefault(one.group_id, one.name)
    return People(known, names, members, frozenset(entering), group_names, complete)
