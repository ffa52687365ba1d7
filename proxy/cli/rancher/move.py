"""From everything that was read of Rancher to files of documents and a report. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from config.errors import Problem
from proxy.cli.apply.documents import InvalidDocuments, Source, parse
from proxy.cli.apply.kinds import API_VERSION
from proxy.cli.apply.yaml_text import yaml_text
from proxy.cli.rancher.findings import Findings
from proxy.cli.rancher.grants import Grants
from proxy.cli.rancher.names import NameTable, line
from proxy.cli.rancher.objects import (
    GlobalRole,
    Grant,
    ProjectNamespace,
    RancherCluster,
    RancherProject,
    RancherUser,
    RoleTemplate,
)
from proxy.cli.rancher.principals import LOCAL, Directory, Translations
from proxy.cli.rancher.projects import project_document, project_names
from proxy.cli.rancher.roles import Roles

LABELS = {"moved-from": "rancher"}
"""Labels of every document, by which ``sekisho apply --prune`` finds what the move has made."""

IN_A_FILE = 500
"""Documents in a file. ``sekisho apply`` reads four megabytes of a file."""


@dataclass(slots=True)
class RancherState:
    """What was read. ``namespaces`` has only the clusters of which they were read."""

    users: dict[str, RancherUser] = field(default_factory=dict)
    logins: dict[str, str] = field(default_factory=dict)
    group_names: dict[str, str] = field(default_factory=dict)
    templates: dict[str, RoleTemplate] = field(default_factory=dict)
    global_roles: dict[str, GlobalRole] = field(default_factory=dict)
    clusters: dict[str, RancherCluster] = field(default_factory=dict)
    projects: list[RancherProject] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    namespaces: dict[str, list[ProjectNamespace]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Move:
    """The result. ``files`` are documents by path. ``users`` are names and principals.

    ``clusters`` are the names at Sekisho by Rancher's id, and ``wanted`` the principals without a
    translation.
    """

    files: Mapping[str, str]
    users: Sequence[tuple[str, str]]
    clusters: Mapping[str, str]
    findings: Findings
    wanted: Sequence[str]


def move(state: RancherState, translations: Translations) -> Move:
    """Return documents for everything that has an equivalent."""
    findings = Findings()
    directory = Directory(state.users, translations, state.group_names)
    roles = Roles(state.templates, findings, LABELS)
    grants = Grants(directory, roles, state.global_roles, findings, LABELS)
    in_rancher = [one for one in state.grants if not one.cluster]
    files = dict(_files("bindings", "Binding", grants.bindings(in_rancher)))
    everywhere = grants.everywhere(in_rancher)
    clusters = _cluster_names(state, findings)
    for cluster_id, name in clusters.items():
        place = _Place(state, state.clusters[cluster_id], name)
        projects = place.projects(findings)
        for_all = () if cluster_id == "local" else everywhere
        members = grants.members((*place.grants(), *for_all), name, place.names)
        files |= _files(f"clusters/{cluster_id}/projects", "Project", projects)
        files |= _files(f"clusters/{cluster_id}/members", "Member", members)
    files |= _files("roles", "Role", roles.documents())
    files |= _files("users", "User", list(_users(directory)))
    _check(files)
    return Move(files, _external(directory, state), clusters, findings, list(translations.wanted))


class _Place:
    """A cluster with its projects."""

    def __init__(self, state: RancherState, cluster: RancherCluster, name: str) -> None:
        self._state = state
        self._cluster = cluster
        self._name = name
        self._projects = [one for one in state.projects if one.cluster == cluster.id]
        self.names: dict[str, str] = {}

    def projects(self, findings: Findings) -> list[dict[str, Any]]:
        """Return the documents of the projects, and set their names."""
        self.names = project_names(self._projects, self._cluster, findings)
        read = self._state.namespaces.get(self._cluster.id)
        if read is None:
            text = "its namespaces were not read: give --namespaces, or list them in projects.yaml"
            findings.add("Namespaces", self._name, text, lost=True)
        inside: dict[str, list[ProjectNamespace]] = {}
        for one in read or ():
            if one.cluster == self._cluster.id:
                inside.setdefault(one.project, []).append(one)
        for missing in sorted(inside.keys() - self.names.keys()):
            findings.add("Namespaces", missing, "namespaces name this project, which is gone")
        return [
            project_document(
                one,
                self._name,
                self.names[one.id],
                None if read is None else sorted(inside.get(one.id, ()), key=lambda one: one.name),
                LABELS,
                findings,
            )
            for one in sorted(self._projects, key=lambda one: self.names[one.id])
        ]

    def grants(self) -> Iterator[Grant]:
        """Yield the grants in this cluster."""
        return (one for one in self._state.grants if one.cluster == self._cluster.id)


def _cluster_names(state: RancherState, findings: Findings) -> dict[str, str]:
    table = NameTable()
    found = {one: table.name(one, state.clusters[one].name) for one in sorted(state.clusters)}
    for cluster_id, name in found.items():
        cluster = state.clusters[cluster_id]
        if name != cluster.name:
            findings.add("Clusters", cluster_id, f"import it as {name!r}")
        if cluster.pod_security:
            text = "has a template of Rancher for Pod Security Admission, which ends with Rancher. "
            text += "Labels of namespaces stay"
            findings.add("Clusters", name, text)
    for one in sorted({one.cluster for one in state.grants} - state.clusters.keys() - {""}):
        findings.add("Clusters", one, "bindings name this cluster, which is not moved")
    return found


def _users(directory: Directory) -> Iterator[dict[str, Any]]:
    """Yield the users with a password, who need a new one."""
    for one in sorted(directory.local_users(), key=lambda one: one.username):
        spec: dict[str, Any] = {"provider": LOCAL}
        shown = line(one.display_name, 64)
        if shown:
            spec["displayName"] = shown
        if not one.enabled:
            spec["enabled"] = False
        yield {"metadata": {"name": one.username, "labels": dict(LABELS)}, "spec": spec}


def _external(directory: Directory, state: RancherState) -> list[tuple[str, str]]:
    """Return the names and principals of users of providers to whom members refer."""
    found = []
    for principal, user in directory.external.items():
        logins = (state.logins.get(one, "") for one in user.principals)
        name = next(filter(None, logins), "") or user.username or user.display_name or user.id
        found.append((line(name, 64), principal))
    return sorted(found, key=lambda one: one[1])


def _files(
    name: str, kind: str, documents: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Yield the files of a kind: none without documents, and several for many."""
    head = {"apiVersion": API_VERSION, "kind": kind}
    for start in range(0, len(documents), IN_A_FILE):
        part = f"-{start // IN_A_FILE + 1}" if start else ""
        chosen = documents[start : start + IN_A_FILE]
        yield f"{name}{part}.yaml", yaml_text([{**head, **one} for one in chosen])


def _check(files: Mapping[str, str]) -> None:
    """Raise InvalidDocuments unless ``sekisho apply`` accepts the form of every file."""
    problems: list[Problem] = []
    for name, text in files.items():
        try:
            parse([Source(name, text)])
        except InvalidDocuments as exc:
            problems += exc.problems
    if problems:
        raise InvalidDocuments(problems)
