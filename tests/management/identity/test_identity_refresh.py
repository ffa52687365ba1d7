"""Refreshes of identities, with a real store."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from management.authentication.token_authenticator import TokenAuthenticator
from management.identity.identity_refresh import IdentityRefresher
from management.identity.refresh_loop import refresh_forever
from management.identity.refresh_results import Result, WhenGrantEnds
from management.identity.sign_in_policy import AccessRule, SignInPolicy
from providers.base import GrantEnded, ProviderUnavailable, Rejected
from proxy.forwarding.active_requests import ActiveRequest, ActiveRequests
from store.database import SqlStore
from store.records import Membership, Principal
from tests.management.identity.scripted import HANGS, Scripted, person
from tests.proxy.request_contexts import request_context
from tests.store.records import NOW, a_cluster, a_token, a_user, let_in

ANN = "scripted_user://ann"
HOUR = timedelta(hours=1)


@dataclass
class Running:
    """A provider with the interface of the refresh."""

    refresher: Scripted
    policy: SignInPolicy
    schemes: tuple[str, ...] = ("scripted_user", "scripted_group")

    @property
    def name(self) -> str:
        return self.refresher.name

    async def check(self) -> None:
        await self.refresher.check()


class World:
    """Ann, who signed in at ``corp`` an hour ago, with a group and a token."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.now = NOW
        self.counted: list[tuple[str, Result]] = []
        self.failing: dict[str, int] = {}
        self.corp = Scripted("corp", {"ann": person("ann", "ops")})
        self.running = [Running(self.corp, SignInPolicy(store, "corp", AccessRule()))]

    def refresh(self, when_grant_ends: WhenGrantEnds = "keep_tokens") -> IdentityRefresher:
        return IdentityRefresher(
            self.store,
            lambda: self.running,
            interval=HOUR,
            when_grant_ends=when_grant_ends,
            show_failing=self.failing.__setitem__,
            now=lambda: self.now,
            chance=lambda: 0.0,
            count=lambda provider, result: self.counted.append((provider, result)),
        )

    async def add(self, name: str, provider: str = "corp") -> None:
        principal = Principal(f"scripted_user://{name}", provider, name)
        await self.store.users.create(a_user(name, principals=(principal,)))
        await self.store.tokens.create(
            a_token(f"token-{name}", f"u-{name}", principal_id=principal.id)
        )
        ops = [Membership("scripted_group://ops", provider, "ops")]
        await self.store.users.set_memberships(f"u-{name}", provider, ops)
        await self.store.identities.seen(principal.id, NOW - 2 * HOUR, "secret")

    async def groups(self) -> list[str]:
        return [one.name for one in await self.store.users.memberships("u-ann")]

    async def has_token(self, name: str = "ann") -> bool:
        return await self.store.tokens.get(f"token-{name}") is not None


@pytest.fixture
async def world(store: SqlStore) -> World:
    made = World(store)
    await made.add("ann")
    return made


async def test_refresh_updates_the_groups(world: World) -> None:
    world.corp.people["ann"] = person("ann", "dev", "sre")
    refresh = world.refresh()
    assert await refresh.due() == [(ANN, "refreshed")]
    assert await world.groups() == ["dev", "sre"]
    assert await world.has_token()
    assert await refresh.due() == []
    world.now += 2 * HOUR
    assert await refresh.due() == [(ANN, "refreshed")]


async def test_refresh_stores_the_providers_new_secret(world: World) -> None:
    world.corp.people["ann"] = replace(person("ann"), secret="rotated")
    await world.refresh().due()
    assert (await world.store.identities.of_user("u-ann"))[0].secret == "rotated"


@pytest.mark.parametrize("outcome", [Rejected("account_disabled"), None])
async def test_rejected_principal_is_disabled(world: World, outcome: Rejected | None) -> None:
    world.corp.people["ann"] = outcome
    assert await world.refresh().due() == [(ANN, "refused")]
    assert not await world.has_token()
    assert await world.groups() == []
    known = await world.store.identities.get(ANN)
    assert known is not None
    assert known.disabled_reason == (outcome.reason if outcome else "gone")
    assert world.counted == [("corp", "refused")]


