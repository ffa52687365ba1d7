"""A token with its owner and all that decides about its permissions, in one query.

This is the proxy's query on a cache miss, so it determines the latency of infrequent clients. Each
part uses an index. One query instead of five saves four round trips to PostgreSQL, and on
SQLite four fifths of the work.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from store.access_records import Binding, ProjectNamespace, Role
from store.administrators import holds_admin_role
from store.json_aggregation import json_rows, rows
from store.projects import select_namespaces
from store.records import Holdings, Membership, Principal, Token, User
from store.roles import role_of
from store.standing import binding_of
from store.tables import (
    bindings,
    memberships,
    principals,
    project_namespaces,
    roles,
    tokens,
    users,
)

Worth = tuple[Token, User, Sequence[Membership], Holdings]

_PRINCIPAL = (
    principals.c.id,
    principals.c.provider,
    principals.c.name,
    principals.c.disabled_reason,
    principals.c.refresh_failures,
    principals.c.grant_ended_at,
)
_MEMBERSHIP = (memberships.c.id, memberships.c.provider, memberships.c.name)
# Labels decide nothing, so they are not read here.
_BINDING = tuple(one for one in bindings.c if one.key not in {"subject", "target", "labels"})
_ROLE = tuple(one for one in roles.c if one.key != "labels")
_USER = (
    users.c.username,
    users.c.display_name,
    users.c.enabled,
    users.c.created_at,
    users.c.revision,
)

_OWNER = select(tokens.c.user_id).where(tokens.c.name == bindparam("token_name")).scalar_subquery()
_GROUPS = select(memberships.c.id).where(memberships.c.user_id == _OWNER)
# Two queries rather than one with OR, for which PostgreSQL would scan the table.
_HELD = union_all(
    select(*_BINDING).where(bindings.c.user_id == _OWNER),
    select(*_BINDING).where(bindings.c.group_id.in_(_GROUPS)),
).cte("held")
_HOLDS_MADE_ROLE = select(_HELD.c.id).where(_HELD.c.role_id.in_(select(roles.c.id))).exists()

QUERY = (
    select(
        tokens,
        *(column.label(f"user_{column.key}") for column in _USER),
        holds_admin_role().label("administrator"),
        json_rows(_PRINCIPAL, principals.c.user_id == users.c.id)
        .correlate(users)
        .scalar_subquery()
        .label("its_principals"),
        json_rows(_MEMBERSHIP, memberships.c.user_id == users.c.id)
        .correlate(users)
        .scalar_subquery()
        .label("its_memberships"),
        json_rows(tuple(_HELD.c)).scalar_subquery().label("its_bindings"),
        # Custom roles are few, and returned only to users who have one.
        json_rows(_ROLE, _HOLDS_MADE_ROLE).scalar_subquery().label("made_roles"),
    )
    .join_from(tokens, users, users.c.id == tokens.c.user_id)
    .where(tokens.c.name == bindparam("token_name"))
)


async def load_token_with_grants(connection: AsyncConnection, name: str) -> Worth | None:
    """Return the token with that name and the records for its permissions, or None.

    A token for projects costs a second query, for their namespaces.
    """
    row = (await connection.execute(QUERY, {"token_name": name})).one_or_none()
    if row is None:
        return None
    found = row._mapping
    token = token_of({column.key: found[column.key] for column in tokens.c})
    inside: Sequence[ProjectNamespace] = ()
    if token.projects:
        within = project_namespaces.c.project_id.in_(token.projects)
        inside = await select_namespaces(connection, within)
    groups = sorted(
        (Membership(**one) for one in rows(found["its_memberships"], _MEMBERSHIP)),
        key=lambda group: (group.id, group.provider),
    )
    holdings = Holdings(_bindings(found), _roles(found), inside)
    return token, _user(token.user_id, found), groups, holdings


def token_of(values: dict[str, Any]) -> Token:
    """Return a row of tokens as a record."""
    lists = {key: tuple(values[key]) for key in ("clusters", "projects")}
    return Token(**values | lists)


def _user(user_id: str, found: Any) -> User:
    of_user = sorted(rows(found["its_principals"], _PRINCIPAL), key=lambda one: str(one["id"]))
    return User(
        id=user_id,
        administrator=found["administrator"],
        principals=tuple(Principal(**one) for one in of_user),
        **{column.key: found[f"user_{column.key}"] for column in _USER},
    )


def _bindings(found: Any) -> list[Binding]:
    held = [binding_of(one) for one in rows(found["its_bindings"], _BINDING)]
    return sorted(held, key=lambda one: one.id)


def _roles(found: Any) -> list[Role]:
    return [role_of(one) for one in rows(found["made_roles"], _ROLE)]
