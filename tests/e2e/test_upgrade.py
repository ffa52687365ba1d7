"""A previous release and this one side by side on one database, under load."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.schema import HEAD
from tests.store.direct_access import rows
from tests.support.kubernetes import Kubernetes
from tests.support.releases import (
    FIRST_WITH_DOWNGRADES,
    RELEASES,
    Load,
    Release,
    beside,
    fill,
    stop_if_running,
)
from tests.support.sekisho import PASSWORD, Sekisho, await_bindings

SERVED = 40
"""Responses to await from each server while both run."""

SCHEMA = "SELECT version_num FROM alembic_version"


@pytest.fixture
def previous(
    release: Release, kubernetes: Kubernetes, postgres_database: str, tmp_path: Path
) -> Iterator[Sekisho]:
    """Return the release's server, with a cluster and users, on PostgreSQL."""
    made = release.server(tmp_path, postgres_database)
    fill(made, kubernetes)
    yield made
    stop_if_running(made)


@pytest.mark.parametrize("release", RELEASES[:1], ids=lambda one: one.schema)
def test_release_and_previous_one_serve_together_without_a_failed_request(
    release: Release, previous: Sekisho, postgres_database: str, tmp_path: Path
) -> None:
    token = previous.token("alice")
    previous.start()
    await_bindings(previous)
    assert asyncio.run(rows(postgres_database, SCHEMA)) == [(release.schema,)]
    current = beside(previous, tmp_path / "current")
    with Load(previous, token) as old:
        old.served(SERVED)
        current.start()  # which migrates
        try:
            assert asyncio.run(rows(postgres_database, SCHEMA)) == [(HEAD,)]
            with Load(current, token) as new:
                new.served(SERVED)
                old.served(SERVED)
                body = {"username": "alice", "password": PASSWORD}
                for writer, reader in ((previous, current), (current, previous)):
                    signed_in = writer.request("POST", "/v1/login/local", body=body)
                    assert signed_in.status == 200, signed_in.body
                    session = signed_in.json()["token"]
                    assert reader.request("GET", "/v1/me", token=session).status == 200
            assert new.failures == []
        finally:
            current.stop()
        old.served(SERVED)
    assert old.failures == []


@pytest.mark.parametrize(
    "release",
    [one for one in RELEASES if one.schema < FIRST_WITH_DOWNGRADES],
    ids=lambda one: one.schema,
)
def test_release_without_downgrades_refuses_the_schema_and_changes_nothing(
    previous: Sekisho, postgres_database: str, tmp_path: Path
) -> None:
    current = beside(previous, tmp_path / "current")
    current.run("admin", "db", "upgrade")
    refused = previous.run("admin", "user", "list", check=False)
    assert refused.returncode == 1
    assert "newer Sekisho" in refused.stderr
    assert asyncio.run(rows(postgres_database, SCHEMA)) == [(HEAD,)]
    assert "alice" in current.run("admin", "user", "list").stdout
