"""Several PostgreSQL servers in ``store.url``: a failover, lost servers, servers that refuse."""

import contextlib
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from store.database import SqlStore, open_store
from store.encryption import Keyring
from store.engine import Timeouts
from store.errors import StoreUnavailable
from store.records import Change
from tests.store.records import a_user
from tests.store.relay import relayed
from tests.support.postgres import free_port
from tests.support.postgres_pair import PRIMARY, STANDBY, PostgresPair, postgres_pair
from tests.support.waiting import eventually, within

KEYRING = Keyring([b"k" * 32])


@pytest.fixture
def pair() -> Iterator[PostgresPair]:
    with postgres_pair() as made:
        yield made


def with_hosts(url: str, *hosts: str) -> str:
    """Return the URL of a database with other hosts: names with ports."""
    before, _, rest = url.partition("@")
    return f"{before}@{','.join(hosts)}/{rest.partition('/')[2]}"


def host_of(url: str) -> str:
    return url.partition("@")[2].partition("/")[0]


async def writes(store: SqlStore, name: str) -> bool:
    try:
        await store.users.create(a_user(id=f"u-{name}", username=name, principals=()))
    except StoreUnavailable:
        return False
    return True


async def test_store_continues_at_promoted_standby_and_announces_change_of_all(
    pair: PostgresPair,
) -> None:
    store = await open_store(pair.both, KEYRING)
    try:
        await eventually(lambda: store.changes.live, what="the change feed")
        await store.users.create(a_user())
        pair.stop(PRIMARY)
        await eventually(lambda: not store.changes.live, what="the loss of the feed")
        with pytest.raises(StoreUnavailable, match="no server that responds accepts writes"):
            await store.users.get("u-alice")
        async with store.changes.subscribe() as changes:
            pair.promote(STANDBY)
            while await anext(changes) != Change("all"):
                pass
        await eventually(lambda: writes(store, "bob"), what="a write at the new primary")
        assert await store.users.get("u-alice") == a_user()
        pair.rejoin(PRIMARY, STANDBY)
        assert await writes(store, "carol")
    finally:
        await store.close()


async def test_standby_alone_is_reported(pair: PostgresPair) -> None:
    await (await open_store(pair.url(pair.ports[PRIMARY]), KEYRING)).close()
    url = pair.url(pair.ports[STANDBY]) + "?target_session_attrs=read-write"
    with pytest.raises(StoreUnavailable, match="promote a standby, or correct") as caught:
        await open_store(url, KEYRING)
    assert "pw@" not in str(caught.value)


@pytest.mark.parametrize("first", [True, False])
async def test_silent_host_does_not_delay_connections_to_the_other(
    postgres_database: str, *, first: bool
) -> None:
    async with relayed(postgres_database) as (silent, relay):
        relay.silence()
        hosts = [host_of(silent), host_of(postgres_database)]
        if not first:
            hosts.reverse()
        with within(4):  # A connection attempt may take five seconds.
            store = await open_store(with_hosts(postgres_database, *hosts), KEYRING)
        try:
            assert await writes(store, "alice")
        finally:
            await store.close()


async def test_refused_host_is_skipped_and_reason_of_other_is_reported(
    postgres_database: str,
) -> None:
    refused = f"127.0.0.1:{free_port()}"
    url = with_hosts(postgres_database, refused, host_of(postgres_database))
    await (await open_store(url, KEYRING)).close()
    with pytest.raises(StoreUnavailable, match="the database does not exist; create it"):
        await open_store(url + "_none", KEYRING)
    with pytest.raises(StoreUnavailable, match="nothing listens there"):
        await open_store(with_hosts(postgres_database, refused, refused), KEYRING)


async def test_locks_of_a_replica_that_is_lost_without_a_word_end(postgres_database: str) -> None:
    timeouts = Timeouts(transaction=1.0)
    async with relayed(postgres_database) as (url, relay):
        lost = await open_store(url, KEYRING, timeouts=timeouts)
        other = await open_store(postgres_database, KEYRING)
        try:
            await lost.users.create(a_user())
            updated = False
            with contextlib.suppress(StoreUnavailable):
                async with lost._connections.write() as connection:
                    await connection.execute(text("UPDATE users SET enabled = false"))
                    relay.silence()
                    # It waits for the lock, for at most ten seconds.
                    await other.users.update("u-alice", enabled=False)
                    updated = True
                    relay.cut()
            assert updated
        finally:
            relay.resume()
            await lost.close()
            await other.close()
