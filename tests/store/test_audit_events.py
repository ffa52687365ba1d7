"""The searchable audit log, over SQLite and PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from store.access_records import Project, ProjectNamespace
from store.audit_events import SqlAuditEvents
from store.audit_records import AuditCursor, AuditEvent, AuditFilter, AuditScope
from store.database import SqlStore, open_store
from store.encryption import Keyring
from tests.store.direct_access import execute
from tests.store.records import NOW, a_cluster

ALL = AuditScope(everything=True)
EVERY = AuditFilter()


def an_event(number: int = 0, **values: Any) -> AuditEvent:
    """Return a refused deletion, ``number`` seconds after the others."""
    at = NOW + timedelta(seconds=number)
    event = AuditEvent(
        at=at,
        received_at=at,
        request_id=f"request-{number}",
        stage="ResponseComplete",
        verb="delete",
        code=403,
        outcome="refused",
        answered_by="cluster",
        user_id="u-alice",
        username="alice",
        principal_id="local://u-alice",
        token="token-a",
        cluster_id="c-prod",
        cluster="prod",
        namespace="shop",
        resource="secrets",
        name="db",
        path="/api/v1/namespaces/shop/secrets/db",
        reason="RBAC",
        source="192.0.2.7",
        user_agent="kubectl",
        details='{"groups": ["github_team://42"]}',
    )
    return replace(event, **values)


async def names(store: SqlStore, scope: AuditScope = ALL, **wanted: Any) -> list[str]:
    page = await store.audit.page(scope, AuditFilter(**wanted), limit=100, after=None)
    return [one.request_id for one in page.events]


async def test_stored_event_is_returned_unchanged(store: SqlStore) -> None:
    event = an_event(impersonated="bob", sign_in=True, subresource="x", api_group="apps")
    await store.audit.append([event])
    (found,) = (await store.audit.page(ALL, EVERY, limit=10, after=None)).events
    assert replace(found, seq=0) == event
    assert found.seq > 0


async def test_events_are_newest_first_in_pages_that_new_events_do_not_shift(
    store: SqlStore,
) -> None:
    # Two events of each time: the order within one time is stable too.
    await store.audit.append(
        [an_event(number // 2, request_id=f"r{number}") for number in range(10)]
    )
    first = await store.audit.page(ALL, EVERY, limit=3, after=None)
    await store.audit.append([an_event(99)])
    second = await store.audit.page(ALL, EVERY, limit=3, after=first.next)
    third = await store.audit.page(ALL, EVERY, limit=30, after=second.next)
    shown = [one.request_id for page in (first, second, third) for one in page.events]
    assert shown == [f"r{number}" for number in range(9, -1, -1)]
    assert third.next is None


@pytest.mark.parametrize(
    ("wanted", "differs"),
    [
        ({"user_id": "u-alice"}, {"user_id": "u-bob"}),
        ({"user": "alice"}, {"username": "bob"}),
        ({"user": "u-alice"}, {"user_id": "u-bob"}),
        ({"user": "local://u-alice"}, {"principal_id": "local://u-bob"}),
        ({"impersonated": ""}, {"impersonated": "bob"}),
        ({"verbs": ("delete", "patch")}, {"verb": "create"}),
        ({"token": "token-a"}, {"token": "token-A"}),
        ({"api_group": ""}, {"api_group": "apps"}),
        ({"resource": "secrets"}, {"resource": "pods"}),
        ({"subresource": ""}, {"subresource": "log"}),
        ({"name": "db"}, {"name": "DB"}),
        ({"path": "/api/v1/namespaces/shop/secrets/db"}, {"path": "/api"}),
        ({"path": "/api/v1/namespaces/shop/*"}, {"path": "/api/v1/namespaces/Shop/x"}),
        ({"path": "/api/v1/%*"}, {"path": "/api/v1/x"}),
        ({"cluster_id": "c-prod"}, {"cluster_id": "c-test"}),
        ({"cluster": "prod"}, {"cluster": "test"}),
        ({"cluster": "c-prod"}, {"cluster_id": "c-test"}),
        ({"namespace": "shop"}, {"namespace": ""}),
        ({"codes": (400, 403)}, {"code": 404}),
        ({"outcome": "refused"}, {"outcome": "error"}),
        ({"answered_by": "cluster"}, {"answered_by": "sekisho"}),
        ({"sign_in": False}, {"sign_in": True}),
        ({"request_id": "request-0"}, {"request_id": "request-1"}),
        ({"since": NOW}, {"at": NOW - timedelta(seconds=1)}),
        ({"until": NOW + timedelta(seconds=1)}, {"at": NOW + timedelta(seconds=1)}),
    ],
)
async def test_filter_selects_events_that_meet_it(
    store: SqlStore, wanted: dict[str, Any], differs: dict[str, Any]
) -> None:
    if wanted.get("path") == "/api/v1/%*":
        await store.audit.append([an_event(path="/api/v1/%41")])
    else:
        await store.audit.append([an_event()])
    await store.audit.append([an_event(**{"token": "other", **differs})])
    page = await store.audit.page(ALL, AuditFilter(**wanted), limit=10, after=None)
    assert [one.token for one in page.events] == ["token-a"]
    tail = await store.audit.tail(ALL, AuditFilter(**wanted), limit=10, seq=0)
    assert [one.token for one in tail.events] == ["token-a"]


@pytest.mark.parametrize("name", ["user", "name", "path", "request_id", "namespace"])
async def test_unstorable_text_in_a_filter_finds_nothing(store: SqlStore, name: str) -> None:
    await store.audit.append([an_event()])
    page = await store.audit.page(ALL, AuditFilter(**{name: "\0"}), limit=9, after=None)  # type: ignore[arg-type]
    assert page.events == ()
    assert await names(store, verbs=("\ud800",)) == []


async def test_scope_contains_own_cluster_and_project_events_only(store: SqlStore) -> None:
    await store.audit.append(
        [
            an_event(1, cluster_id="c-x", project_id="p-x"),
            an_event(2, user_id="u-bob", cluster_id="c-prod", project_id="p-x"),
            an_event(3, user_id="u-bob", cluster_id="c-x", project_id="p-shop"),
            an_event(4, user_id="u-bob", cluster_id="c-y", project_id="p-y"),
            an_event(5, user_id="u-bob", cluster_id="c-y", namespace=""),
            an_event(6, user_id="", cluster_id="", namespace=""),
        ]
    )
    assert await names(store, AuditScope()) == []
    assert await names(store, AuditScope(user_id="u-alice")) == ["request-1"]
    assert await names(store, AuditScope(clusters=frozenset({"c-prod"}))) == ["request-2"]
    assert await names(store, AuditScope(projects=frozenset({"p-shop"}))) == ["request-3"]
    assert await names(store, AuditScope(all_projects_of=frozenset({"c-y"}))) == ["request-4"]
    union = AuditScope(
        user_id="u-alice", clusters=frozenset({"c-prod"}), projects=frozenset({"p-shop"})
    )
    assert await names(store, union) == ["request-3", "request-2", "request-1"]
    assert await store.audit.by_request_id("request-6", union) == []
    assert len(await store.audit.by_request_id("request-6")) == 1


async def test_event_has_the_project_of_its_namespace_when_it_is_stored(store: SqlStore) -> None:
    await store.clusters.create(a_cluster("prod"))
    for name in ("shop", "later"):
        await store.projects.create(Project(f"p-{name}", "c-prod", name, NOW))
    await store.projects.put_namespace(ProjectNamespace("c-prod", "shop", "uid", "p-shop"))
    await store.audit.append([an_event(1), an_event(2, namespace="other"), an_event(3)])
    await store.projects.put_namespace(ProjectNamespace("c-prod", "shop", "uid", "p-later"))
    await store.audit.append([an_event(4), an_event(5, cluster_id="c-test")])
    assert await names(store, project_id="p-shop") == ["request-3", "request-1"]
    assert await names(store, project_id="p-later") == ["request-4"]


async def test_page_examines_a_bounded_number_of_events_and_continues(
    store: SqlStore,
) -> None:
    audit = SqlAuditEvents(store._audit, max_examined=4)
    hidden = [an_event(number, user_id="u-bob", verb="get") for number in range(100, 110)]
    visible = [an_event(number, verb="get") for number in range(10)]
    await store.audit.append([an_event(-1), *visible, *hidden])
    # Events that the caller may not see are no part of what is examined: no page hints at them.
    scope, after = AuditScope(user_id="u-alice"), None
    pages: list[list[str]] = []
    while not pages or after is not None:
        page = await audit.page(scope, AuditFilter(verbs=("delete",)), limit=5, after=after)
        pages.append([one.request_id for one in page.events])
        after = page.next
    assert pages == [[], [], ["request--1"]]


async def test_tail_returns_each_event_once_in_the_order_of_storing(store: SqlStore) -> None:
    start = await store.audit.tail(ALL, EVERY, limit=10, seq=None)
    assert start.events == ()
    await store.audit.append([an_event(5), an_event(1)])
    await asyncio.gather(*(store.audit.append([an_event(10 + one)]) for one in range(8)))
    seen: list[str] = []
    seq = start.seq
    while (tail := await store.audit.tail(ALL, EVERY, limit=3, seq=seq)).events:
        seen += [one.request_id for one in tail.events]
        seq = tail.seq
    assert seen[:2] == ["request-5", "request-1"]
    assert sorted(seen[2:]) == [f"request-{10 + one}" for one in range(8)]
    quiet = await store.audit.tail(AuditScope(user_id="u-x"), EVERY, limit=3, seq=start.seq)
    assert quiet == replace(quiet, events=(), seq=seq)


async def test_prune_deletes_old_events_and_then_the_oldest_of_the_largest_users(
    store: SqlStore,
) -> None:
    audit = SqlAuditEvents(store._audit, prune_batch=7)
    await store.audit.append([an_event(-1000 - one) for one in range(20)])
    assert await audit.prune(NOW - timedelta(seconds=500), 1000) == 20
    quiet = [an_event(one, user_id="u-quiet") for one in range(5)]
    strangers = [an_event(100 + one, user_id="") for one in range(30)]
    noisy = [an_event(200 + one, user_id="u-noisy") for one in range(40)]
    await store.audit.append([*quiet, *strangers, *noisy])
    assert await audit.prune(NOW - timedelta(days=1), 40) == 35
    left = (await store.audit.page(ALL, EVERY, limit=100, after=None)).events
    by_user = {
        user: [one for one in left if one.user_id == user] for user in ("u-quiet", "", "u-noisy")
    }
    assert {user: len(held) for user, held in by_user.items()} == {
        "u-quiet": 5,
        "": 25,
        "u-noisy": 10,
    }
    assert by_user["u-noisy"][0].request_id == "request-239"
    assert await audit.prune(NOW - timedelta(days=1), 12) == 28
    left = (await store.audit.page(ALL, EVERY, limit=100, after=None)).events
    assert sum(one.user_id == "u-quiet" for one in left) == 5


async def test_numbers_are_not_used_again_after_all_events_are_deleted(store: SqlStore) -> None:
    await store.audit.append([an_event(1)])
    position = (await store.audit.tail(ALL, EVERY, limit=1, seq=None)).seq
    await store.audit.prune(NOW + timedelta(days=1), 1000)
    await store.audit.append([an_event(2)])
    tail = await store.audit.tail(ALL, EVERY, limit=10, seq=position)
    assert [one.request_id for one in tail.events] == ["request-2"]


async def test_cursor_at_one_time_continues_with_lower_numbers(store: SqlStore) -> None:
    await store.audit.append([an_event(0, request_id=f"r{one}") for one in range(3)])
    newest = (await store.audit.page(ALL, EVERY, limit=1, after=None)).events[0]
    after = AuditCursor(newest.at, newest.seq)
    rest = await store.audit.page(ALL, EVERY, limit=5, after=after)
    assert [one.request_id for one in rest.events] == ["r1", "r0"]


async def test_sqlite_events_are_in_a_file_of_their_own(tmp_path: Path, keyring: Keyring) -> None:
    """Events cause no change in the main file, which would make every worker read its caches."""
    url = f"sqlite:///{tmp_path}/sekisho.db"
    store = await open_store(url, keyring)
    assert not (tmp_path / "sekisho-audit.db").exists()
    await store.audit.append([an_event()])
    file = tmp_path / "sekisho-audit.db"
    assert file.stat().st_mode & 0o777 == 0o600
    await store.close()
    # Of another version: emptied, because the log's own file has the events.
    await execute(f"sqlite:///{file}", "PRAGMA user_version = 99")
    store = await open_store(url, keyring)
    assert await names(store) == []
    await store.close()
