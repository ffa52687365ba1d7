"""Last uses of tokens delay no request: they are merged, and failed writes are only counted.

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

from proxy.cli.admin.database import offline_store
from proxy.metrics.token_usage import TokenUsageRecorder
from proxy.transport.certificates import KeyPair
from tests.faults.conftest import FaultSekisho
from tests.support.fault_proxy import FaultProxy
from tests.support.other_connection import other_connection
from tests.support.scripted_api_server import ScriptedApiServer, issue
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.waiting import wait_until, within

PATH = "/k8s/clusters/scripted/api"
FAILURES = "sekisho_token_last_used_write_failures_total"

OFTEN = """
import proxy.metrics.token_usage
proxy.metrics.token_usage.WRITE_SECONDS = 1.0
"""
"""Runs before the server, which writes last uses each half minute otherwise: long for a test."""


@contextmanager
def locked(sekisho: Sekisho) -> Iterator[None]:
    """Lock the store from another process."""
    connection = sqlite3.connect(sekisho.folder / "data" / "sekisho.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.close()


@pytest.fixture
def api_server(authority: KeyPair) -> Iterator[ScriptedApiServer]:
    with ScriptedApiServer(issue(authority)) as api_server:
        yield api_server


@pytest.fixture
def often(
    prepared: FaultSekisho, api_server: ScriptedApiServer, authority: KeyPair, tmp_path: Path
) -> Iterator[FaultSekisho]:
    """A Sekisho that writes last uses every second."""
    own = prepared.copy(tmp_path, **writing_often(tmp_path))
    own.put_cluster("scripted", [api_server.url], authority.certificate_pem)
    with running(own):
        yield own
        assert own.stop() == 0


def writing_often(folder: Path) -> dict[str, str]:
    (folder / "sitecustomize.py").write_text(OFTEN)
    return {"PYTHONPATH": f"{folder}:{Path(__file__).parents[2]}"}


def last_used(sekisho: Sekisho, user: str = "root") -> str | None:
    """Return when the user's newest token was last used, from the command line."""
    listed = json.loads(sekisho.run("admin", "token", "list", "--user", user, "-o", "json").stdout)
    found: str | None = listed[0]["last_used_at"]
    return found


def test_locked_store_delays_no_request_and_is_counted(often: FaultSekisho) -> None:
    assert often.request("GET", PATH, token=often.root).status == 200
    wait_until(lambda: last_used(often) is not None, 30, "a first write")
    before = last_used(often)
    with locked(often):
        while often.metric(FAILURES) == 0:
            # The store waits 5 s for a lock; a request that waited for it would take as long.
            with within(4):
                assert often.request("GET", PATH, token=often.root).status == 200
    assert '"last-used update failed"' in often.log
    failures = often.metric(FAILURES)
    assert often.request("GET", PATH, token=often.root).status == 200
    wait_until(lambda: last_used(often) != before, 30, "a write after the lock")
    assert often.metric(FAILURES) <= failures + 1


def test_many_uses_are_written_once(often: FaultSekisho) -> None:
    """Another process sees the database's version change with each write."""
    connection = sqlite3.connect(often.folder / "data" / "sekisho.db")
    version = connection.execute("PRAGMA data_version").fetchone()
    with ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(often.request, "GET", PATH, token=often.root) for _ in range(100)]
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


def test_frozen_postgresql_hangs_no_request_and_requests_recover(
    api_server: ScriptedApiServer, authority: KeyPair, tmp_path: Path, postgres_database: str
) -> None:
    """Tokens that cannot be checked are rejected within seconds: no stale result is used."""
    before, _, after = postgres_database.rpartition("/")
    host, _, port = before.rpartition(":")
    (tmp_path / "keys").write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    with FaultProxy(int(port)) as between:
        url = f"{host}:{between.port}/{after}"
        extra = f"store: {{url: '{url}', encryption_keys_file: keys}}\n"
        plain = make_sekisho(tmp_path, (free_port(), free_port()), extra)
        own = FaultSekisho(plain.folder, plain.port, plain.metrics_port, writing_often(tmp_path))
        own.create_user("root", "--admin")
        own.root = own.token("root")
        own.put_cluster("scripted", [api_server.url], authority.certificate_pem)
        own.start()
        try:
            assert own.request("GET", PATH, token=own.root).status == 200
            between.stall()
            codes = set()
            while own.metric(FAILURES) == 0:
                answer = own.request("GET", PATH, token=own.root)
                codes.add(answer.status)
                assert answer.status == 200 or answer.json()["kind"] == "Status"
            assert codes <= {200, 503}
            between.clear_faults()
            wait_until(lambda: own.request("GET", PATH, token=own.root).status == 200, 40)
            between.stall()
        finally:
            # Kubernetes kills a pod after 30 s; the store alone would take more than twenty.
            with within(18):
                assert own.stop() == 0


async def test_uses_of_a_token_are_merged_and_a_failed_write_is_counted_and_dropped(
    prepared: FaultSekisho, tmp_path: Path
) -> None:
    own = prepared.copy(tmp_path)
    registry = CollectorRegistry()
    async with offline_store(str(own.config)) as (_, store):
        last = TokenUsageRecorder(store.tokens, registry)
        name = own.root.partition(":")[0]
        async with other_connection(own.folder / "data" / "sekisho.db") as other:
            await other.execute("BEGIN EXCLUSIVE")
            for _ in range(1000):
                last.note(name)
            async with asyncio.timeout(60):
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
