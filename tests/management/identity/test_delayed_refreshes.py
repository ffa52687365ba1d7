"""Refreshes of identities while a provider or the store fails, or is slow."""

import asyncio
from datetime import timedelta

import pytest

from management.identity.refresh_loop import refresh_forever
from management.identity.sign_in_policy import AccessRule, SignInPolicy
from providers.base import ProviderUnavailable, Rejected
from tests.management.identity.refreshes import ANN, HOUR, Running, World
from tests.management.identity.scripted import HANGS, Scripted, person
from tests.store.records import NOW


async def test_unreachable_provider_changes_nothing_and_pauses(
    world: World,
) -> None:
    world.corp.down = True
    refresh = world.refresh()
    before = await world.store.identities.get(ANN)
    assert await refresh.due() == [(ANN, "unavailable")]
    assert await world.has_token()
    assert await world.groups() == ["ops"]
    assert await world.store.identities.get(ANN) == before
    assert await refresh.due() == []
    assert world.corp.asked == [ANN]
    world.corp.down = False
    world.now += timedelta(seconds=31)
    assert await refresh.due() == [(ANN, "refreshed")]
    assert world.counted == [("corp", "unavailable"), ("corp", "refreshed")]


async def test_hanging_provider_does_not_delay_other_providers(world: World) -> None:
    other = Scripted("other", {"bob": person("bob")})
    world.running.append(Running(other, SignInPolicy(world.store, "other", AccessRule())))
    await world.add("bob", "other")
    world.corp.hang = asyncio.Event()
    going = asyncio.create_task(world.refresh().due())
    async with asyncio.timeout(60):
        while await world.store.users.memberships("u-bob"):
            await asyncio.sleep(0.01)
    assert not going.done()
    world.corp.hang.set()
    assert len(await going) == 2


async def test_concurrent_replicas_refresh_a_principal_once(world: World) -> None:
    results = await asyncio.gather(world.refresh().due(), world.refresh().due())
    assert sorted(one for found in results for _, one in found) in (
        ["busy", "refreshed"],
        ["refreshed"],
    )
    assert world.corp.asked == [ANN]


async def test_principal_without_a_response_delays_no_other(
    world: World,
) -> None:
    """More failing principals than slots, each first in the queue, for every kind of failure."""
    refresh = world.refresh()
    problems: list[Exception] = [
        *[ProviderUnavailable("an odd date"), ProviderUnavailable("answered 500")] * 5,
        KeyError("a defect of a plug-in"),
        ValueError("not JSON"),
    ]
    for number in range(12):
        await world.add(f"odd{number}")
        world.corp.people[f"odd{number}"] = problems[number]
        world.now += timedelta(seconds=1)
    await world.store.identities.seen(ANN, NOW - HOUR - timedelta(seconds=1), "secret")
    world.corp.people["ann"] = Rejected("account_disabled")
    results = dict(await refresh.due())
    assert results.pop(ANN) == "refused"
    assert set(results.values()) == {"failed"}
    assert len(results) == 12
    assert not await world.has_token()
    assert await world.has_token("odd0")
    assert "unavailable" not in dict(world.counted).values()


async def test_failing_principal_is_retried_at_growing_intervals_and_counted(world: World) -> None:
    refresh = world.refresh()
    world.corp.people["ann"] = ProviderUnavailable("an odd date")
    assert await refresh.due() == [(ANN, "failed")]
    waits = []
    for _ in range(9):
        since = world.now
        while not (found := await refresh.due()):
            world.now += timedelta(seconds=15)
        assert found == [(ANN, "failed")]
        waits.append(world.now - since)
    assert waits == sorted(waits)
    assert waits[0] < timedelta(minutes=1) < waits[-1] <= HOUR
    assert world.failing["corp"] == 1
    ann = await world.store.users.get("u-ann")
    assert ann is not None
    assert ann.principals[0].refresh_failures == 10
    world.corp.people["ann"] = person("ann", "dev")
    world.now += HOUR
    assert await refresh.due() == [(ANN, "refreshed")]
    ann = await world.store.users.get("u-ann")
    assert ann is not None
    assert ann.principals[0].refresh_failures == 0
    await refresh.due()
    assert world.failing["corp"] == 0


async def test_slow_principals_do_not_delay_others_of_their_provider(world: World) -> None:
    """With one or two replicas: hanging principals have slots of their own."""
    for number in range(6):
        await world.add(f"slow{number}")
        await world.store.identities.refresh_failed(f"scripted_user://slow{number}", NOW)
        world.corp.people[f"slow{number}"] = HANGS
    world.corp.people["ann"] = Rejected("gone")

    async def soon(seconds: float) -> None:
        await asyncio.sleep(0.01)

    going = asyncio.create_task(refresh_forever(world.refresh(), sleep=soon))
    async with asyncio.timeout(60):
        while await world.has_token():
            await asyncio.sleep(0.01)
        # The others' next round begins while the first hanging refresh still runs.
        await world.add("bob")
        world.corp.people["bob"] = Rejected("gone")
        while await world.has_token("bob"):
            await asyncio.sleep(0.01)
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going


async def test_store_failure_while_disabling_leaves_the_principal_due(world: World) -> None:
    world.corp.people["ann"] = Rejected("gone")
    refresh = world.refresh()
    task = asyncio.create_task(refresh.due())
    world.corp.hang = asyncio.Event()
    async with asyncio.timeout(60):
        while not world.corp.asked:
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    world.corp.hang = None
    assert await refresh.due() == [(ANN, "refused")]


async def test_principal_deleted_during_its_refresh_stops_no_other(world: World) -> None:
    await world.add("bob")
    world.corp.people["bob"] = person("bob", "dev")
    world.corp.people["ann"] = Rejected("gone")
    world.corp.hang = asyncio.Event()
    going = asyncio.create_task(world.refresh().due())
    async with asyncio.timeout(60):
        while len(world.corp.asked) < 2:
            await asyncio.sleep(0.01)
    await world.store.users.delete("u-ann")
    world.corp.hang.set()
    assert ("scripted_user://bob", "refreshed") in await going
