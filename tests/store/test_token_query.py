"""The look-up of a token that isn't cached: one query, and by indexes only."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, text

from store.access_records import PolicyRule, Role
from store.connections import Connections
from store.database import SqlStore
from store.interfaces import Change, Membership, Principal
from store.worth import QUERY
from tests.store.records import NOW, a_binding, a_cluster, a_token, a_user, let_in

READ_WHOLE = {"roles", "held"}
"""Roles that people made are few, and what somebody holds was found by an index already."""


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
def connections(store: SqlStore) -> Connections:
    return store._connections


@pytest.fixture
async def statements(connections: Connections) -> AsyncIterator[list[str]]:
    """The statements that read from now on."""
    seen: list[str] = []
    engine = connections.engines.reader.sync_engine

    def note(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


async def test_a_token_and_all_that_decides_is_found_by_one_query(
    store: SqlStore, statements: list[str]
) -> None:
    await store.users.create(a_user())
    await store.clusters.create(a_cluster())
    await store.users.set_memberships("u-alice", "x", [Membership("x_group://1", "x", "One")])
    await let_in(store, "c-prod", "u-alice")
    await store.bindings.create(a_binding("x_group://1", "cluster-read-only"))
    await store.tokens.create(a_token())
    statements.clear()
    assert await store.tokens.resolve("token-a") is not None
    assert len(statements) == 1


async def test_a_name_that_no_token_has_costs_one_query_too(
    store: SqlStore, statements: list[str]
) -> None:
    assert await store.tokens.resolve("token-a") is None
    assert len(statements) == 1


async def test_the_query_reads_no_table_from_end_to_end(connections: Connections) -> None:
    asked = QUERY.params(token_name="token-a")
    async with connections.engines.writer.connect() as connection:
        said = str(asked.compile(connection.sync_engine, compile_kwargs={"literal_binds": True}))
        if connection.dialect.name == "postgresql":
            # Otherwise it would read such small tables whole, and rightly.
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
            plan = await connection.exec_driver_sql(f"EXPLAIN {said}")
            pattern = r"(?:Seq|CTE) Scan on (\w+)"
        else:
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}")
            pattern = r"SCAN (\w+)"
        lines = "\n".join(str(row) for row in plan)
    assert "tokens" in lines
    assert set(re.findall(pattern, lines)) <= READ_WHOLE, lines


async def test_roles_that_people_made_are_told_to_who_holds_one(store: SqlStore) -> None:
    made = [a_role(), a_role(id="r-other", name="other", inherits=("r-deployer",))]
    for one in made:
        await store.roles.create(one)
    await store.clusters.create(a_cluster())
    for name, role in (("alice", "r-other"), ("bob", "cluster-member")):
        await store.users.create(a_user(name))
        await store.tokens.create(a_token(f"token-{name}", f"u-{name}"))
        await let_in(store, "c-prod", f"u-{name}", role)
    holder, other = [await store.tokens.resolve(f"token-{one}") for one in ("alice", "bob")]
    assert holder is not None
    assert other is not None
    assert sorted(holder[3].roles, key=lambda one: one.id) == made
    assert other[3].roles == []


async def test_principals_and_groups_come_whole_and_in_order(store: SqlStore) -> None:
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


async def test_what_was_granted_a_moment_ago_is_seen(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.clusters.create(a_cluster())
    await store.tokens.create(a_token())
    async with store.changes.subscribe() as changes:
        await let_in(store, "c-prod", "u-alice")
        assert await anext(changes) == Change("user", "u-alice")
        found = await store.tokens.resolve("token-a")
    assert found is not None
    assert [one.role_id for one in found[3].bindings] == ["cluster-member"]
