"""Fixtures: the world of an agent's registration."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.interfaces import Store
from tests.management.clusters.agent_world import AgentWorld
from tests.management.conftest import OwnCluster, user
from tests.store import records
from tests.support.management_app import make_token_issuer, serve_management
from tests.support.port_dialer import PortDialer


@pytest.fixture
async def world(store: Store, clean: OwnCluster, tmp_path: Path) -> AsyncIterator[AgentWorld]:
    """An API. alice and bob may import clusters, and an agent is connected."""
    port = int(clean.servers[0].rpartition(":")[2])
    dialer = PortDialer(port)
    store.clusters.use_dialers(lambda _: dialer)
    async with serve_management(store, make_token_issuer(store)) as client:
        for name in ("alice", "bob"):
            await store.bindings.create(records.a_binding(user(name).id, "standard-user", None))
        yield AgentWorld(store, client, clean, dialer, tmp_path)
