"""Bookkeeping never hurts a request: last uses are coalesced, and their failure is only counted.

rancher#49017 and #48986: a token's last use, written with each request, made requests wait for the
store, and fail with it.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from proxy.certificates import KeyPair
from proxy.cli.common import offline_store
from proxy.last_used import LastUsed
from tests.faults.conftest import Besieged
from tests.parts.fault_proxy import FaultProxy
from tests.parts.scripted_master import ScriptedMaster, issue
from tests.parts.sekisho import Sekisho, free_port, make_sekisho
from tests.parts.vitals import until

PATH = "/k8s/clusters/scripted/api"
FAILURES = "sekisho_last_used_failures_total"

OFTEN = """
import proxy.last_used
proxy.last_used.WRITE_SECONDS = 1.0
"""
"""Runs before the server, which writes last uses each half minute otherwise: long for a test."""


@contextmanager
def locked(sekisho: Sekisho) -> Iterator[None]:
    """The store, locked by another process for as long as it likes."""
    connection = sqlite3.connect(sekisho.folder / "data" / "sekisho.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.close()


@pytest.fixture
def master(authority: KeyPair) -> Iterator[ScriptedMaster]:
    with ScriptedMaster(issue(authority)) as master:
        yield master


@pytest.fixture
def often(
    prepared: Besieged, master: ScriptedMaster, authority: KeyPair, tmp_path: Path
) -> Iterator[Besieged]:
    """A Sekisho that writes last uses each second."""
    own = prepared.copy(tmp_path, **writing_often(tmp_path))
    own.put_cluster("scripted", [master.url], authority.certificate_pem)
    own.start()
    yield own
    assert own.stop() == 0


def writing_often(folder: Path) -> dict[str, str]:
    (folder / "sitecustomize.py").write_text(OFTEN)
    return {"PYTHONPATH": f"{folder}:{Path(__file__).parents[2]}"}


def last_used(sekisho: Sekisho, user: str = "root") -> str | None:
    """When the user's newest token was last used, as the command line tells."""
    listed = json.loads(sekisho.run("token", "list", "--user", user, "-o", "json").stdout)
    found: str | None = listed[0]["last_used_at"]
    return found


def test_a_locked_store_costs_no_request_anything_and_is_counted(often: Besieged) -> None:
    assert often.ask("GET", PATH, token=often.root).status == 200
    until(lambda: last_used(often) is not None, 30, "a first write")
    before = last_used(often)
    with locked(often):
        slowest = 0.0
        while often.metric(FAILURES) == 0:
            started = time.monotonic()
            assert often.ask("GET", PATH, token=often.root).status == 200
            slowest = max(slowest, time.monotonic() - started)
        # The store's own patience with a lock is 5 s; a request that waited for it would show it.
        assert slowest < 4
    assert '"last uses not written"' in often.log
    failures = often.metric(FAILURES)
    assert often.ask("GET", PATH, token=often.root).status == 200
    until(lambda: last_used(often) != before, 30, "a write after the lock")
    assert often.metric(FAILURES) <= failures + 1


def test_many_uses_are_one_write(often: Besieged) -> None:
    """Another process sees the database's version move with each write."""
    connection = sqlite3.connect(often.folder / "data" / "sekisho.db")
    version = connection.execute("PRAGMA data_version").fetchone()
    with ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(often.ask, "GET", PATH, token=often.root) for _ in range(100)]
        seconds = time.monotonic()
        writes = 0
        while not all(one.done() for one in asked):
            now = connection.execute("PRAGMA data_version").fetchone()
            writes += now != version
            version = now
        seconds = time.monotonic() - seconds
    assert {one.result().status for one in asked} == {200}
    assert writes <= seconds + 2, "one a second, not one a request"
    connection.close()


def test_a_frozen_postgresql_makes_no_request_hang_and_the_next_ones_pass(
    master: ScriptedMaster, authority: KeyPair, tmp_path: Path, postgres_database: str
) -> None:
    """What can't be checked any more is refused within seconds: nobody passes by an old answer."""
    before, _, after = postgres_database.rpartition("/")
    host, _, port = before.rpartition(":")
    (tmp_path / "keys").write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    with FaultProxy(int(port)) as between:
        url = f"{host}:{between.port}/{after}"
        extra = f"store: {{url: '{url}', encryption_keys_file: keys}}\n"
        plain = make_sekisho(tmp_path, (free_port(), free_port()), extra)
        own = Besieged(plain.folder, plain.port, plain.metrics_port, writing_often(tmp_path))
        own.create_user("root", "--admin")
        own.root = own.token("root")
        own.put_cluster("scripted", [master.url], authority.certificate_pem)
        own.start()
        try:
            assert own.ask("GET", PATH, token=own.root).status == 200
            between.stall()
            codes = set()
            while own.metric(FAILURES) == 0:
                answer = own.ask("GET", PATH, token=own.root)
                codes.add(answer.status)
                assert answer.status == 200 or answer.json()["kind"] == "Status"
            assert codes <= {200, 503}
            between.heal()
            until(lambda: own.ask("GET", PATH, token=own.root).status == 200, 40)
            between.stall()
        finally:
            started = time.monotonic()
            assert own.stop() == 0
        # Kubernetes kills what takes 30 s; the store alone would take more than twenty.
        assert time.monotonic() - started < 18


async def test_uses_of_one_token_are_one_and_a_failed_write_is_counted_and_forgotten(
    prepared: Besieged, tmp_path: Path
) -> None:
    own = prepared.copy(tmp_path)
    registry = CollectorRegistry()
    async with offline_store(str(own.config)) as (_, store):
        last = LastUsed(store.tokens, registry)
        name = own.root.partition(":")[0]
        with locked(own):
            for _ in range(1000):
                last.note(name)
            async with asyncio.timeout(30):
                await last.write()
        assert registry.get_sample_value(FAILURES) == 1
        await last.write()
        token = await store.tokens.get(name)
        assert token is not None
        assert token.last_used_at is None, "what failed is dropped, not kept for ever"
        last.note(name)
        await last.write()
        token = await store.tokens.get(name)
        assert token is not None
        assert token.last_used_at is not None
        assert registry.get_sample_value(FAILURES) == 1
