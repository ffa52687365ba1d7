"""Role templates as roles. Pure.

Rancher's own templates become built-in roles where these grant the same. All others become custom
roles with the same rules, and inherit what the template inherits. Rules about Rancher's own objects
become permissions. A rule that Sekisho cannot store is left out, so a role never grants more.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.cli.rancher.findings import Findings, quoted
from proxy.cli.rancher.names import NameTable, line
from proxy.cli.rancher.objects import RoleTemplate
from proxy.cli.rancher.permissions import about_rancher, makes_namespaces, permissions_of

Document = dict[str, Any]

BUILT_IN = {
    ("cluster", "cluster-owner"): "owner",
    ("project", "project-owner"): "owner",
    ("project", "project-member"): "member",
    ("project", "read-only"): "read-only",
}
"""Rancher's templates that Sekisho's built-in roles equal, by scope."""

SCOPES = ("cluster", "project")
MOST_WORDS, MOST_RULES, MOST_INHERITED, MOST_CLUSTER_ROLES = 64, 256, 32, 64
"""What the API accepts in a rule and in a role."""

_CLUSTER_WIDE = frozenset({"nodes", "persistentvolumes", "storageclasses", "apiservices"})
"""Resources without a namespace that Rancher grants in the whole cluster by a role in a project."""

_KEYS = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
_WORD = re.compile(r"[!-~]{1,253}")
_CLUSTER_ROLE = re.compile(r"(?!\.{1,2}\Z)[!-$&-.0-~]{1,253}")


@dataclass(slots=True)
class Roles:
    """Gives templates roles of a scope, and writes those that something holds."""

    templates: Mapping[str, RoleTemplate]
    findings: Findings
    labels: Mapping[str, str]
    _written: dict[tuple[str, str], Document | None] = field(default_factory=dict)
    _names: dict[str, NameTable] = field(
        default_factory=lambda: {one: NameTable({"owner", "member", "read-only"}) for one in SCOPES}
    )

    def name(self, template_id: str, scope: str) -> str | None:
        """Return the name of the role for a template; None if the template does not exist."""
        template = self.templates.get(template_id)
        if template is None:
            return None
        if template.built_in and (scope, template_id) in BUILT_IN:
            return BUILT_IN[scope, template_id]
        if (scope, template_id) not in self._written:
            self._written[scope, template_id] = None  # A circle ends where it began.
            self._written[scope, template_id] = self._document(template, scope)
        return self._names[scope].name(template_id, template.name)

    def documents(self) -> list[Document]:
        """Return the custom roles that something holds, in order of scope and name."""
        found = [one for one in self._written.values() if one is not None]
        return sorted(found, key=lambda one: (one["spec"]["scope"], one["metadata"]["name"]))

    def _document(self, template: RoleTemplate, scope: str) -> Document:
        if template.locked:
            self._note(template, "is locked at Rancher; Sekisho has no locks")
        permissions = {"project.read"} if scope == "project" else set()
        rules = list(self._rules(template, scope, permissions))
        cluster_roles = set(self._cluster_role(template))
        inherits = set(self._inherited(template, scope, cluster_roles))
        spec: dict[str, Any] = {"scope": scope, "description": line(template.description)}
        spec["permissions"] = sorted(permissions)
        spec["rules"] = self._cut(template, rules, MOST_RULES, "rules")
        spec["clusterRoles"] = self._cut(
            template, sorted(cluster_roles), MOST_CLUSTER_ROLES, "cluster roles"
        )
        spec["inherits"] = self._cut(template, sorted(inherits), MOST_INHERITED, "inherited roles")
        name = self._names[scope].name(template.id, template.name)
        metadata = {"name": name, "labels": dict(self.labels)}
        return {"metadata": metadata, "spec": {key: one for key, one in spec.items() if one}}

    def _inherited(
        self, template: RoleTemplate, scope: str, cluster_roles: set[str]
    ) -> Iterator[str]:
        """Yield the roles that it inherits. Templates of a ClusterRole are added as that."""
        for inherited_id in template.inherits:
            inherited = self.templates.get(inherited_id)
            if inherited is None:
                self._note(template, f"inherits {quoted(inherited_id)}, which does not exist", True)
            elif inherited.external and not inherited.inherits:
                cluster_roles.update(self._cluster_role(inherited))
            elif self._inherits_itself(inherited, template.id):
                self._note(template, f"inherits itself, by {quoted(inherited_id)}")
            else:
                name = self.name(inherited_id, scope)
                if name is not None:
                    yield name

    def _inherits_itself(self, template: RoleTemplate, wanted: str) -> bool:
        seen: set[str] = set()
        waiting = [template.id]
        while waiting:
            current = waiting.pop()
            if current == wanted:
                return True
            if current not in seen and current in self.templates:
                seen.add(current)
                waiting += self.templates[current].inherits
        return False

    def _cluster_role(self, template: RoleTemplate) -> Iterator[str]:
        if not template.external:
            return
        if template.external_rules:
            self._note(template, "has rules of its own for a ClusterRole of other systems", True)
        if _CLUSTER_ROLE.fullmatch(template.id):
            yield template.id

    def _rules(
        self, template: RoleTemplate, scope: str, permissions: set[str]
    ) -> Iterator[dict[str, list[str]]]:
        for rule in () if template.external else template.rules:
            if about_rancher(rule):
                found = set(permissions_of(rule, scope))
                permissions |= found
                if not found and not template.built_in:
                    resources = ", ".join(str(one) for one in rule.get("resources") or ())
                    self._note(template, f"{quoted(resources)} are objects of Rancher")
                continue
            if scope == "project" and makes_namespaces(rule):
                permissions.add("project.namespaces")
                continue
            made = _rule(rule)
            if made is None:
                self._note(template, "has a rule that Sekisho cannot store", True)
                continue
            if scope == "project":
                self._note_cluster_wide(template, made)
            yield made

    def _note_cluster_wide(self, template: RoleTemplate, rule: Mapping[str, list[str]]) -> None:
        wide = sorted(_CLUSTER_WIDE.intersection(rule.get("resources", ())))
        if wide or "nonResourceURLs" in rule:
            shown = ", ".join(wide) or "URLs"
            text = f"{quoted(shown)} have no namespace: a role in a project does not reach them"
            self._note(template, text, True)

    def _cut(self, template: RoleTemplate, found: list[Any], most: int, what: str) -> list[Any]:
        if len(found) > most:
            self._note(template, f"has {len(found)} {what}; {most} are kept", True)
        return found[:most]

    def _note(self, template: RoleTemplate, text: str, lost: bool = False) -> None:
        shown = template.name or template.id
        self.findings.add("Roles", shown, text, lost=lost)


def _rule(rule: Mapping[str, Any]) -> dict[str, list[str]] | None:
    """Return a rule as documents have it; None if the API does not accept it."""
    found: dict[str, list[str]] = {}
    for key in _KEYS:
        value = rule.get(key) or []
        if not isinstance(value, list) or len(value) > MOST_WORDS:
            return None
        core = key == "apiGroups"
        if not all(
            isinstance(one, str) and (_WORD.fullmatch(one) or (core and not one)) for one in value
        ):
            return None
        if value:
            found[key] = list(value)
    about = ("apiGroups" in found and "resources" in found) != ("nonResourceURLs" in found)
    return found if "verbs" in found and about else None
