"""Who can reach what in a cluster: subjects, their roles, and the places of these. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from management.access.chains import Step, StepKind
from management.access.rbac_objects import ClusterRbac, RbacBinding, RbacSubject
from management.authorization.permissions import ALL_CLUSTERS
from management.desired_state.snapshot import Snapshot
from store.access_records import Binding

SYSTEM = "system:"
"""Prefix of the names of Kubernetes' own roles, bindings and subjects."""


@dataclass(frozen=True, slots=True)
class Reach:
    """A subject holds a role in a place. ``namespaces`` are those of a project."""

    subject: Step
    role: Step
    place: Step
    namespaces: tuple[str, ...] = ()
    source: str = "cluster"

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return the steps for a picture."""
        return self.subject, self.role, self.place


def reach_of(snapshot: Snapshot, overall: Sequence[Binding], rbac: ClusterRbac) -> list[Reach]:
    """Return what each subject holds, by roles of Sekisho and by the cluster's own bindings.

    Kubernetes' own subjects and roles (``system:…``) are left out: each cluster has the same.
    """
    return [*_by_sekisho(snapshot, overall), *_by_cluster(snapshot, rbac)]


def _by_sekisho(snapshot: Snapshot, overall: Sequence[Binding]) -> Iterator[Reach]:
    for one in (*overall, *snapshot.bindings):
        role = snapshot.book.get(one.role_id)
        if role is None:
            continue
        whole = one.project_id is None
        if one.cluster_id is None and (
            ALL_CLUSTERS not in snapshot.book.content(role.id).permissions
        ):
            continue
        user = snapshot.users.get(one.user_id or "")
        name = user.username if user is not None else one.name
        kind: StepKind = "person" if one.user_id is not None else "group"
        project = snapshot.projects.get(one.project_id or "")
        place = _cluster(snapshot)
        if not whole:
            title = project.name if project is not None else one.target
            place = Step("sekisho_binding", one.target, f'project "{title}"', one.target)
        inside = () if whole else _namespaces(snapshot, one.target)
        held = Step("sekisho_role", role.id, role.name, role.scope)
        yield Reach(Step(kind, one.subject, name or one.subject), held, place, inside, "sekisho")


def _by_cluster(snapshot: Snapshot, rbac: ClusterRbac) -> Iterator[Reach]:
    for binding in rbac.bindings:
        if binding.managed or binding.role[1].startswith(SYSTEM):
            continue
        place = _cluster(snapshot)
        if binding.namespace:
            place = Step("role_binding", binding.namespace, f'namespace "{binding.namespace}"', "")
        for subject in binding.subjects:
            if not subject.name.startswith(SYSTEM):
                yield Reach(_subject(snapshot, subject), _role(binding), place)


def _role(binding: RbacBinding) -> Step:
    namespace, name = binding.role
    return Step("role" if namespace else "cluster_role", name, name, namespace)


def _subject(snapshot: Snapshot, subject: RbacSubject) -> Step:
    if subject.kind == "ServiceAccount":
        name = f"{subject.namespace}/{subject.name}"
        return Step("service_account", name, subject.name, subject.namespace)
    if subject.kind == "Group":
        return Step("group", subject.name, subject.name)
    user = snapshot.users.get(subject.name)
    if user is not None:
        return Step("person", user.id, user.username)
    return Step("user", subject.name, subject.name)


def _cluster(snapshot: Snapshot) -> Step:
    return Step("cluster_role_binding", snapshot.cluster.id, "the whole cluster", "")


def _namespaces(snapshot: Snapshot, project_id: str) -> tuple[str, ...]:
    return tuple(one.namespace for one in snapshot.namespaces if one.project_id == project_id)
