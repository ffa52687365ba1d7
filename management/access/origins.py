"""Find the bindings of Sekisho that led to a binding in a cluster. Pure.

The inverse of :mod:`management.desired_state`: there, bindings become RBAC objects.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from impersonation.identity import ADMINISTRATORS_GROUP
from management.access.evaluation import Grant
from management.access.rbac_objects import RbacSubject, subject_of_user
from management.authorization.permissions import (
    ALL_CLUSTERS,
    ALL_PROJECTS,
    NAMESPACES,
    SEE_PROJECT,
)
from management.desired_state.cluster_rbac import custom_role_name
from management.desired_state.snapshot import Snapshot
from store.access_records import Binding

ADMINISTRATORS = RbacSubject("Group", ADMINISTRATORS_GROUP)

_Key = tuple[RbacSubject, str, str]
"""A subject in the cluster, the name of a ClusterRole, and the project (empty: the cluster)."""


class Origins:
    """The bindings of Sekisho behind the RBAC of one cluster.

    ``overall`` are the global bindings: some of them make administrators of every cluster.
    """

    def __init__(self, snapshot: Snapshot, overall: Sequence[Binding]) -> None:
        self._projects = {
            one.namespace: one.project_id for one in snapshot.namespaces if one.project_id
        }
        self.administrators = [
            one for one in overall if ALL_CLUSTERS in snapshot.book.content(one.role_id).permissions
        ]
        self._index: dict[_Key, list[Binding]] = defaultdict(list)
        for binding in snapshot.bindings:
            subjects = [
                subject_of_user(name) if kind == "User" else RbacSubject("Group", name)
                for kind, name in snapshot.subjects_of([binding])
            ]
            for role_name, place in _roles_of(snapshot, binding):
                for subject in subjects:
                    self._index[subject, role_name, place].append(binding)

    def of(self, grant: Grant) -> Sequence[Binding]:
        """Return the bindings that led to a grant; none for the cluster's own bindings."""
        if grant.binding is None or grant.role is None or not grant.binding.managed:
            return ()
        if grant.subject == ADMINISTRATORS:
            return self.administrators
        place = self._projects.get(grant.namespace) or "" if grant.namespace else ""
        return self._index.get((grant.subject, grant.role.name, place), ())


def _roles_of(snapshot: Snapshot, binding: Binding) -> Iterator[tuple[str, str]]:
    """Yield the ClusterRoles to which a binding leads, each with the place where it is bound."""
    content, project = snapshot.book.content(binding.role_id), binding.project_id
    for name in content.cluster_roles:
        yield name, project or ""
    if content.rules:
        yield custom_role_name(binding.role_id), project or ""
    if project is None:
        if ALL_PROJECTS in content.permissions:
            yield f"sekisho:all-projects:{snapshot.cluster.id}", ""
        return
    # Rights on the namespaces themselves are bound in the whole cluster.
    if SEE_PROJECT in content.permissions:
        yield f"sekisho:{project}:see", ""
    if NAMESPACES in content.permissions:
        yield f"sekisho:{project}:namespaces", ""
