"""Tests of tunnels that do not answer, while another way exists."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest

from management.tunnels.directory import TunnelDirectory
from store.agent_records import Replica, Trust
from store.database import SqlStore
from tests.management.tunnels.conftest import connected, echoes
from tests.support.agents import TestAgent, echo_server
from tests.support.fault_proxy import FaultProxy
from tests.support.tasks import beside
from tests.support.waiting import eventually


@pytest.fixture
async def directory(store: SqlStore) -> AsyncIterator[TunnelDirectory]:
    """A directory that announces its tunnels and watches them."""
    made = TunnelDirectory(store, Replica("r-1", "m-1"))
    async with beside(made.announcer.run(), made.suspensions.watch()):
        yield made


class Faulty:
    """A network between a directory and one agent."""

    proxy: FaultProxy

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    async def through(self, port: int) -> int:
        self.proxy = self._stack.enter_context(FaultProxy(port))
        return self.proxy.port


@pytest.fixture
def faulty() -> Iterator[Faulty]:
    with ExitStack() as stack:
        yield Faulty(stack)


async def test_silent_tunnel_is_suspended_until_it_answers(
    directory: TunnelDirectory, store: SqlStore, faulty: Faulty
) -> None:
    async with (
        echo_server() as address,
        connected(directory, TestAgent(address), through=faulty.through) as silent,
        connected(directory, TestAgent(address)) as other,
    ):
        dialer = directory.dialer("c-edge")
        await eventually(lambda: _stored(store, {silent.id, other.id}))
        assert dialer.suspended_at == 0
        faulty.proxy.stall()
        silent.connection.ping()  # as a request would, it has something to answer
        await eventually(lambda: silent.suspended)
        assert silent.connection.usable
        assert dialer.suspended_at > 0
        assert dialer.ways == 1
        assert directory.local.responsive("c-edge", Trust.UNVERIFIED) == [other]
        await eventually(lambda: _stored(store, {other.id}))
        assert await echoes(await dialer.dial(60))
        faulty.proxy.clear_faults()
        await eventually(lambda: not silent.suspended)
        await eventually(lambda: _stored(store, {silent.id, other.id}))


async def test_only_tunnel_is_not_suspended(directory: TunnelDirectory, faulty: Faulty) -> None:
    async with (
        echo_server() as address,
        connected(directory, TestAgent(address), through=faulty.through) as only,
    ):
        faulty.proxy.stall()
        only.connection.ping()
        await eventually(lambda: only.answers.unanswered > 8)
        assert not only.suspended


async def test_tunnel_is_not_suspended_for_one_that_dials_would_not_use(
    directory: TunnelDirectory, faulty: Faulty
) -> None:
    async with (
        echo_server() as address,
        connected(directory, TestAgent(address), through=faulty.through) as verified,
        connected(directory, TestAgent(address)) as unverified,
    ):
        verified.judge(Trust.VERIFIED)
        faulty.proxy.stall()
        verified.connection.ping()
        await eventually(lambda: verified.answers.unanswered > 8)
        assert not verified.suspended
        unverified.judge(Trust.VERIFIED)
        await eventually(lambda: verified.suspended)


async def _stored(store: SqlStore, ids: set[str]) -> bool:
    return {one.tunnel.id for one in await store.tunnels.all()} == ids
