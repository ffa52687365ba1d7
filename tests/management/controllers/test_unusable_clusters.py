"""What the controllers of clusters that cannot be used send, hold open, write, and log."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from management.controllers.timing import STORE_TURNS
from management.identity.users import new_user
from store.interfaces import Store
from store.records import Cluster, CredentialSource
from tests.management.controllers.real_cluster import running_manager
from tests.store.records import a_cluster
from tests.support.addresses import LOOPBACK
from tests.support.other_connection import other_connection
from tests.support.waiting import eventually

CLUSTERS = 10

MOST_CONNECTIONS = 6
"""The first attempt, which all callers share, and the first retries, which come one by one."""


class Hostile:
    """A listener that never sends a useful response. ``opened`` counts connections."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.opened = self.open = self.most_open = self.port = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            while self.kind != "closes" and await reader.read(65536):
                if self.kind.isdigit():
                    status = self.kind.encode()
                    writer.write(b"HTTP/1.1 %b No\r\nContent-Length: 0\r\n\r\n" % status)
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def listening(kind: str) -> AsyncIterator[Hostile]:
    hostile = Hostile(kind)
    server = await asyncio.start_server(hostile, "127.0.0.1", 0)
    hostile.port = server.sockets[0].getsockname()[1]
    async with server:
        yield hostile


def bad_cluster(port: int, number: int = 0) -> Cluster:
    return a_cluster(
        f"bad-{number}",
        servers=(f"https://127.0.0.1:{port}",),
        ca_pem=None,
        credential_source=CredentialSource.STATIC,
        tokens_expire_at=None,
        trusted_addresses=LOOPBACK,
    )


async def unusable(store: Store) -> int:
    """Return how many clusters are stored as such, by a probe and by an informer."""
    found = 0
    for status in (await store.fleet.statuses()).values():
        shown = {one["type"]: one for one in status.data["conditions"]}
        found += (
            shown["Reachable"]["status"] == "False"
            and "127.0.0.1" in shown["CollectionsSynced"]["message"]
        )
    return found


@pytest.mark.parametrize("kind", ["closes", "silent"])
async def test_callers_of_an_unusable_cluster_connect_one_at_a_time(
    store: Store, kind: str
) -> None:
    async with listening(kind) as hostile:
        await store.clusters.create(bad_cluster(hostile.port))
        with capture_logs() as logged:
            async with running_manager(store):
                await eventually(lambda: _all(store, 1))
        assert hostile.most_open == 1
        assert hostile.opened <= MOST_CONNECTIONS
        about = [one for one in logged if one.get("error") and one["event"].startswith("registrar")]
        assert [one["cluster"] for one in about] == ["bad-0"]


async def _all(store: Store, count: int) -> bool:
    return await unusable(store) == count


async def test_write_of_a_user_does_not_wait_for_those_of_all_observers(
    store: Store, tmp_path: Path
) -> None:
    async with listening("closes") as hostile:
        for number in range(CLUSTERS):
            await store.clusters.create(bad_cluster(hostile.port, number))
        async with (
            other_connection(tmp_path / "store.db") as other,
            running_manager(store) as manager,
        ):
            await eventually(lambda: len(manager.clusters) == CLUSTERS)
            await other.execute("BEGIN IMMEDIATE")
            before = len(await store.fleet.statuses())
            await eventually(lambda: hostile.opened >= 2 * CLUSTERS)
            writing = asyncio.create_task(store.users.create(new_user("dave")))
            await asyncio.sleep(0)
            await other.execute("COMMIT")
            await writing
            assert len(await store.fleet.statuses()) - before <= STORE_TURNS + 1
