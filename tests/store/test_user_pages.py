"""Pages of users, on both databases: their order, and what a page costs."""

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, get_args, get_type_hints

import pytest
from sqlalchemy import event, insert
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncConnection

from store.database import SqlStore
from store.engine import make_engines
from store.locations import locate
from store.page_records import UserCounts, UserFilter, UserOrder
from store.records import User
from store.tables import users
from tests.store.records import a_user

MANY = 10_000
EVERY = UserFilter()
FIELDS = get_args(get_type_hints(UserOrder)["field"])
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def many_users(count: int) -> list[User]:
    return [
        a_user(
            f"{number:05}",
            username=f"{'Äb a_Z'[number % 6]}{number:05}",
            display_name=f"User {number % 100}",
            enabled=number % 10 != 0,
            created_at=BEGAN + timedelta(seconds=number // 2),
        )
        for number in range(count)
    ]


@pytest.fixture
async def stored(store: SqlStore) -> list[User]:
    found = many_users(60)
    for one in found:
        await store.users.create(one)
    return found


def value(user: User, field: str) -> Any:
    return getattr(user, field)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("field", FIELDS)
async def test_pages_together_are_all_users_in_order_of_code_points(
    store: SqlStore, stored: list[User], field: Any, *, descending: bool
) -> None:
    order = UserOrder(field, descending)
    found: list[User] = []
    after = None
    while page := await store.users.page(EVERY, order, after=after, limit=7):
        assert len(page) <= 7
        found += page
        after = (value(page[-1], field), page[-1].id)
    expected = sorted(stored, key=lambda one: (value(one, field), one.id), reverse=descending)
    assert [one.id for one in found] == [one.id for one in expected]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (UserFilter(username="b00001"), ["u-00001"]),
        (UserFilter(principal="local://u-00007"), ["u-00007"]),
        (UserFilter(principal="local://u-0000"), []),
        (UserFilter(search="B00001"), ["u-00001"]),
        (UserFilter(search="a_"), []),
        (UserFilter(search="_0001"), ["u-00010", "u-00016"]),
        (UserFilter(search="user 5", enabled=False), ["u-00050"]),
        (UserFilter(administrator=True), []),
        (UserFilter(search="a\0b"), []),
    ],
)
async def test_filter_selects_the_users_that_satisfy_it(
    store: SqlStore, stored: list[User], wanted: UserFilter, ids: list[str]
) -> None:
    found = await store.users.page(wanted, UserOrder("id"))
    assert [one.id for one in found] == ids


async def test_counts_are_those_of_all_users(store: SqlStore, stored: list[User]) -> None:
    await store.users.update("u-00001", administrator=True)
    assert await store.users.counts() == UserCounts(total=60, disabled=6, administrators=1)


async def read_in_order_of_an_index(
    connection: AsyncConnection, statement: str, values: Any
) -> None:
    """Assert that the database reads a page's rows in their order, and sorts nothing."""
    explain = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    plan = await connection.exec_driver_sql(f"{explain} {statement}", values)
    steps = "\n".join(str(one[-1]) for one in plan)
    assert "ix_users_username_id" in steps, steps
    assert not re.search("Sort|TEMP B-TREE|Seq Scan", steps), steps


@pytest.mark.parametrize(
    ("wanted", "after"),
    [(EVERY, None), (EVERY, ("b05005", "u-05005")), (UserFilter(search="user 5"), None)],
)
async def test_page_of_ten_thousand_users_reads_the_rows_of_the_page(
    url: str, store: SqlStore, wanted: UserFilter, after: tuple[str, str] | None
) -> None:
    engines = make_engines(locate(url))
    rows = [{**asdict(one), "labels": {}} for one in many_users(MANY)]
    names = users.c.keys()
    async with engines.writer.begin() as connection:
        kept = [{key: value for key, value in one.items() if key in names} for one in rows]
        await connection.execute(insert(users), kept)
    read: list[tuple[str, Any]] = []

    def collect(connection: Any, cursor: Any, statement: str, values: Any, *rest: Any) -> None:
        read.append((statement, values))

    event.listen(Engine, "before_cursor_execute", collect)
    try:
        found = await store.users.page(wanted, UserOrder(), after=after, limit=50)
    finally:
        event.remove(Engine, "before_cursor_execute", collect)
    assert (len(found), len(read)) == (50, 2)
    async with engines.writer.begin() as connection:
        await connection.exec_driver_sql("ANALYZE")
    async with engines.reader.connect() as connection:
        if wanted is EVERY:
            await read_in_order_of_an_index(connection, *read[0])
        for statement, values in read:
            counted = f"SELECT count(*) FROM ({statement}) AS page"
            result = await connection.exec_driver_sql(counted, values)
            assert result.scalar_one() == 50
    await engines.dispose()
