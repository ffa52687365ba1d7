"""Find what the names in documents refer to: at the server, or in the same run. Pure.

Names of users work as at the server: an id, else a principal, else a username, and a username only
if one user has it (``management.identity.subjects``). A name that has the form of an id or of a
principal is never a username.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from config.exact_names import is_exact
from proxy.cli.apply.documents import Document
from proxy.cli.apply.kinds import PROJECT, ROLE, USER
from proxy.cli.apply.observed import Item, Observed
from proxy.cli.suggestions import nearest

MOST_CANDIDATES = 10
"""How many candidates a problem lists."""


class Unresolved(Exception):
    """A name refers to nothing, or to several things. ``field`` is where it stands."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(slots=True)
class References:
    """Looks up names. An id that begins with ``+`` is that of an object of the run itself."""

    observed: Observed
    documents: Sequence[Document]
    _users: dict[str, list[Item]] = field(default_factory=dict)
    _clusters: dict[str, str] = field(default_factory=dict)
    _projects: dict[tuple[str, str], str] = field(default_factory=dict)
    _roles: dict[str, dict[str, str]] = field(default_factory=dict)
    _planned: dict[tuple[str, ...], Document] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seen = self.observed
        for item in seen.users if seen.users is not None else self._holders():
            for name in {str(item["id"]), str(item["username"]), *_principals(item)}:
                self._users.setdefault(name, []).append(item)
        for key in ("name", "id"):  # an id takes precedence over a name
            self._clusters |= {str(one[key]): str(one["id"]) for one in seen.clusters}
            for one in seen.roles:
                self._roles.setdefault(str(one["scope"]), {})[str(one[key])] = str(one["name"])
        self._projects = {
            (str(one["cluster"]), str(one["name"])): str(one["id"]) for one in seen.projects
        }
        for document in self.documents:
            for planned_name in self._planned_names(document):
                self._planned.setdefault(planned_name, document)

    def _planned_names(self, document: Document) -> Iterator[tuple[str, ...]]:
        """Yield the names by which other documents of the run refer to this one."""
        if document.kind is ROLE:
            yield (ROLE.name, str(document.spec["scope"]), document.name)
        elif document.kind is USER:
            yield (USER.name, document.name)
        elif document.kind is PROJECT:
            cluster = str(document.spec["cluster"])
            yield (PROJECT.name, self._clusters.get(cluster, cluster), document.name)

    def in_run(self, *name: str) -> Document | None:
        """Return the document of the run with that kind and name."""
        return self._planned.get(name)

    def cluster(self, name: str, key: str = "cluster") -> str:
        """Return the id of the cluster with that id or name. Raises Unresolved."""
        found = self._clusters.get(name)
        if found is None:
            near = nearest(name, [str(one["name"]) for one in self.observed.clusters])
            meant = f"; did you mean {near}?" if near else ""
            raise Unresolved(key, f'cluster "{name}" not found, or you may not enter it{meant}')
        return found

    def project(self, cluster_id: str, name: str) -> str:
        """Return the id of a project; ``+…`` if it is created in this run. Raises Unresolved."""
        found = self._projects.get((cluster_id, name))
        if found is not None:
            return found
        if self.in_run(PROJECT.name, cluster_id, name) is not None:
            return planned(cluster_id, name)
        near = nearest(name, [name for cluster, name in self._projects if cluster == cluster_id])
        meant = f"; did you mean {near}?" if near else ""
        raise Unresolved("project", f'project "{name}" not found, nor is it in this run{meant}')

    def role(self, scope: str, name: str, key: str = "role") -> str:
        """Return the name of the role with that id or name in the scope. Raises Unresolved."""
        names = self._roles.get(scope, {})
        if name in names:
            return names[name]
        if self.in_run(ROLE.name, scope, name) is not None:
            return name
        known = sorted(set(names.values()))
        near = nearest(name, known)
        hint = f"did you mean {near}?" if near else f"the {scope} roles are {', '.join(known)}"
        raise Unresolved(key, f'{scope} role "{name}" not found, nor is it in this run; {hint}')

    def user(self, name: str, provider: str | None, key: str = "user") -> str | None:
        """Return the id of a user; ``+name`` for one of this run, None if that is unknown.

        Raises:
            Unresolved: no user has that name, or several do.
        """
        found = [
            one for one in self._users.get(name, ()) if not provider or provider in providers(one)
        ]
        for exact in (lambda one: one["id"] == name, lambda one: name in _principals(one)):
            for one in found:
                if exact(one):
                    return str(one["id"])
        if not is_exact(name):
            if len(found) > 1:
                raise Unresolved(key, _ambiguous(name, found))
            if found:
                return str(found[0]["id"])
            if provider in {None, "local"} and self.in_run(USER.name, name) is not None:
                return planned(name)
        if self.observed.users is None:
            return None
        at = f" at {provider}" if provider else ""
        near = nearest(name, self._users)
        meant = f"; did you mean {near}?" if near else "; users exist after their first sign-in"
        raise Unresolved(key, f'user "{name}" not found{at}, nor is it in this run{meant}')

    def _holders(self) -> Iterator[Item]:
        """Yield what the caller sees of users, if they cannot be listed."""
        seen: set[str] = set()
        for one in (*self.observed.members, *self.observed.bindings):
            if one.get("user") and one["user"] not in seen:
                seen.add(str(one["user"]))
                shown = str(one.get("username") or one["name"])
                at = [{"provider": name} for name in str(one["provider"] or "").split(", ") if name]
                yield {"id": one["user"], "username": shown, "principals": at}


def planned(*parts: str) -> str:
    """Return the key of an object that does not exist yet."""
    return "+" + "/".join(parts)


def providers(user: Item) -> set[str]:
    """Return the providers of a user."""
    return {str(one["provider"]) for one in user.get("principals") or ()}


def _principals(user: Item) -> set[str]:
    return {str(one["id"]) for one in user.get("principals") or () if "id" in one}


def _ambiguous(name: str, found: Sequence[Item]) -> str:
    listed = ", ".join(_described(one) for one in found[:MOST_CANDIDATES])
    more = "" if len(found) <= MOST_CANDIDATES else ", and more"
    return (
        f'several users are called "{name}": add their provider, or use one of the ids '
        f"{listed}{more}"
    )


def _described(user: Item) -> str:
    at = ", ".join(sorted(providers(user)))
    return f"{user['id']} ({user['username']}{f' at {at}' if at else ''})"


@dataclass(frozen=True, slots=True)
class Names:
    """The shortest names by which documents can refer to users."""

    counts: Mapping[str, int]
    exact: frozenset[str]
    """Ids and principals, which take precedence over usernames."""

    @classmethod
    def of(cls, users: Iterable[Item]) -> "Names":
        """Count how many users have each username, alone and at each provider."""
        counts: dict[str, int] = {}
        exact: set[str] = set()
        for one in users:
            exact |= {str(one["id"]), *_principals(one)}
            name = str(one["username"])
            for shown in (name, *(f"{name}\0{at}" for at in providers(one))):
                counts[shown] = counts.get(shown, 0) + 1
        return cls(counts, frozenset(exact))

    def reference(self, user: Item) -> dict[str, str]:
        """Return the fields by which a document names a user: ``user``, perhaps ``provider``."""
        username = str(user["username"])
        if username not in self.exact and not is_exact(username):
            if self.counts.get(username, 0) <= 1:
                return {"user": username}
            for provider in sorted(providers(user)):
                if self.counts.get(f"{username}\0{provider}", 0) == 1:
                    return {"user": username, "provider": provider}
        return {"user": min(_principals(user), default=str(user["id"]))}
