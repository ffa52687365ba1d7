"""Back to the previous release on the database that this one upgraded, and up again, under load.

Each step is one of docs/upgrade.md. No request of a client may fail.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from store.schema import HEAD, OLDEST_CODE
from tests.store.direct_access import rows
from tests.support.kubernetes import Kubernetes
from tests.support.releases import (
    FIRST_WITH_DOWNGRADES,
    RELEASES,
    Load,
    beside,
    fill,
    stop_if_running,
)
from tests.support.sekisho import PASSWORD, Sekisho, await_bindings

pytestmark = pytest.mark.timeout(600)

SERVED = 40
"""Responses to await from each server while both run."""

PROVISION = "clusters.provision"
"""A permission that the release of schema 0021 does not know, nor its built-in role."""


@dataclass
class Releases:
    """A server of the previous release and one of this one, with one database."""

    previous: Sekisho
    current: Sekisho
    database: str
    token: str
    """A token of alice."""

    def schema(self) -> list[tuple[object, ...]]:
        """Return the schema and the oldest release that works with it."""
        query = "SELECT version_num, oldest_code FROM alembic_version, schema_support"
        return asyncio.run(rows(self.database, query))

    @contextmanager
    def replaced(self, old: Sekisho, new: Sekisho) -> Iterator[None]:
        """Start ``new`` beside ``old``, then run the block, and stop ``old``. Both serve alice."""
        with Load(old, self.token) as before:
            before.served(SERVED)
            new.start()
            with Load(new, self.token) as after:
                after.served(SERVED)
                before.served(SERVED)
                yield
                before.__exit__()
                old.stop()
                after.served(SERVED)
        assert before.failures == []
        assert after.failures == []


@pytest.fixture
def releases(kubernetes: Kubernetes, postgres_database: str, tmp_path: Path) -> Iterator[Releases]:
    """Return both releases, stopped."""
    release = RELEASES[-1]
    assert OLDEST_CODE <= release.schema >= FIRST_WITH_DOWNGRADES
    previous = release.server(tmp_path, postgres_database)
    fill(previous, kubernetes)
    previous.create_user("root", "--admin")
    current = beside(previous, tmp_path / "current")
    yield Releases(previous, current, postgres_database, previous.token("alice"))
    stop_if_running(previous)
    stop_if_running(current)


def _asked(server: Sekisho, token: str, method: str, path: str, body: object = None) -> Any:
    """Return the body of a successful response."""
    found = server.request(method, path, token=token, body=body)
    assert found.status in {200, 201}, (path, found.body)
    return found.json()


def _signed_in(server: Sekisho, name: str) -> str:
    body = {"username": name, "password": PASSWORD}
    response = server.request("POST", "/v1/login/local", body=body)
    assert response.status == 200, response.body
    return str(response.json()["token"])


def test_previous_release_takes_over_the_upgraded_database_and_gives_it_back(
    releases: Releases,
) -> None:
    previous, current = releases.previous, releases.current
    previous.start()
    await_bindings(previous)
    with releases.replaced(previous, current):
        assert releases.schema() == [(HEAD, OLDEST_CODE)]
    root = _signed_in(current, "root")
    role = {"scope": "global", "name": "orderers", "permissions": [PROVISION]}
    _asked(current, root, "POST", "/v1/roles", role)
    body = {"user": "alice", "role": "provisioner"}  # which the previous release lacks
    _asked(current, root, "POST", "/v1/bindings", body)
    assert PROVISION in _asked(current, releases.token, "GET", "/v1/me")["permissions"]

    with releases.replaced(current, previous):
        assert releases.schema() == [(HEAD, OLDEST_CODE)]
    await_bindings(previous)
    shown = _asked(previous, root, "GET", "/v1/me")
    assert shown["username"] == "root"  # The session of the newer release continues.
    assert PROVISION not in _asked(previous, releases.token, "GET", "/v1/me")["permissions"]
    for path in ("/v1/bindings", "/v1/roles", "/v1/users", "/v1/clusters/test/members"):
        assert _asked(previous, root, "GET", path)["items"], path
    previous.create_user("carol")
    member = {"user": "carol", "role": "read-only"}
    _asked(previous, root, "POST", "/v1/clusters/test/members", member)

    with releases.replaced(previous, current):
        assert releases.schema() == [(HEAD, OLDEST_CODE)]
    await_bindings(current)
    assert PROVISION in _asked(current, releases.token, "GET", "/v1/me")["permissions"]
    carol = _signed_in(current, "carol")
    assert _asked(current, carol, "GET", "/v1/clusters")["items"][0]["name"] == "test"
