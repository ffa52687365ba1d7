"""Compare documents with what exists, and list the changes in their order. Pure.

A document is one object, and the executor makes a change of it as a whole. Changes are in the order
in which they are made: users, settings of clusters, roles (inherited ones first), management
clusters, projects, bindings, members. Deletions follow, in the reverse order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from config.errors import Problem
from config.exact_names import is_exact
from proxy.cli.apply.changes import Change, Plan, Prune, shown_as
from proxy.cli.apply.documents import Document
from proxy.cli.apply.fields import KEEP
from proxy.cli.apply.kinds import (
    BINDING,
    CLUSTER,
    MANAGEMENT,
    MEMBER,
    ORDER,
    PROJECT,
    ROLE,
    USER,
    class_document,
)
from proxy.cli.apply.observed import Existing, Key, Observed, existing, own_subjects
from proxy.cli.apply.ordering import Circle, in_order
from proxy.cli.apply.prune import deletions
from proxy.cli.apply.references import References, Unresolved, planned


def make_plan(
    documents: Sequence[Document],
    observed: Observed,
    prune: Prune | None = None,
    *,
    allow_own: bool = False,
) -> Plan:
    """Return the changes that bring what exists to what the documents say.

    ``allow_own``: the caller's account and roles may be disabled and deleted, too.
    """
    planner = _Planner(documents, observed)
    changes = planner.changes()
    if prune is not None:
        gone, problems = deletions(prune, documents, changes, planner.found)
        changes += gone
        planner.problems += problems
    if not allow_own:
        planner.check_own(changes)
    return Plan(changes, planner.problems, list(_other_roles(changes, planner.found)))


@dataclass(slots=True)
class _Planner:
    documents: Sequence[Document]
    observed: Observed
    problems: list[Problem] = field(default_factory=list)
    _references: References = field(init=False)
    found: dict[tuple[str, Key], Existing] = field(init=False)

    def __post_init__(self) -> None:
        self._references = References(self.observed, self.documents)
        self.found = {(one.kind.name, one.key): one for one in existing(self.observed)}

    def changes(self) -> list[Change]:
        made: dict[tuple[str, Key], Change] = {}
        for document in self._ordered():
            try:
                change = self._change(document)
            except Unresolved as exc:
                self.problems.append(document.problem(exc.field, str(exc)))
                continue
            first = made.setdefault(change.key, change)
            if first is not change and first.document is not None:
                message = f"is the same {document.kind.name} as the one at {first.document.place}"
                self.problems.append(Problem(document.place, "", message))
        self.problems += _shared_namespaces(list(made.values()))
        return list(made.values())

    def check_own(self, changes: Sequence[Change]) -> None:
        """Add a problem for each change that takes something from the caller."""
        mine = own_subjects(self.observed)
        for one in changes:
            if one.existing is None or one.existing.subject not in mine:
                continue
            if one.action == "delete":
                where, what = "--prune", "deletes your own " + one.shown
            elif one.action == "change" and (one.content or {}).get("enabled") is False:
                where = one.document.place if one.document is not None else ""
                what = "disables yourself"
            else:
                continue
            message = f"{what}: add --allow-own if you mean it"
            self.problems.append(Problem(where, "", message))

    def _change(self, document: Document) -> Change:
        key, needs = self._key(document)
        found = self.found.get(key)
        shown = found.shown if found is not None else shown_as(document)
        content = self._desired(document, found)
        if found is None:
            self._check_creatable(document)
            return Change("create", shown, key, document, None, content, needs)
        same = found.labels == document.labels and all(
            found.content.get(name) == value for name, value in content.items()
        )
        if same:
            return Change("keep", shown, key, document, found, content, needs)
        if found.refusal:
            raise Unresolved("name", found.refusal)
        return Change("change", shown, key, document, found, content, needs)

    def _desired(self, document: Document, found: Existing | None) -> dict[str, Any]:
        content = {}
        for name, one in document.kind.compared().items():
            value = document.spec.get(name, one.default)
            if value is not KEEP:
                content[name] = value
        if "inherits" in content:
            scope = str(document.spec["scope"])
            names = [self._references.role(scope, one, "inherits") for one in content["inherits"]]
            content["inherits"] = sorted(set(names))
        if "classes" in content:
            content["classes"] = sorted(map(self._class, content["classes"]), key=_named)
        if "namespaces" in content:
            content["namespaces"] = sorted(content["namespaces"], key=_named)
        return content

    def _class(self, one: Mapping[str, Any]) -> dict[str, Any]:
        roles = [self._references.role("global", role, "classes") for role in one.get("roles", ())]
        return class_document({**one, "roles": roles})

    def _check_creatable(self, document: Document) -> None:
        if document.kind is CLUSTER:
            raise Unresolved("name", "clusters are not created here: import or register them")
        if document.kind is USER:
            provider = document.spec.get("provider", "local")
            if self.observed.users is None:
                raise Unresolved("name", "you may not list users: this needs users.manage")
            if provider != "local" or is_exact(document.name):
                raise Unresolved(
                    "name",
                    f'user "{document.name}" not found: users of {provider} exist after their '
                    "first sign-in; only local users are created",
                )

    def _key(self, document: Document) -> tuple[tuple[str, Key], tuple[Document, ...]]:
        """Return the key of a document's object, and the documents to which it refers."""
        refer, kind = self._references, document.kind
        if kind is ROLE:
            key: Key = (str(document.spec["scope"]), document.name)
        elif kind in (CLUSTER, MANAGEMENT):
            key = (refer.cluster(document.name, "name"),)
            if kind is MANAGEMENT and (why := self.observed.unreadable_managements.get(key[0])):
                raise Unresolved("name", f"its settings can't be read: {why}")
        elif kind is PROJECT:
            key = (refer.cluster(str(document.spec["cluster"])), document.name)
        elif kind is USER:
            key = (self._user_key(document),)
        else:
            key = self._grant_key(document)
        return (kind.name, key), tuple(self._needs(document, key))

    def _user_key(self, document: Document) -> str:
        provider = document.spec.get("provider")
        return self._references.user(document.name, provider, "name") or planned(document.name)

    def _grant_key(self, document: Document) -> Key:
        refer, spec = self._references, document.spec
        scope, place = "global", ""
        if document.kind is MEMBER:
            scope, place = "cluster", refer.cluster(str(spec["cluster"]))
            if "project" in spec:
                scope, place = "project", refer.project(place, str(spec["project"]))
        if place in self.observed.unreadable:
            key = "project" if "project" in spec else "cluster"
            raise Unresolved(key, f"members can't be read: {self.observed.unreadable[place]}")
        role = refer.role(scope, str(spec["role"]))
        subject = spec.get("group")
        if subject is None:
            found = refer.user(str(spec["user"]), spec.get("provider"))
            subject = found or f"?{spec['user']}"
        return (place, role, str(subject))

    def _needs(self, document: Document, key: Key) -> Iterator[Document]:
        """Yield the documents of the run to which this one refers."""
        spec = document.spec
        scope = str(spec.get("scope") or ("project" if "project" in spec else "cluster"))
        if document.kind in (BINDING, MANAGEMENT):
            scope = "global"
        roles = [*spec.get("inherits", ()), *([spec["role"]] if "role" in spec else [])]
        roles += [role for one in spec.get("classes", ()) for role in one.get("roles", ())]
        names: list[tuple[str, ...]] = [(ROLE.name, scope, one) for one in roles]
        if "user" in spec:
            names.append((USER.name, str(spec["user"])))
        if "project" in spec:
            cluster = self._references.cluster(str(spec["cluster"]))
            names.append((PROJECT.name, cluster, str(spec["project"])))
        for name in names:
            found = self._references.in_run(*name)
            if found is not None and found is not document:
                yield found

    def _ordered(self) -> list[Document]:
        """Return the documents in the order in which they are applied."""
        roles = {_role_name(one): one for one in self.documents if one.kind is ROLE}
        needs = {
            name: [(name[0], parent) for parent in one.spec.get("inherits", ())]
            for name, one in roles.items()
        }
        try:
            names = in_order(roles, needs)
        except Circle as exc:
            names = list(roles)
            around = " inherits ".join(one[-1] for one in exc.path)
            self.problems.append(roles[exc.path[0]].problem("inherits", f"a circle: {around}"))
        rank = {name: position for position, name in enumerate(names)}
        return sorted(
            self.documents, key=lambda one: (ORDER[one.kind.name], rank.get(_role_name(one), 0))
        )


