"""Tests of PostgreSQL failures: crash, silence and restart."""

import asyncio
import contextlib
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from store.database import SqlStore, open_store, upgrade_database
from store.encryption import Keyring
from store.engine import DEFAULT_TIMEOUTS, Timeouts
from store.errors import StoreUnavailable
from store.records import Change
from tests.store.records import NOW, a_user
from tests.store.relay import relayed
from tests.support import postgres
from tests.support.waiting import within

HANG = 120
"""Seconds after which a test that hangs ends."""


class Server:
    """PostgreSQL server that the test may kill and start again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._programs = postgres.find_programs()
        self._port = postgres.free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://{postgres.USER}:pw@127.0.0.1:{self._port}/postgres"
        postgres.make_cluster(self._programs, directory, "pw")

    def start(self) -> None:
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                postgres.as_server_user(
                    self._programs / "postgres",
                    *(f"-D{self._directory}/data", f"-k{self._directory}"),
                    *("-h127.0.0.1", f"-p{self._port}", "-F"),
                ),
                stdout=log,
                stderr=log,
            )
        postgres.wait_until_ready(self._programs, self.url, self._process, self._directory / "log")

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(120)


@pytest.fixture
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="sekisho-postgres-") as name:
        shutil.chown(name, postgres.server_user())
        server = Server(Path(name))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextlib.asynccontextmanager
async def opened(url: str, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> AsyncIterator[SqlStore]:
    store = await open_store(url, Keyring([b"k" * 32]), timeouts=timeouts)
    try:
        await until_live(store, True)
        yield store
    finally:
        await store.close()


async def until_live(store: SqlStore, expected: bool) -> None:
    async with asyncio.timeout(HANG):
        while store.changes.live is not expected:
            await asyncio.sleep(0.01)


async def until(changes: AsyncIterator[Change], expected: Change) -> None:
    async with asyncio.timeout(HANG):
        while await anext(changes) != expected:
            pass


async def test_restart_announces_change_of_all_and_reconnects(server: Server) -> None:
    async with opened(server.url) as store, opened(server.url) as other:
        await store.users.create(a_user())
        server.stop()
        await until_live(store, False)
        with pytest.raises(StoreUnavailable, match="is not usable") as caught:
            await store.users.get("u-alice")
        assert "pw" not in str(caught.value)
        with pytest.raises(StoreUnavailable):
            await store.ping()
        async with store.changes.subscribe() as changes:
            server.start()
            await until(changes, Change("all"))
            assert await store.users.get("u-alice") == a_user()
            await until_live(other, True)
            await other.users.update("u-alice", enabled=False)
            with within(1):
                await until(changes, Change("user", "u-alice"))


async def test_silent_connection_is_detected_within_one_second(
    postgres_database: str,
) -> None:
    async with relayed(postgres_database) as (url, relay), opened(url) as store:
        relay.silence()
        with within(1):
            await until_live(store, False)
        async with store.changes.subscribe() as changes:
            relay.resume()
            await until(changes, Change("all"))
        await until_live(store, True)
        await store.ping()


async def test_silent_database_raises_within_timeout(
    postgres_database: str,
) -> None:
    timeouts = Timeouts(busy=3, statement=3)
    async with relayed(postgres_database) as (url, relay), opened(url, timeouts) as store:
        relay.silence()
        async with asyncio.timeout(60):
            with pytest.raises(StoreUnavailable, match="did not respond in time"):
                await store.ping()
        relay.resume()
        await store.ping()


async def test_broken_pooled_connections_are_replaced_without_error(
    postgres_database: str,
) -> None:
    async with relayed(postgres_database) as (url, relay), opened(url) as store:
        await asyncio.gather(*(store.users.list_all() for _ in range(5)))
        relay.cut()
        await asyncio.gather(*(store.users.list_all() for _ in range(5)))
        await store.users.create(a_user())


async def test_silent_database_at_start_is_reported(
    postgres_database: str,
) -> None:
    async with relayed(postgres_database) as (url, relay):
        relay.silence()
        with pytest.raises(StoreUnavailable, match="did not respond in time"):
            await open_store(url, Keyring([b"k" * 32]), timeouts=Timeouts(busy=0.3))


async def test_missing_database_is_reported(postgres_database: str) -> None:
    with pytest.raises(StoreUnavailable, match="the database does not exist; create it"):
        await open_store(postgres_database + "_none", Keyring([b"k" * 32]))


async def test_server_without_required_tls_is_reported(postgres_database: str) -> None:
    with pytest.raises(StoreUnavailable, match="it offers no TLS, and sslmode requires it"):
        await open_store(f"{postgres_database}?sslmode=require", Keyring([b"k" * 32]))


async def test_missing_root_certificate_is_named(postgres_database: str, tmp_path: Path) -> None:
    url = f"{postgres_database}?sslmode=verify-full&sslrootcert={tmp_path}/ca.pem"
    with pytest.raises(StoreUnavailable, match=r"ca\.pem"):
        await open_store(url, Keyring([b"k" * 32]))


async def test_read_only_database_is_reported(postgres_database: str) -> None:
    await (await open_store(postgres_database, Keyring([b"k" * 32]))).close()
    connection = await asyncpg.connect(postgres_database)
    name = postgres_database.rpartition("/")[2]
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await connection.close()
    with pytest.raises(StoreUnavailable, match="it is read-only; name the primary server"):
        await open_store(postgres_database, Keyring([b"k" * 32]))


async def test_socket_is_reached_by_its_folder(server: Server) -> None:
    folder = server._directory
    port = server.url.rpartition(":")[2].partition("/")[0]
    url = f"postgresql://{postgres.USER}:pw@/postgres?host={folder}&port={port}"
    async with opened(url) as store:
        await store.ping()


async def test_folder_without_socket_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="nothing listens there"):
        await open_store(f"postgresql://u:pw@/x?host={tmp_path}", Keyring([b"k" * 32]))


async def test_change_with_oversized_key_is_announced_as_all(postgres_database: str) -> None:
    async with opened(postgres_database) as store, opened(postgres_database) as other:
        await store.users.create(a_user(id="u-" + "x" * 1900, principals=()))
        async with other.changes.subscribe() as changes:
            assert not await store.tokens.shorten("y" * 9000, NOW)
            with within(1):
                await until(changes, Change("all"))


async def test_missing_file_of_the_database_ca_is_named(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(StoreUnavailable, match=r"store.url: root certificate file .*root.crt"):
        await upgrade_database(f"{postgres_database}?sslmode=verify-full")