async def test_running_request_ends_when_its_user_is_disabled(world: World) -> None:
    await world.store.clusters.create(a_cluster(id="c-1"))
    await let_in(world.store, "c-1", "u-ann", "cluster-owner")
    authenticator = TokenAuthenticator(world.store)
    register = ActiveRequests(world.store, authenticator)
    following = asyncio.create_task(register.follow_changes())
    found = await world.store.tokens.resolve("token-ann")
    assert found is not None
    watch = request_context()
    assert watch.token is not None
    watch.token.token, watch.token.user = found[0], found[1]
    ended = asyncio.Event()
    await asyncio.sleep(0)
    register.begin(ActiveRequest(watch, watch.token, ended.set), register.generation)
    world.corp.people["ann"] = Rejected("account_disabled")
    await world.refresh().due()
    async with asyncio.timeout(60):
        await ended.wait()
    assert watch.reason == "the token was revoked, or its user disabled"
    following.cancel()


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


async def test_principal_removed_from_the_allowed_list_is_disabled(world: World) -> None:
    rule = AccessRule("required", frozenset({"scripted_group://ops"}))
    world.running = [Running(world.corp, SignInPolicy(world.store, "corp", rule))]
    assert await world.refresh().due() == [(ANN, "refreshed")]
    world.now += 2 * HOUR
    world.corp.people["ann"] = person("ann", "dev")
    assert await world.refresh().due() == [(ANN, "refused")]
    assert not await world.has_token()


async def test_restricted_provider_keeps_principals_with_a_role(world: World) -> None:
    world.running = [
        Running(world.corp, SignInPolicy(world.store, "corp", AccessRule("restricted")))
    ]
    await world.store.clusters.create(a_cluster(id="c-1"))
    await let_in(world.store, "c-1", "u-ann")
    assert await world.refresh().due() == [(ANN, "refreshed")]
    await world.store.bindings.delete_of("c-1", "u-ann")
    assert await world.refresh().user("u-ann") == [(ANN, "refused")]


@pytest.mark.parametrize(
    "said",
    [
        person("bob"),
        replace(person("ann"), username="system:admin"),
        replace(person("ann"), principal_id="local://u-ann"),
    ],
)
async def test_invalid_identity_changes_nothing(world: World, said: object) -> None:
    world.corp.people["ann"] = said  # type: ignore[assignment]
    assert await world.refresh().due() == [(ANN, "failed")]
    assert await world.has_token()


async def test_user_refresh_on_demand_ignores_the_schedule(world: World) -> None:
    refresh = world.refresh()
    await refresh.due()
    world.corp.people["ann"] = Rejected("account_disabled")
    assert await refresh.due() == []
    assert await refresh.user("u-ann") == [(ANN, "refused")]
    assert await refresh.user("u-ann") == [(ANN, "unsupported")]


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


async def test_ended_grant_keeps_tokens_and_needs_a_sign_in(world: World) -> None:
    refresh = world.refresh()
    world.corp.people["ann"] = GrantEnded("Session not active")
    assert await refresh.due() == [(ANN, "sign_in_needed")]
    assert await world.has_token()
    assert await world.groups() == ["ops"]
    world.now += 2 * HOUR
    assert await refresh.due() == []
    assert await refresh.user("u-ann") == [(ANN, "sign_in_needed")]
    assert world.corp.asked == [ANN]
    await world.store.identities.seen(ANN, world.now, "another")
    world.corp.people["ann"] = person("ann", "dev")
    assert await refresh.user("u-ann") == [(ANN, "refreshed")]


async def test_ended_grant_disables_the_principal_if_configured(world: World) -> None:
    world.corp.people["ann"] = GrantEnded("Session not active")
    assert await world.refresh("cut_off").due() == [(ANN, "refused")]
    assert not await world.has_token()
    known = await world.store.identities.get(ANN)
    assert known is not None
    assert known.disabled_reason == "grant_ended"


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
