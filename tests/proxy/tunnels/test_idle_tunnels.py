"""Tests that the times of idle HTTP connections do not end tunnels."""

import time
from collections.abc import Iterator

import pytest

from tests.support.agents import open_tunnel
from tests.support.edge import add_cluster, target
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.waiting import eventually


@pytest.fixture
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    """Run a Sekisho that closes connections which are idle for a second."""
    ports = (free_port(), free_port())
    extra = "limits: {connections: {stranger_timeout: 1s}}\n"
    folder = tmp_path_factory.mktemp("sekisho")
    made = make_sekisho(folder, ports, extra)
    text = made.config.read_text()
    made.config.write_text(text.replace("server: {", "server: {idle_timeout: 1s, "))
    with running(made):
        yield made


async def test_tunnel_outlives_the_times_of_idle_connections(impatient: Sekisho) -> None:
    await add_cluster(impatient)
    async with open_tunnel(target(impatient)) as agent:
        await eventually(lambda: agent.welcome is not None)
        began = time.monotonic()
        await eventually(lambda: time.monotonic() - began > 4 or bool(agent.ended))
        assert not agent.ended
        assert agent.tunnel.usable