def _named(one: Mapping[str, Any]) -> str:
    return str(one["name"])


def _role_name(document: Document) -> Key:
    return (str(document.spec.get("scope", "")), document.name)


def _other_roles(
    changes: Sequence[Change], found: Mapping[tuple[str, Key], Existing]
) -> Iterator[str]:
    """Yield a note for each holder who gets a role beside one that no document names."""
    named = {change.key for change in changes}
    held: dict[tuple[str, str, str], list[str]] = {}
    for (kind, key), one in found.items():
        if "role" in one.kind.fields and (kind, key) not in named:
            held.setdefault((kind, key[0], key[2]), []).append(key[1])
    for change in changes:
        if change.action == "create" and len(change.key[1]) == 3:
            place, _, subject = change.key[1]
            others = held.get((change.kind, place, subject))
            if others:
                roles = ", ".join(sorted(others))
                yield f"{change.shown}: keeps {roles}, too, which no document names"


def _shared_namespaces(changes: Sequence[Change]) -> Iterator[Problem]:
    """Yield a problem for each namespace that two projects of a cluster claim."""
    seen: dict[tuple[str, str], Document] = {}
    for change in changes:
        if change.kind != PROJECT.name or change.document is None:
            continue
        for one in (change.content or {}).get("namespaces", ()):
            first = seen.setdefault((change.key[1][0], str(one["name"])), change.document)
            if first is not change.document:
                yield change.document.problem(
                    "namespaces", f"{one['name']} is in the project at {first.place}, too"
                )
