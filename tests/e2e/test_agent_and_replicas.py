"""A cluster that dials in: requests work at every worker and replica, and the tunnel is at one."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from agent.relay import Address
from store.agent_records import AgentToken, agent_token_digest
from store.database import SqlStore, open_store
from store.encryption import Keyring, generate_key
from tests.proxy.tunnels.conftest import TOKEN, store_of, target
from tests.store.records import NOW
from tests.support.agents import TestAgent, open_tunnel
from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import Sekisho, free_port, make_sekisho
from tests.support.waiting import eventually
from tests.support.workers import connections_to_workers

HANG = 300
KEY = generate_key()

_RENAME = 'hostname elsewhere && exec "$@"'
ELSEWHERE = ("/usr/bin/env", "unshare", "--uts", "sh", "-c", _RENAME, "sh")
"""Runs a command on a machine of another name."""


@pytest.fixture
def workers(kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    """Run two workers with the session's cluster."""
    made = make_sekisho(tmp_path_factory.mktemp("sekisho"), (free_port(), free_port()))
    made.config.write_text(made.config.read_text().replace("server: {", "server: {workers: 2, "))
    made.change(
        "admin", "cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig)
    )
    yield made
    if made.process is not None:
        made.stop()


@pytest.fixture
def replicas(
    kubernetes: Kubernetes, postgres_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Sekisho, Sekisho]]:
    """Run two replicas on PostgreSQL. The second one believes to be on another machine."""
    if subprocess.run([*ELSEWHERE, "true"], check=False).returncode:
        pytest.skip("needs the right to set the name of a machine in a namespace")
    extra = (
        f'store: {{url: "{postgres_database}", encryption_keys: ["{KEY}"]}}\n'
        'peering: {listen: "127.0.0.1:0"}\n'
    )
    made = tuple(
        make_sekisho(tmp_path_factory.mktemp("sekisho"), (free_port(), free_port()), extra)
        for _ in range(2)
    )
    here, elsewhere = made
    elsewhere.prefix = ELSEWHERE
    elsewhere.environment["KUBERNETES_SERVICE_HOST"] = "10.0.0.1"  # so its name counts
    here.change(
        "admin", "cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig)
    )
    yield here, elsewhere
    for one in made:
        if one.process is not None:
            one.stop()


async def dials_in(opened: AbstractAsyncContextManager[SqlStore]) -> Address:
    """Let the cluster be reached by agents only. Return the API server's address."""
    async with opened as store:
        (cluster,) = await store.clusters.list_all()
        await store.clusters.replace(replace(cluster, reach="agent"))
        digest = agent_token_digest(TOKEN)
        await store.agent_tokens.create(AgentToken("at-1", cluster.id, digest, NOW))
    url = urlsplit(cluster.servers[0])
    return Address(url.hostname or "", url.port or 443)


@asynccontextmanager
async def database(url: str) -> AsyncIterator[SqlStore]:
    store = await open_store(url, Keyring.parse(KEY))
    try:
        yield store
    finally:
        await store.close()


def statuses(sekisho: Sekisho, token: str) -> list[int]:
    """Return the responses of both workers to the same request, some of each."""
    headers = {"Authorization": f"Bearer {token}"}
    path = "/k8s/clusters/test/api/v1/namespaces"
    with connections_to_workers(sekisho) as connections:
        return [
            one.request("GET", path, headers=headers).status
            for one in connections
            for _ in range(5)
        ]


async def test_request_at_the_worker_without_the_tunnel_is_served(workers: Sekisho) -> None:
    address = await dials_in(store_of(workers))
    await asyncio.to_thread(workers.start)
    await asyncio.to_thread(workers.create_user, "root", "--admin")
    token = await asyncio.to_thread(workers.token, "root")
    agent = TestAgent(address)
    async with open_tunnel(target(workers), agent), asyncio.timeout(HANG):

        async def served() -> bool:
            return await asyncio.to_thread(statuses, workers, token) == [200] * 10

        await eventually(served)
        assert agent.tunnel.bytes_in > 0


async def test_request_at_the_replica_of_another_machine_is_served(
    replicas: tuple[Sekisho, Sekisho], postgres_database: str
) -> None:
    here, elsewhere = replicas
    address = await dials_in(database(postgres_database))
    for one in replicas:
        await asyncio.to_thread(one.start)
    await asyncio.to_thread(here.create_user, "root", "--admin")
    token = await asyncio.to_thread(here.token, "root")

    async def served() -> bool:
        response = await asyncio.to_thread(
            elsewhere.request, "GET", "/k8s/clusters/test/api/v1/namespaces", token=token
        )
        return response.status == 200

    async with (
        open_tunnel(target(here), TestAgent(address)),
        database(postgres_database) as store,
        asyncio.timeout(HANG),
    ):
        await eventually(served)
        (found,) = await store.tunnels.all()
        assert found.replica.machine != "elsewhere"
        assert str(found.replica.address) in here.log
