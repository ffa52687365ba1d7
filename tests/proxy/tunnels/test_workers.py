"""Tests of tunnels at several workers of one Sekisho."""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.agent.run.agent_process import running_agent
from tests.support.agents import open_tunnel
from tests.support.edge import TOKEN, add_cluster, store_of, target
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.waiting import eventually
from tests.support.workers import metrics_of_all, worker_pids


@pytest.fixture
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    """Run a Sekisho of two workers."""
    made = make_sekisho(tmp_path_factory.mktemp("sekisho"), (free_port(), free_port()))
    text = made.config.read_text()
    made.config.write_text(text.replace("server: {", "server: {workers: 2, "))
    with running(made):
        yield made


async def test_each_worker_is_a_replica_of_the_same_machine(workers: Sekisho) -> None:
    await add_cluster(workers)
    async with AsyncExitStack() as stack:
        agents = []

        async def at_both() -> bool:
            agents.append(await stack.enter_async_context(open_tunnel(target(workers))))
            await eventually(lambda: agents[-1].welcome is not None)
            return len({one.welcome.replica for one in agents if one.welcome}) == 2

        await eventually(at_both)
        assert len({one.welcome.machine for one in agents if one.welcome}) == 1

        async def all_stored() -> bool:
            async with store_of(workers) as store:
                return len(await store.tunnels.all()) == len(agents)

        await eventually(all_stored)
        tunnels = metrics_of_all(workers, 'sekisho_tunnels{cluster="edge"}')
        assert tunnels == [len(agents)]
        replicas = {one.welcome.replica for one in agents if one.welcome}
        assert len(replicas) == len(worker_pids(workers))


async def test_agent_has_a_tunnel_to_each_worker(workers: Sekisho, tmp_path: Path) -> None:
    await add_cluster(workers)
    ca_pem = (workers.folder / "data" / "tls" / "ca.crt").read_text()
    async with running_agent(tmp_path, workers.url, ca_pem=ca_pem) as agent:
        agent.token_file.write_text(TOKEN)

        async def at_both() -> bool:
            async with store_of(workers) as store:
                return len({one.replica.id for one in await store.tunnels.all()}) == 2

        await eventually(at_both, what=lambda: f"two replicas: {agent.log}")
        await eventually(agent.ready, what=lambda: f"the agent to be ready: {agent.log}")
