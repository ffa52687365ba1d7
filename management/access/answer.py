"""The answer to "who can?": subjects, each with the chains that allow it. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from management.access.chains import Chain, Step, cluster_steps
from management.access.evaluation import Grant
from management.access.origins import ADMINISTRATORS, Origins
from management.access.people import EVERYONE, People
from management.access.rbac_objects import RbacSubject
from management.authorization.role_catalog import RoleCatalog
from store.access_records import Binding, Project
from store.records import Cluster, User

MAX_SUBJECTS = 1000
"""Subjects in one answer."""

MAX_HOLDERS = 10_000
"""Subjects that are collected, and sorted, for one answer. Others are counted only."""

MAX_CHAINS = 8
"""Chains of one subject."""

_ORDER = ("person", "group", "everyone", "service_account", "user")


@dataclass(slots=True)
class Holder:
    """A subject that may do something, and why.

    ``step`` is the first step of its chains. ``members``: for a group, how many users of Sekisho
    are in it. ``blocked``: why the subject can use no permission now. ``more`` counts further
    chains.
    """

    step: Step
    chains: list[Chain] = field(default_factory=list)
    members: int | None = None
    blocked: str = ""
    more: int = 0

    def add(self, chain: Chain) -> None:
        """Add a chain, up to MAX_CHAINS."""
        if chain in self.chains:
            return
        if len(self.chains) < MAX_CHAINS:
            self.chains.append(chain)
        else:
            self.more += 1


@dataclass(frozen=True, slots=True)
class View:
    """What of an answer its caller may see.

    ``everything``; or grants that count in ``namespaces`` only; and always the caller's own.
    """

    user_id: str
    everything: bool = False
    namespaces: frozenset[str] = frozenset()

    def shows(self, grant: Grant) -> bool:
        """Return whether the caller may see a grant to others."""
        return self.everything or (bool(grant.namespace) and grant.namespace in self.namespaces)


@dataclass(frozen=True, slots=True)
class Names:
    """What chains are named after: the cluster, its roles in Sekisho and its projects."""

    cluster: Cluster
    book: RoleCatalog
    projects: Mapping[str, Project]

    def steps(self, binding: Binding) -> Iterator[Step]:
        """Yield the steps of a binding of Sekisho: the binding and its role."""
        project = self.projects.get(binding.project_id or "")
        place = "Sekisho"
        if project is not None:
            place = f'project "{project.name}"'
        elif binding.cluster_id is not None:
            place = f'cluster "{self.cluster.name}"'
        yield Step("sekisho_binding", binding.id, place, binding.target)
        role = self.book.get(binding.role_id)
        name = role.name if role is not None else binding.role_id
        yield Step("sekisho_role", binding.role_id, name, role.scope if role is not None else "")


class Holders:
    """Collects the holders of grants, with people instead of the cluster's names for them."""

    def __init__(self, names: Names, origins: Origins, people: People, view: View) -> None:
        self._names = names
        self._origins = origins
        self._people = people
        self._view = view
        self._found: dict[tuple[str, str], Holder] = {}
        self._hidden: set[RbacSubject] = set()
        self._left_out: set[tuple[str, str]] = set()
        self._expanded: Counter[str] = Counter()

    @property
    def hidden(self) -> int:
        """Return how many subjects were left out because the caller may not see them."""
        return len(self._hidden)

    @property
    def left_out(self) -> int:
        """Return how many subjects were left out because there are too many."""
        return len(self._left_out)

    def add(self, grants: Iterable[Grant]) -> None:
        """Add the holders of grants, as far as the caller may see them."""
        for grant in grants:
            everything, added = self._view.shows(grant), False
            for step, chain in self.chains(grant):
                mine = (step.kind, step.id) == ("person", self._view.user_id)
                if everything or mine or step.kind == "everyone":
                    self._add(step, chain)
                    added = True
            if not added:
                self._hidden.add(grant.subject)

    def in_order(self) -> list[Holder]:
        """Return people first, those who can use it before those who cannot, by name."""
        return sorted(
            self._found.values(),
            key=lambda one: (
                bool(one.blocked),
                _ORDER.index(one.step.kind),
                one.step.name.casefold(),
                one.step.id,
            ),
        )

    def _add(self, step: Step, chain: Chain) -> None:
        key = step.kind, step.id
        holder = self._found.get(key)
        if holder is None and len(self._found) >= MAX_HOLDERS:
            self._left_out.add(key)
            return
        if holder is None:
            holder = self._found[key] = self._holder(step)
        holder.add(chain)

    def _holder(self, step: Step) -> Holder:
        holder = Holder(step)
        if step.kind == "group":
            holder.members = len(self._people.members.get(step.id, ()))
        user = self._people.users.get(step.id) if step.kind == "person" else None
        if user is not None:
            holder.blocked = self._people.blocked(user)
        return holder

    def chains(self, grant: Grant) -> Iterator[tuple[Step, Chain]]:
        """Yield every chain of a grant with its first step, visible or not."""
        origins = self._origins.of(grant)
        if grant.subject == ADMINISTRATORS:
            yield from self._administrators(grant, origins)
            return
        for steps in self._beginnings(grant.subject):
            if not origins:
                yield steps[0], _chain(grant, steps)
            for binding in origins:
                yield steps[0], _chain(grant, (*steps, *self._names.steps(binding)))

    def _beginnings(self, subject: RbacSubject) -> Iterator[tuple[Step, ...]]:
        """Yield the steps before the binding: a person, a person in a group, a foreign subject."""
        people = self._people
        if subject.kind == "ServiceAccount":
            name = f"{subject.namespace}/{subject.name}"
            yield (Step("service_account", name, subject.name, subject.namespace),)
        elif subject.kind == "User":
            known = people.names.get(subject.name, ())
            for user_id in known:
                yield (person(people.users[user_id]),)
            if not known:
                yield (Step("user", subject.name, subject.name),)
        elif subject.name in EVERYONE:
            yield (Step("everyone", subject.name, "every authenticated user"),)
        else:
            group = self._group(subject.name)
            yield (group,)
            for user_id in self._members(group.id):
                yield (person(people.users[user_id]), group)

    def _administrators(
        self, grant: Grant, origins: Sequence[Binding]
    ) -> Iterator[tuple[Step, Chain]]:
        """Yield the chains of Sekisho's administrators, whose group exists in clusters only."""
        group = Step("group", ADMINISTRATORS.name, "administrators of Sekisho")
        for binding in origins:
            middle = (*self._names.steps(binding), group)
            if binding.user_id is not None:
                user = self._people.users.get(binding.user_id)
                if user is not None:
                    yield person(user), _chain(grant, (person(user), *middle))
                continue
            via = self._group(binding.group_id or "")
            yield via, _chain(grant, (via, *middle))
            for user_id in self._members(via.id):
                first = person(self._people.users[user_id])
                yield first, _chain(grant, (first, via, *middle))
        if not origins:
            yield group, _chain(grant, (group,))

    def _members(self, group_id: str) -> Sequence[str]:
        """Return the members of a group, as often as their chains are kept.

        Otherwise thousands of bindings of a group with thousands of members would take minutes.
        """
        self._expanded[group_id] += 1
        if self._expanded[group_id] > MAX_CHAINS:
            return ()
        return self._people.members.get(group_id, ())

    def _group(self, group_id: str) -> Step:
        return Step("group", group_id, self._people.group_names.get(group_id) or group_id)


def person(user: User) -> Step:
    """Return the step of a user."""
    providers = ", ".join(sorted({one.provider for one in user.principals}))
    return Step("person", user.id, user.username, providers)


def _chain(grant: Grant, beginning: Iterable[Step]) -> Chain:
    steps = (*beginning, *cluster_steps(grant))
    by_sekisho = any(one.kind == "sekisho_binding" for one in steps)
    return Chain(steps, "sekisho" if by_sekisho else "cluster", grant.namespace)
