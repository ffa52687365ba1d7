"""Every role by id, and what each comes to with what it inherits."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from management.authorization.built_in import BUILT_IN
from store.access_records import PolicyRule, Role, Scope


class BadRole(ValueError):
    """A role that can't be. The message says why."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a role, or several, come to."""

    permissions: frozenset[str] = frozenset()
    rules: tuple[PolicyRule, ...] = ()
    cluster_roles: frozenset[str] = frozenset()

    def __or__(self, other: "Content") -> "Content":
        """What both come to."""
        return Content(
            self.permissions | other.permissions,
            tuple(dict.fromkeys(self.rules + other.rules)),
            self.cluster_roles | other.cluster_roles,
        )


class RoleBook:
    """Roles that people made, and those that are always there."""

    def __init__(self, made: Iterable[Role] = ()) -> None:
        # What is always there can't be taken the place of by what is in the store.
        self._roles: Mapping[str, Role] = {one.id: one for one in made} | BUILT_IN
        self._contents: dict[str, Content] = {}

    def __iter__(self) -> Iterator[Role]:
        return iter(self._roles.values())

    def get(self, role_id: str) -> Role | None:
        """The role with that id."""
        return self._roles.get(role_id)

    def named(self, scope: Scope, name: str) -> Role | None:
        """The role with that id, or with that name in its scope."""
        by_id = self._roles.get(name)
        if by_id is not None and by_id.scope == scope:
            return by_id
        return next((one for one in self if one.scope == scope and one.name == name), None)

    def content(self, role_id: str) -> Content:
        """What a role comes to; nothing for one that isn't there.

        Something stored that goes round in a circle ends where it began.
        """
        if role_id not in self._contents:
            self._contents[role_id] = self._collected(role_id, frozenset())
        return self._contents[role_id]

    def _collected(self, role_id: str, above: frozenset[str]) -> Content:
        role = self.get(role_id)
        if role is None or role_id in above:
            return Content()
        total = Content(frozenset(role.permissions), role.rules, frozenset(role.cluster_roles))
        for one in role.inherits:
            total |= self._collected(one, above | {role_id})
        return total

    def check(self, role: Role) -> None:
        """Raise BadRole where ``role`` can't be what it says beside the others."""
        for one in role.inherits:
            parent = self.get(one)
            if parent is None:
                raise BadRole(f'inherits: there is no role "{one}"')
            if parent.scope != role.scope:
                raise BadRole(f'inherits: "{one}" is a {parent.scope} role, not a {role.scope} one')
            if role.id in {one, *self._ancestors(one)}:
                raise BadRole(f'inherits: "{one}" inherits this role itself, in a circle')

    def _ancestors(self, role_id: str) -> set[str]:
        found: set[str] = set()
        waiting = [role_id]
        while waiting:
            role = self.get(waiting.pop())
            new = set(role.inherits) - found if role is not None else set()
            found |= new
            waiting.extend(new)
        return found
