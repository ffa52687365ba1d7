"""Everything that a user may do, and by what: in Sekisho, in clusters and in projects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from impersonation.identity import ADMINISTRATORS_GROUP, AUTHENTICATED_GROUPS
from management.access.answer import Holders, Names, View, person
from management.access.chains import Chain, Step
from management.access.evaluation import roles_of, rules_in_effect
from management.access.origins import Origins
from management.access.people import people_of
from management.access.rbac_objects import RbacSubject, subject_of_user
from management.access.who_can import ClusterFacts
from management.authorization.access import Access, access_of
from management.authorization.permissions import ALL_CLUSTERS
from management.authorization.role_catalog import RoleCatalog, RoleGrants
from management.desired_state.snapshot import subject_names
from store.access_records import Binding, PolicyRule, Project
from store.interfaces import Store
from store.records import Cluster, Holdings, Membership, User

MAX_PLACES = 1000
"""Clusters, or projects of one, in one answer."""

MAX_RULES = 200
"""Rules of one role that an answer lists."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a user holds in one place. ``via`` are the steps to each role that is held there.

    ``namespaces`` are those of a project.
    """

    id: str
    name: str
    held: RoleGrants
    via: Sequence[tuple[Step, ...]] = ()
    namespaces: Sequence[str] = ()
    projects: Sequence["Place"] = ()


@dataclass(frozen=True, slots=True)
class UserAccess:
    """What a user may do. ``hidden`` counts places that the caller may not see."""

    user: User
    groups: Sequence[Membership]
    access: Access
    overall: Place
    clusters: Sequence[Place]
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class GroupAccess:
    """What a group gives to its members. ``hidden`` counts places that the caller may not see."""

    overall: Place
    clusters: Sequence[Place]
    hidden: int


@dataclass(frozen=True, slots=True)
class HeldRole:
    """A role that a user holds in a cluster's RBAC, with its rules."""

    chain: Chain
    rules: Sequence[PolicyRule]
    more: int


@dataclass(frozen=True, slots=True)
class Visible:
    """Which places of another user a caller may see."""

    overall: bool = True
    cluster: Callable[[str], bool] = lambda _: True
    project: Callable[[Project], bool] = lambda _: True


@dataclass(frozen=True, slots=True)
class _Places:
    """Everything that names places, read once."""

    catalog: RoleCatalog
    clusters: Sequence[Cluster]
    projects: Mapping[str, Project]
    namespaces: Mapping[str, Sequence[str]] = field(default_factory=dict)


async def user_access(store: Store, user: User, visible: Visible) -> UserAccess:
    """Return what a user holds by name and through groups, as far as it is visible.

    Raises:
        StoreError: the store is not available.
    """
    groups = await store.users.memberships(user.id)
    held = await store.tokens.holdings(user.id, [one.id for one in groups])
    names = {one.id: one.name for one in groups}
    found = await _held(store, held, (person(user),), names, visible)
    access, overall, clusters, hidden = found
    return UserAccess(user, groups, access, overall, clusters, hidden)


async def group_access(store: Store, group_id: str, name: str, visible: Visible) -> GroupAccess:
    """Return what a group gives to each of its members, as far as it is visible.

    Raises:
        StoreError: the store is not available.
    """
    held = await store.tokens.holdings("", [group_id])
    _, overall, clusters, hidden = await _held(store, held, (), {group_id: name}, visible)
    return GroupAccess(overall, clusters, hidden)


async def _held(
    store: Store,
    held: Holdings,
    first: tuple[Step, ...],
    groups: Mapping[str, str],
    visible: Visible,
) -> tuple[Access, Place, Sequence[Place], int]:
    """Return what bindings give: overall, in clusters, and how many places are not visible."""
    catalog = RoleCatalog(held.roles)
    access = access_of(held.bindings, catalog)
    places = await _read_places(store, catalog, access)
    via = _Via(first, groups, places)
    overall = [one for one in held.bindings if one.cluster_id is None]
    clusters, hidden = _clusters(access, held.bindings, places, via, visible)
    here = Place("", "Sekisho", RoleGrants(access.global_permissions), via.of(overall))
    if not visible.overall:
        hidden += bool(overall)
        here = Place("", "Sekisho", RoleGrants())
    return access, here, clusters, hidden


