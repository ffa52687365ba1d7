"""Tests of the token query: one query, with indexes only."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, text

from store.access_records import PolicyRule, Role
from store.connections import Database
from store.database import SqlStore
from store.records import Change, Membership, Principal
from store.token_query import QUERY
from tests.store.records import NOW, a_binding, a_cluster, a_token, a_user, let_in

SCANNED_TABLES = {"roles", "held"}
"""Custom roles are few, and an index has already found the user's bindings."""


def a_role(**values: Any) -> Role:
    role = Role(
        id="r-deployer",
        scope="cluster",
        name="deployer",
        description="",
        rules=(PolicyRule(("apps",), ("deployments",), ("get", "patch")),),
        created_at=NOW,
        revision=1,
    )
    return replace(role, **values)


@pytest.fixture
def connections(store: SqlStore) -> Database:
    return store._connections


@pytest.fixture
async def statements(connections: Database) -> AsyncIterator[list[str]]:
    """Record the statements that the reading connections execute."""
    seen: list[str] = []
    engine = connections.engines.reader.sync_engine

    def note(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


async def test_resolve_sends_one_query(store: SqlStore, statements: list[str]) -> None:
    await store.users.create(a_user())
    await store.clusters.create(a_cluster())
    await store.users.set_memberships("u-alice", "x", [Membership("x_group://1", "x", "One")])
    await let_in(store, "c-prod", "u-alice")
    await store.bindings.create(a_binding("x_group://1", "cluster-read-only"))
    await store.tokens.create(a_token())
    statements.clear()
    assert await store.tokens.resolve("token-a") is not None
    assert len(statements) == 1


async def test_resolve_of_unknown_token_sends_one_query(
    store: SqlStore, statements: list[str]
) -> None:
    assert await store.tokens.resolve("token-a") is None
    assert len(statements) == 1


async def test_query_scans_no_large_table(connections: Database) -> None:
    query = QUERY.params(token_name="token-a")
    async with connections.engines.writer.connect() as connection:
        statement = str(
            query.compile(connection.sync_engine, compile_kwargs={"literal_binds": True})
        )
        if connection.dialect.name == "postgresql":
            # Otherwise PostgreSQL scans tables this small, which is faster.
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
            plan = await connection.exec_driver_sql(f"EXPLAIN {statement}")
            pattern = r"(?:Seq|CTE) Scan on (\w+)"
        else:
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")
            pattern = r"SCAN (\w+)"
        lines = "\n".join(str(row) for row in plan)
    assert "tokens" in lines
    assert set(re.findall(pattern, lines)) <= SCANNED_TABLES, lines


async def test_resolve_returns_custom_roles_to_their_holders_only(store: SqlStore) -> None:
    roles = [a_role(), a_role(id="r-other", name="other", inherits=("r-deployer",))]
    for one in roles:
        await store.roles.create(one)
    await store.clusters.create(a_cluster())
    for name, role in (("alice", "r-other"), ("bob", "cluster-member")):
        await store.users.create(a_user(name))
        await store.tokens.create(a_token(f"token-{name}", f"u-{name}"))
        await let_in(store, "c-prod", f"u-{name}", role)
    holder, other = [await store.tokens.resolve(f"token-{one}") for one in ("alice", "bob")]
    assert holder is not None
    assert other is not None
    assert sorted(holder[3].roles, key=lambda one: one.id) == roles
    assert other[3].roles == []


async def test_resolve_returns_all_principals_and_groups_in_order(store: SqlStore) -> None:
    principals = (
        Principal("local://u-alice", "local", "alice"),
        Principal("x_user://7", "x", 'Alice "Al" Ünïcode\\'),
    )
    await store.users.create(a_user(principals=principals))
    groups = [Membership(f"x_group://{n}", "x", f"gröup,{n}") for n in (3, 1, 2)]
    await store.users.set_memberships("u-alice", "x", groups)
    await store.tokens.create(a_token())
    found = await store.tokens.resolve("token-a")
    assert found is not None
    assert found[1].principals == principals
    assert found[2] == sorted(groups, key=lambda one: one.id)


async def test_resolve_sees_new_binding(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.clusters.create(a_cluster())
    await store.tokens.create(a_token())
    async with store.changes.subscribe() as changes:
        await let_in(store, "c-prod", "u-alice")
        assert await anext(changes) == Change("user", "u-alice")
        found = await store.tokens.resolve("token-a")
    assert found is not None
    assert [one.role_id for one in found[3].bindings] == ["cluster-member"]
