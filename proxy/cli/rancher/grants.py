"""Bindings of Rancher as members and bindings of Sekisho. Pure.

A grant whose role or subject has no equivalent is left out and becomes a finding: a move must not
give anyone more than Rancher does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.cli.rancher.findings import Findings, quoted
from proxy.cli.rancher.objects import GlobalRole, Grant, Subject
from proxy.cli.rancher.principals import Directory, Untranslated, is_system
from proxy.cli.rancher.roles import Roles

GLOBAL_ROLES = {
    "admin": "administrator",
    "restricted-admin": "restricted-administrator",
    "user": "standard-user",
}
"""Rancher's global roles that Sekisho's built-in ones replace."""

EVERY_USER = "user-base"
"""The global role that every user of Sekisho holds, bound or not."""

Spec = dict[str, Any]


@dataclass(slots=True)
class Grants:
    """Translates grants. ``labels`` are those of every document."""

    directory: Directory
    roles: Roles
    global_roles: Mapping[str, GlobalRole]
    findings: Findings
    labels: Mapping[str, str]

    def members(
        self, grants: Iterable[Grant], cluster: str, projects: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """Return the members of a cluster and its projects, whose names are by id."""
        found: dict[str, Spec] = {}
        for grant in grants:
            spec = self._member(grant, cluster, projects)
            if spec is not None:
                found.setdefault(repr(_identity(spec)), spec)
        return [self._document(found[key]) for key in sorted(found)]

    def everywhere(self, grants: Iterable[Grant]) -> list[Grant]:
        """Return the grants in every cluster that global roles include, without a cluster."""
        found = []
        for grant in grants:
            role = self.global_roles.get(grant.role)
            if role is None:
                continue
            for template in role.in_clusters:
                text = "grants roles in every cluster, also in those to come: its holders are "
                text += "members of each cluster that exists now"
                self.findings.add("Global roles", role.name or role.id, text)
                found.append(Grant(grant.name, template, grant.subject, "*"))
        return found

    def bindings(self, grants: Iterable[Grant]) -> list[dict[str, Any]]:
        """Return the bindings of global roles."""
        found: dict[str, Spec] = {}
        for grant in grants:
            if grant.role == EVERY_USER or self._is_system(grant.subject):
                continue
            name = GLOBAL_ROLES.get(grant.role)
            if name is None:
                self._note_global(grant)
                continue
            subject = self._subject(grant, f"the global role {quoted(grant.role)}")
            if subject is not None:
                spec = {"role": name, **subject}
                found.setdefault(repr(_identity(spec)), spec)
        return [self._document(found[key]) for key in sorted(found)]

    def _member(self, grant: Grant, cluster: str, projects: Mapping[str, str]) -> Spec | None:
        if self._is_system(grant.subject):
            return None
        where: Spec = {"cluster": cluster}
        if grant.project:
            if grant.project not in projects:
                self._lost(grant, f"in project {quoted(grant.project)}, which does not exist")
                return None
            where["project"] = projects[grant.project]
        role = self.roles.name(grant.role, "project" if grant.project else "cluster")
        if role is None:
            self._lost(grant, f"of role {quoted(grant.role)}, which does not exist")
            return None
        shown = "/".join(str(one) for one in where.values())
        subject = self._subject(grant, f"{quoted(role)} in {quoted(shown)}")
        return None if subject is None else {**where, "role": role, **subject}

    def _subject(self, grant: Grant, what: str) -> dict[str, str] | None:
        try:
            return self.directory.fields(grant.subject)
        except Untranslated as exc:
            self.findings.add("Members", grant.subject.shown, f"{what}: {exc}", lost=True)
            return None

    def _is_system(self, subject: Subject) -> bool:
        user = self.directory.users.get(subject.user)
        return user is not None and is_system(user)

    def _lost(self, grant: Grant, text: str) -> None:
        self.findings.add("Members", grant.subject.shown, f"a binding {text}", lost=True)

    def _note_global(self, grant: Grant) -> None:
        role = self.global_roles.get(grant.role)
        if role is None:
            self.findings.add("Global roles", grant.role, "does not exist", lost=True)
        elif role.local_rules or role.built_in:
            text = f"{quoted(grant.subject.shown)} holds it. It is about Rancher's own objects"
            self.findings.add("Global roles", role.name or role.id, text, lost=True)

    def _document(self, spec: Spec) -> dict[str, Any]:
        return {"metadata": {"labels": dict(self.labels)}, "spec": spec}


def _identity(spec: Spec) -> list[tuple[str, str]]:
    return sorted((key, str(one)) for key, one in spec.items() if key != "groupName")
