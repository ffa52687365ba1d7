"""All roles by id, with what they inherit."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from config.errors import UserError
from management.authorization.builtin_roles import BUILT_IN
from management.authorization.permissions import with_reads
from store.access_records import PolicyRule, Role, Scope


class InvalidRole(UserError, ValueError):
    """A role that is not valid. The message has the reason."""


@dataclass(frozen=True, slots=True)
class RoleGrants:
    """The grants of one role, or of several together."""

    permissions: frozenset[str] = frozenset()
    rules: tuple[PolicyRule, ...] = ()
    cluster_roles: frozenset[str] = frozenset()

    def __or__(self, other: "RoleGrants") -> "RoleGrants":
        """Return the union of both."""
        return RoleGrants(
            self.permissions | other.permissions,
            tuple(dict.fromkeys(self.rules + other.rules)),
            self.cluster_roles | other.cluster_roles,
        )


class RoleCatalog:
    """Custom roles and built-in roles."""

    def __init__(self, made: Iterable[Role] = ()) -> None:
        # A stored role cannot replace a built-in role.
        self._roles: Mapping[str, Role] = {one.id: one for one in made} | BUILT_IN
        self._contents: dict[str, RoleGrants] = {}

    def __iter__(self) -> Iterator[Role]:
        return iter(self._roles.values())

    def get(self, role_id: str) -> Role | None:
        """Return the role with that id, or None."""
        return self._roles.get(role_id)

    def named(self, scope: Scope, name: str) -> Role | None:
        """Return the role with that id, or with that name in its scope, or None."""
        by_id = self._roles.get(name)
        if by_id is not None and by_id.scope == scope:
            return by_id
        return next((one for one in self if one.scope == scope and one.name == name), None)

    def content(self, role_id: str) -> RoleGrants:
        """Return a role's grants with what it inherits; nothing for an unknown role.

        A stored circle of inheritance ends where it began.
        """
        if role_id not in self._contents:
            self._contents[role_id] = self._collected(role_id, frozenset())
        return self._contents[role_id]

    def _collected(self, role_id: str, above: frozenset[str]) -> RoleGrants:
        role = self.get(role_id)
        if role is None or role_id in above:
            return RoleGrants()
        total = RoleGrants(with_reads(role.permissions), role.rules, frozenset(role.cluster_roles))
        for one in role.inherits:
            total |= self._collected(one, above | {role_id})
        return total

    def check(self, role: Role) -> None:
        """Check a role's inheritance.

        Raises:
            InvalidRole: a parent is missing, has another scope, or inherits this role.
        """
        for one in role.inherits:
            parent = self.get(one)
            if parent is None:
                raise InvalidRole(f'inherits: role "{one}" not found')
            if parent.scope != role.scope:
                raise InvalidRole(
                    f'inherits: "{one}" is a {parent.scope} role, not a {role.scope} one'
                )
            if role.id in {one, *self._ancestors(one)}:
                raise InvalidRole(f'inherits: "{one}" inherits this role itself, in a circle')

    def _ancestors(self, role_id: str) -> set[str]:
        found: set[str] = set()
        waiting = [role_id]
        while waiting:
            role = self.get(waiting.pop())
            new = set(role.inherits) - found if role is not None else set()
            found |= new
            waiting.extend(new)
        return found
