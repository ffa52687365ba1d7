"""Tests of the end of tunnels whose token or cluster is gone."""

import asyncio

import pytest

from management.tunnels.directory import TunnelDirectory
from management.tunnels.revocation import REVOKED, TunnelRevocation
from store.agent_records import Replica
from store.database import SqlStore
from tests.management.tunnels.conftest import connected
from tests.support.agents import TestAgent
from tests.support.waiting import eventually

HERE = Replica("r-here", "machine-1")


@pytest.mark.parametrize("by", ["token", "cluster"])
async def test_tunnel_ends_when_another_process_revokes_its_token_or_removes_its_cluster(
    stores: tuple[SqlStore, SqlStore], by: str
) -> None:
    here, there = stores
    directory, agent = TunnelDirectory(here, HERE), TestAgent()
    following = asyncio.create_task(TunnelRevocation(here, directory.local).follow_changes())
    async with connected(directory, agent):
        if by == "token":
            await there.agent_tokens.revoke("at-1")
        else:
            await there.clusters.delete("c-edge")
        await eventually(lambda: REVOKED in agent.ended, what=lambda: agent.ended)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_tunnel_that_opens_during_a_revocation_is_ended_by_the_check(
    store: SqlStore,
) -> None:
    directory, agent = TunnelDirectory(store, HERE), TestAgent()
    revocation = TunnelRevocation(store, directory.local)
    async with connected(directory, agent) as tunnel:
        await revocation.check([tunnel])
        assert not agent.ended
        await store.agent_tokens.revoke("at-1")
        await revocation.check([tunnel])
        await eventually(lambda: REVOKED in agent.ended)
