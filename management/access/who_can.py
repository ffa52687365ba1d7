"""Answer "who can?" from the cluster's RBAC and Sekisho's store."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from config.loggers import get_logger
from management.access.answer import Holder, Holders, Names, View
from management.access.evaluation import Grant, grants, ways_to_more
from management.access.offload import off_loop
from management.access.origins import Origins
from management.access.people import MAX_MEMBERS, People, people_of
from management.access.question import AccessQuestion
from management.access.rbac_objects import ClusterRbac, RbacSubject
from management.access.rbac_reader import RbacReader
from management.access.wanted_rbac import wanted_rbac
from management.desired_state.snapshot import Snapshot, take_snapshot
from management.errors import InvalidRequest
from management.kubernetes.errors import ClusterApiError
from store.access_records import Binding
from store.interfaces import Store
from store.records import Cluster

MAX_NAMES = 10_000
"""Subjects of the cluster that are looked up among Sekisho's users, and as many groups."""

UNREADABLE = (
    "The cluster's own roles and bindings could not be read, so the answer has only what "
    "Sekisho's roles grant: {reason}."
)
INCOMPLETE_MEMBERS = f"Groups have more than {MAX_MEMBERS:,} members in all: some are missing."

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WhoCan:
    """The answer to a question. ``left_out`` counts holders over the limit.

    ``ways`` are the holders of permissions that lead to what the question is about, with the names
    of these. ``hidden`` counts subjects that the caller may not see. ``gaps`` are sentences about
    what the answer lacks.
    """

    question: AccessQuestion
    holders: Sequence[Holder]
    ways: Sequence[tuple[Holder, Sequence[str]]] = ()
    hidden: int = 0
    left_out: int = 0
    gaps: Sequence[str] = ()
    rbac: ClusterRbac = field(default_factory=ClusterRbac)


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """Everything that an answer about a cluster is computed from."""

    snapshot: Snapshot
    overall: Sequence[Binding]
    rbac: ClusterRbac


async def cluster_facts(store: Store, reader: RbacReader, cluster: Cluster) -> ClusterFacts:
    """Read what is known about a cluster.

    If the cluster cannot be read, the facts have the objects that Sekisho wants in it.

    Raises:
        StoreError: the store is not available.
    """
    snapshot = await take_snapshot(store, cluster)
    overall = await store.bindings.overall()
    try:
        rbac = await reader.read(cluster)
    except (ClusterApiError, InvalidRequest) as exc:
        _LOG.info("cluster RBAC not read", cluster=cluster.name, error=str(exc))
        # The error contains the cluster's address, which not every caller may see.
        unusable = cluster.controller_token is None or isinstance(exc, InvalidRequest)
        reason = "Sekisho has no account there" if unusable else "the cluster does not respond"
        rbac = replace(wanted_rbac(snapshot), gaps=(UNREADABLE.format(reason=reason),))
    return ClusterFacts(snapshot, overall, rbac)


async def people_behind(
    store: Store, facts: ClusterFacts, origins: Origins, subjects: Collection[RbacSubject]
) -> People:
    """Return the people behind the subjects, and whether each may enter the cluster.

    Raises:
        StoreError: the store is not available.
    """
    entering = [*facts.snapshot.bindings, *origins.administrators]
    groups = {one.group_id for one in entering if one.group_id is not None}
    groups |= set(_looked_up(subjects, "Group", "://"))
    found = await store.users.members(sorted(groups), limit=MAX_MEMBERS + 1)
    ids = {user_id for _, _, user_id in found[:MAX_MEMBERS]}
    ids |= {one.user_id for one in entering if one.user_id is not None}
    cluster = facts.snapshot.cluster
    mark = {"id": "u-", "principal": "://", "username": ":"}[cluster.username_mapping]
    names = _looked_up(subjects, "User", mark)
    named = await store.users.named_in_cluster(cluster.username_mapping, names)
    missing = ids - {one.id for one in named}
    return people_of(
        cluster,
        [*named, *await store.users.get_many(sorted(missing))],
        found[:MAX_MEMBERS],
        entering,
        complete=len(found) <= MAX_MEMBERS,
    )


def _looked_up(subjects: Collection[RbacSubject], kind: str, mark: str) -> list[str]:
    """Return the names of subjects that can be users or groups of Sekisho: they have a mark."""
    return sorted(one.name for one in subjects if one.kind == kind and mark in one.name)[:MAX_NAMES]


async def who_can(
    store: Store, facts: ClusterFacts, question: AccessQuestion, view: View
) -> WhoCan:
    """Return who may do what the question is about, as far as ``view`` shows it.

    Raises:
        StoreError: the store is not available.
    """
    direct, ways = await off_loop(facts.rbac.size, _evaluate, facts.rbac, question)
    subjects = {one.subject for one in direct} | {one.subject for _, one in ways}
    origins = Origins(facts.snapshot, facts.overall)
    people = await people_behind(store, facts, origins, subjects)
    made = _Assembly(facts, origins, people, view)
    return await off_loop(len(direct) + len(ways), made.answer, question, direct, ways)


@dataclass(frozen=True, slots=True)
class _Assembly:
    """Puts an answer together from grants. Pure."""

    facts: ClusterFacts
    origins: Origins
    people: People
    view: View

    def answer(
        self,
        question: AccessQuestion,
        direct: Sequence[Grant],
        ways: Sequence[tuple[str, Grant]],
    ) -> WhoCan:
        """Return the answer to a question."""
        holders = self._holders(direct)
        found = holders.in_order()
        gaps = [*self.facts.rbac.gaps, *([] if self.people.complete else [INCOMPLETE_MEMBERS])]
        return WhoCan(
            question,
            found,
            self._indirect(ways, found),
            holders.hidden,
            holders.left_out,
            gaps,
            self.facts.rbac,
        )

    def _holders(self, grants_: Iterable[Grant]) -> Holders:
        snapshot = self.facts.snapshot
        names = Names(snapshot.cluster, snapshot.book, snapshot.projects)
        holders = Holders(names, self.origins, self.people, self.view)
        holders.add(grants_)
        return holders

    def _indirect(
        self, ways: Sequence[tuple[str, Grant]], direct: Sequence[Holder]
    ) -> list[tuple[Holder, Sequence[str]]]:
        """Return the holders of ways that may not do it directly, with the ways' names."""
        known = {(one.step.kind, one.step.id) for one in direct}
        found: dict[tuple[str, str], tuple[Holder, list[str]]] = {}
        for way in dict.fromkeys(name for name, _ in ways):
            for holder in self._holders(one for name, one in ways if name == way).in_order():
                key = holder.step.kind, holder.step.id
                if key not in known:
                    found.setdefault(key, (holder, []))[1].append(way)
        return list(found.values())


def _evaluate(
    rbac: ClusterRbac, question: AccessQuestion
) -> tuple[list[Grant], list[tuple[str, Grant]]]:
    ways = [
        (name, grant)
        for name, asked in ways_to_more(question)
        for grant in grants(asked, rbac)
        if grant.binding is not None
    ]
    return list(grants(question, rbac)), ways
