"""The token of a cluster's agents is renewed when it is old."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from management.clusters.agent_token_renewal import (
    CHECK_SECONDS,
    FIRST_RETRY,
    MOST_AGE,
    UNUSED,
    renew_agent_token_in_time,
)
from store.agent_records import agent_token_digest
from tests.management.clusters.agent_world import AgentWorld
from tests.support.agent_tunnels import agents


async def pauses(world: AgentWorld, now: datetime, count: int) -> list[float]:
    """Run the renewal at a time, and return its first pauses."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == count:
            raise asyncio.CancelledError

    cluster = await world.store.clusters.get("edge")
    assert cluster is not None
    with pytest.raises(asyncio.CancelledError):
        await renew_agent_token_in_time(world.store, cluster, now=lambda: now, sleep=sleep)
    return slept


async def test_token_is_renewed_when_it_is_old_and_used(world: AgentWorld) -> None:
    cluster_id = await world.registered()
    tokens = world.store.agent_tokens
    [old] = await tokens.of_cluster(cluster_id)
    due = old.created_at + MOST_AGE
    await tokens.note_used(datetime.now(UTC), old.id)
    assert await pauses(world, due - timedelta(minutes=1), 1) == [CHECK_SECONDS]
    assert await tokens.find(agent_token_digest(world.secret_token())) is not None
    assert len(await tokens.of_cluster(cluster_id)) == 1
    assert await pauses(world, due, 1) == [CHECK_SECONDS]
    _, new = await tokens.of_cluster(cluster_id)
    assert (new.created_at, new.digest) == (due, agent_token_digest(world.secret_token()))
    await tokens.note_used(due, new.id)
    assert await pauses(world, due + timedelta(days=1), 1) == [CHECK_SECONDS]
    assert len(await tokens.of_cluster(cluster_id)) == 2


async def test_renewal_without_an_agent_is_retried_with_growing_pauses(world: AgentWorld) -> None:
    cluster_id = await world.registered()
    [old] = await world.store.agent_tokens.of_cluster(cluster_id)
    await world.store.agent_tokens.note_used(datetime.now(UTC), old.id)
    world.dialer.connected = False
    slept = await pauses(world, old.created_at + MOST_AGE, 6)
    assert slept[0] <= FIRST_RETRY < slept[-1]
    assert [one.id for one in await world.store.agent_tokens.of_cluster(cluster_id)] == [old.id]


async def test_new_token_that_is_not_used_is_not_replaced_every_day(world: AgentWorld) -> None:
    cluster_id = await world.registered()
    tokens = world.store.agent_tokens
    [old] = await tokens.of_cluster(cluster_id)
    await tokens.note_used(datetime.now(UTC), old.id)
    due = old.created_at + MOST_AGE
    assert await pauses(world, due, 1) == [CHECK_SECONDS]
    _, new = await tokens.of_cluster(cluster_id)
    # A process that leads the cluster later knows nothing of the rotation but its token.
    for days in (1, 6):
        assert await pauses(world, due + timedelta(days=days), 1) == [CHECK_SECONDS]
        assert (await tokens.of_cluster(cluster_id))[1].id == new.id
    assert await pauses(world, due + UNUSED, 1) == [CHECK_SECONDS]
    first, replaced = await tokens.of_cluster(cluster_id)
    assert (first.id, replaced.created_at) == (old.id, due + UNUSED)


async def test_token_is_renewed_through_a_tunnel(world: AgentWorld) -> None:
    cluster_id = await world.registered()
    tokens = world.store.agent_tokens
    [old] = await tokens.of_cluster(cluster_id)
    await tokens.note_used(datetime.now(UTC), old.id)
    async with agents(world.dialer.port) as dialer:
        world.store.clusters.use_dialers(lambda _: dialer)
        due = old.created_at + MOST_AGE
        assert await pauses(world, due, 1) == [CHECK_SECONDS]
        assert dialer.dials > 0
    _, new = await tokens.of_cluster(cluster_id)
    assert new.digest == agent_token_digest(world.secret_token())
