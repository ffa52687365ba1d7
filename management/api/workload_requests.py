"""What a request for workloads wants, and whose namespaces the caller knows."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from config.labels import InvalidSelector, Selector
from management.api.access_requirements import cluster_of, sees
from management.api.authentication import caller_of
from management.api.services import services_of
from management.http.problem import ApiProblem
from management.workloads.kinds import KINDS, WorkloadKind, is_object_name
from management.workloads.places import Scope
from management.workloads.rows import Row

_KINDS = ", ".join(KINDS)


@dataclass(frozen=True, slots=True)
class KnownProjects:
    """The namespaces of projects that the caller sees, with the id and the name of the project."""

    of_namespace: dict[str, tuple[str, str]]

    def named(self, rows: Sequence[Row]) -> list[Row]:
        """Return rows with the project of their namespace."""
        nothing = (None, None)
        found = []
        for row in rows:
            key, name = self.of_namespace.get(row["namespace"], nothing)
            found.append({**row, "project": key, "project_name": name})
        return found

    def namespaces_of(self, project: str) -> frozenset[str]:
        """Return the namespaces of a project; empty for one that the caller does not see."""
        return frozenset(
            namespace for namespace, (key, _) in self.of_namespace.items() if key == project
        )


async def known_projects(request: web.Request) -> KnownProjects:
    """Return the projects of the request's cluster that the caller sees.

    With a token for projects, the caller sees these alone.
    """
    store, caller, cluster = services_of(request).store, caller_of(request), cluster_of(request)
    only = caller.authenticated.token.projects
    seen = {
        one.id: one.name
        for one in await store.projects.list_all()
        if one.cluster_id == cluster.id and sees(caller, one) and (not only or one.id in only)
    }
    inside = await store.projects.namespaces(cluster_id=cluster.id)
    return KnownProjects(
        {
            one.namespace: (one.project_id, seen[one.project_id])
            for one in inside
            if one.project_id in seen
        }
    )


def scope_of(request: web.Request, projects: KnownProjects) -> Scope:
    """Return what the query wants. Raises ApiProblem with 422.

    A token for projects wants their namespaces: the gate would refuse the cluster as a whole.
    """
    query, caller = request.query, caller_of(request).authenticated
    kinds = tuple(KINDS.values())
    if "kind" in query:
        kinds = (_kind(query["kind"], 422),)
    namespaces = None
    if "project" in query:
        namespaces = projects.namespaces_of(query["project"])
    if "namespace" in query:
        wanted = query["namespace"]
        if not is_object_name(wanted):
            raise ApiProblem(422, "namespace is not the name of a namespace")
        namespaces = frozenset({wanted}) if namespaces is None else namespaces & {wanted}
    if namespaces is None and caller.token.projects:
        namespaces = caller.namespaces.get(cluster_of(request).id, frozenset())
    selector = query.get("label")
    if selector is not None:
        try:
            Selector.parse(selector)
        except InvalidSelector as exc:
            raise ApiProblem(422, f"label: {exc}") from None
    return Scope(kinds, namespaces, frozenset(projects.of_namespace), selector or None)


@dataclass(frozen=True, slots=True)
class Target:
    """The workload of a path."""

    kind: WorkloadKind
    namespace: str
    name: str

    @property
    def path(self) -> str:
        """Return the path of the object in the cluster."""
        return self.kind.path(self.namespace, self.name)


def target_of(request: web.Request) -> Target:
    """Return the workload of the path. Raises ApiProblem with 404."""
    path = request.match_info
    kind = _kind(path["kind"], 404)
    for field in ("namespace", "name"):
        if not is_object_name(path[field]):
            raise ApiProblem(404, f"{field} is not the name of an object in a cluster")
    return Target(kind, path["namespace"], path["name"])


def _kind(name: str, status: int) -> WorkloadKind:
    kind = KINDS.get(name)
    if kind is None:
        raise ApiProblem(status, f"kind must be one of {_KINDS}")
    return kind