def roles_in_cluster(found: UserAccess, facts: ClusterFacts) -> list[HeldRole]:
    """Return the roles that the user holds in the cluster's RBAC, also those of everyone."""
    cluster, user = facts.snapshot.cluster, found.user
    names = Names(cluster, facts.snapshot.book, facts.snapshot.projects)
    groups = {one.id: one.name for one in found.groups}
    origins = Origins(facts.snapshot, facts.overall)
    entering = [*facts.snapshot.bindings, *origins.administrators]
    people = people_of(cluster, [user], [(key, groups[key], user.id) for key in groups], entering)
    holders = Holders(names, origins, people, View(user.id, everything=True))
    subjects = {subject_of_user(name) for name in subject_names(cluster, user)}
    administers = {ADMINISTRATORS_GROUP} if found.access.owns_clusters else set()
    for group in {*groups, *AUTHENTICATED_GROUPS, *administers}:
        subjects.add(RbacSubject("Group", group))
    held = []
    for grant in roles_of(subjects, facts.rbac):
        rules = rules_in_effect(grant)
        more = max(0, len(rules) - MAX_RULES)
        for step, chain in holders.chains(grant):
            if step.kind == "everyone" or (step.kind, step.id) == ("person", user.id):
                held.append(HeldRole(chain, rules[:MAX_RULES], more))
    return held


class _Via:
    """Names the steps from a user or group to a role. ``groups`` are names by id."""

    def __init__(self, first: tuple[Step, ...], groups: Mapping[str, str], places: _Places) -> None:
        self._first = first
        self._groups = groups
        self._places = places
        self._clusters = {one.id: one for one in places.clusters}

    def of(self, bindings: Sequence[Binding]) -> list[tuple[Step, ...]]:
        """Return the steps to the role of each binding."""
        return [self._steps(one) for one in bindings if self._places.catalog.get(one.role_id)]

    def _steps(self, binding: Binding) -> tuple[Step, ...]:
        steps = [*self._first]
        if binding.group_id is not None:
            name = self._groups.get(binding.group_id, binding.name)
            steps.append(Step("group", binding.group_id, name or binding.group_id))
        project = self._places.projects.get(binding.project_id or "")
        cluster = self._clusters.get(binding.cluster_id or "")
        place = (
            f'project "{project.name}"'
            if project
            else f'cluster "{cluster.name}"'
            if (cluster)
            else "Sekisho"
        )
        steps.append(Step("sekisho_binding", binding.id, place, binding.target))
        role = self._places.catalog.get(binding.role_id)
        assert role is not None
        return (*steps, Step("sekisho_role", role.id, role.name, role.scope))


async def _read_places(store: Store, catalog: RoleCatalog, access: Access) -> _Places:
    clusters = [one for one in await store.clusters.list_all() if access.can_enter(one.id)]
    projects = {
        one.id: one for one in await store.projects.list_all() if one.id in access.in_projects
    }
    inside: dict[str, list[str]] = {}
    for one in await store.projects.namespaces(project_ids=sorted(projects)):
        inside.setdefault(one.project_id or "", []).append(one.namespace)
    return _Places(catalog, clusters, projects, inside)


def _clusters(
    access: Access, held: Sequence[Binding], places: _Places, via: _Via, visible: Visible
) -> tuple[list[Place], int]:
    """Return the places in clusters that are visible, and how many are not."""
    found, hidden = [], 0
    for cluster in places.clusters:
        projects = [one for one in places.projects.values() if one.cluster_id == cluster.id]
        seen = [one for one in projects if visible.project(one)]
        hidden += len(projects) - len(seen)
        whole = [
            one
            for one in held
            if one.project_id is None
            and (one.cluster_id == cluster.id or _owns_all(one, places.catalog))
        ]
        if whole and not visible.cluster(cluster.id):
            hidden += 1
            whole = []
        if not (whole or seen):
            continue
        inside = [
            Place(
                one.id,
                one.name,
                access.in_projects[one.id],
                via.of([binding for binding in held if binding.project_id == one.id]),
                places.namespaces.get(one.id, ()),
            )
            for one in seen
        ]
        grants = access.in_cluster(cluster.id) if whole else RoleGrants()
        found.append(Place(cluster.id, cluster.name, grants, via.of(whole), projects=inside))
    return found, hidden


def _owns_all(binding: Binding, catalog: RoleCatalog) -> bool:
    return binding.cluster_id is None and (
        ALL_CLUSTERS in catalog.content(binding.role_id).permissions
    )
