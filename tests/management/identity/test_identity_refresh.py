"""What becomes of people at the next refresh; over a real store."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from management.access_modes import AccessRule
from management.admission import Admission
from management.refresh import IdentityRefresh, Result
from management.resolver import TokenResolver
from providers.base import Refused
from proxy.live import Live, LiveRequests
from store.database import SqlStore
from store.interfaces import Membership, Principal
from tests.management.identities.scripted import Scripted, person
from tests.proxy.accesses import access
from tests.store.records import NOW, a_cluster, a_token, a_user, let_in

ANN = "scripted_user://ann"
HOUR = timedelta(hours=1)


@dataclass
class Running:
    """A provider as the refresh sees it."""

    refresher: Scripted
    admission: Admission
    schemes: tuple[str, ...] = ("scripted_user", "scripted_group")

    @property
    def name(self) -> str:
        return self.refresher.name


class World:
    """Ann, who has signed in at ``corp`` an hour ago, with a group and a token."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.now = NOW
        self.counted: list[tuple[str, Result]] = []
        self.corp = Scripted("corp", {"ann": person("ann", "ops")})
        self.running = [Running(self.corp, Admission(store, "corp", AccessRule()))]

    def refresh(self) -> IdentityRefresh:
        return IdentityRefresh(
            self.store,
            lambda: self.running,
            interval=HOUR,
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


async def test_groups_are_those_of_now(world: World) -> None:
    world.corp.people["ann"] = person("ann", "dev", "sre")
    refresh = world.refresh()
    assert await refresh.due() == [(ANN, "refreshed")]
    assert await world.groups() == ["dev", "sre"]
    assert await world.has_token()
    assert await refresh.due() == []
    world.now += 2 * HOUR
    assert await refresh.due() == [(ANN, "refreshed")]


async def test_a_new_secret_of_the_provider_is_kept(world: World) -> None:
    world.corp.people["ann"] = replace(person("ann"), secret="rotated")
    await world.refresh().due()
    assert (await world.store.identities.of_user("u-ann"))[0].secret == "rotated"


@pytest.mark.parametrize("outcome", [Refused("account_disabled"), None])
async def test_who_is_gone_or_disabled_is_cut_off(world: World, outcome: Refused | None) -> None:
    world.corp.people["ann"] = outcome
    assert await world.refresh().due() == [(ANN, "refused")]
    assert not await world.has_token()
    assert await world.groups() == []
    known = await world.store.identities.get(ANN)
    assert known is not None
    assert known.disabled_reason == (outcome.reason if outcome else "gone")
    assert world.counted == [("corp", "refused")]


async def test_what_runs_is_ended_when_its_user_is_cut_off(world: World) -> None:
    await world.store.clusters.create(a_cluster(id="c-1"))
    await let_in(world.store, "c-1", "u-ann", "cluster-owner")
    resolver = TokenResolver(world.store)
    register = LiveRequests(world.store, resolver)
    following = asyncio.create_task(register.follow_changes())
    found = await world.store.tokens.resolve("token-ann")
    assert found is not None
    watch = access()
    assert watch.resolved is not None
    watch.resolved.token, watch.resolved.user = found[0], found[1]
    ended = asyncio.Event()
    await asyncio.sleep(0)
    register.begin(Live(watch, watch.resolved, ended.set), register.generation)
    world.corp.people["ann"] = Refused("account_disabled")
    await world.refresh().due()
    async with asyncio.timeout(5):
        await ended.wait()
    assert watch.note == "the token was revoked, or its user disabled"
    following.cancel()


async def test_a_provider_that_is_down_changes_nothing_and_is_left_alone_for_a_while(
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


async def test_a_provider_that_hangs_holds_up_nobody_elses_people(world: World) -> None:
    other = Scripted("other", {"bob": person("bob")})
    world.running.append(Running(other, Admission(world.store, "other", AccessRule())))
    await world.add("bob", "other")
    world.corp.hang = asyncio.Event()
    going = asyncio.create_task(world.refresh().due())
    async with asyncio.timeout(5):
        while await world.store.users.memberships("u-bob"):
            await asyncio.sleep(0.01)
    assert not going.done()
    world.corp.hang.set()
    assert len(await going) == 2


async def test_two_replicas_ask_about_somebody_once(world: World) -> None:
    results = await asyncio.gather(world.refresh().due(), world.refresh().due())
    assert sorted(one for found in results for _, one in found) in (
        ["busy", "refreshed"],
        ["refreshed"],
    )
    assert world.corp.asked == [ANN]


async def test_who_has_left_the_allowed_list_is_cut_off(world: World) -> None:
    rule = AccessRule("required", frozenset({"scripted_group://ops"}))
    world.running = [Running(world.corp, Admission(world.store, "corp", rule))]
    assert await world.refresh().due() == [(ANN, "refreshed")]
    world.now += 2 * HOUR
    world.corp.people["ann"] = person("ann", "dev")
    assert await world.refresh().due() == [(ANN, "refused")]
    assert not await world.has_token()


async def test_a_restricted_provider_keeps_who_has_a_role(world: World) -> None:
    world.running = [Running(world.corp, Admission(world.store, "corp", AccessRule("restricted")))]
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
async def test_what_a_provider_may_not_say_changes_nothing(world: World, said: object) -> None:
    world.corp.people["ann"] = said  # type: ignore[assignment]
    assert await world.refresh().due() == [(ANN, "unavailable")]
    assert await world.has_token()


async def test_one_user_is_refreshed_on_demand_though_not_due(world: World) -> None:
    refresh = world.refresh()
    await refresh.due()
    world.corp.people["ann"] = Refused("account_disabled")
    assert await refresh.due() == []
    assert await refresh.user("u-ann") == [(ANN, "refused")]
    assert await refresh.user("u-ann") == [(ANN, "unsupported")]
