"""Providers that come, change and go while Sekisho runs; over a real store."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from management.accounts import StoredAccounts
from management.provider_registry import BadProvider, ProviderRegistry, ProviderSpec
from management.sign_in import SignedIn, SignIn, UnknownProvider
from management.tokens import Lifetimes, TokenService
from providers.base import Attempt, ProviderContext, Refused
from providers.throttle import Limits
from store.database import SqlStore
from store.interfaces import StoredProvider
from tests.management.identities.scripted import ScriptedSettings, ScriptedType
from tests.store.records import NOW

CORP = StoredProvider("corp", "scripted", True, {"server": "up"}, "unrestricted", (), NOW)
ANN = Attempt("ann", "open sesame")
HOURS = Lifetimes(*[timedelta(hours=8)] * 4)


class World:
    """A registry with one provider of the configuration, ``home``."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.type = ScriptedType()
        self.registry = ProviderRegistry(
            store,
            [ProviderSpec("home", "scripted", self.type, ScriptedSettings(server="up"))],
            ProviderContext(StoredAccounts(store), time.monotonic),
            Limits(),
            {"scripted": self.type},
        )
        self.sign_in = SignIn(store, TokenService(store.tokens, HOURS), self.registry)

    async def until(self, provider: str, *, there: bool) -> None:
        async with asyncio.timeout(5):
            while (provider in self.registry) != there:
                await asyncio.sleep(0.01)


@pytest.fixture
async def world(store: SqlStore) -> AsyncIterator[World]:
    made = World(store)
    await made.registry.start()
    following = asyncio.create_task(made.registry.follow_changes())
    yield made
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await made.registry.close()


async def test_one_that_is_added_is_there_without_a_restart(world: World) -> None:
    with pytest.raises(UnknownProvider):
        await world.sign_in.with_password("corp", ANN)
    await world.store.providers.create(CORP)
    await world.until("corp", there=True)
    signed_in = await world.sign_in.with_password("corp", ANN)
    assert isinstance(signed_in, SignedIn)
    again = await world.sign_in.with_password("corp", ANN)
    assert isinstance(again, SignedIn)
    known = await world.store.identities.get("scripted_user://ann")
    assert known is not None
    assert known.last_seen_at is not None


async def test_one_that_is_disabled_refuses_at_once_and_its_tokens_are_revoked(
    world: World,
) -> None:
    await world.store.providers.create(CORP)
    await world.until("corp", there=True)
    signed_in = await world.sign_in.with_password("corp", ANN)
    assert isinstance(signed_in, SignedIn)
    corp = world.type.made["corp"]
    await world.store.providers.replace(replace(CORP, enabled=False))
    await world.registry.synchronise()
    with pytest.raises(UnknownProvider):
        await world.sign_in.with_password("corp", ANN)
    assert await world.store.tokens.get(signed_in.issued.token.name) is None
    assert corp.closed
    running = world.registry.running("corp")
    assert running is not None
    assert running.refresher is None


async def test_one_that_is_deleted_takes_its_tokens_with_it(world: World) -> None:
    await world.store.providers.create(CORP)
    await world.until("corp", there=True)
    signed_in = await world.sign_in.with_password("corp", ANN)
    assert isinstance(signed_in, SignedIn)
    await world.store.providers.delete("corp")
    await world.registry.synchronise()
    assert await world.store.tokens.get(signed_in.issued.token.name) is None
    assert list(world.registry) == ["home"]


async def test_who_leaves_the_allowed_list_is_cut_off_and_may_come_back(world: World) -> None:
    await world.store.providers.create(CORP)
    await world.until("corp", there=True)
    signed_in = await world.sign_in.with_password("corp", ANN)
    assert isinstance(signed_in, SignedIn)
    only_eve = replace(CORP, access_mode="required", allowed_principals=("scripted_user://eve",))
    await world.store.providers.replace(only_eve)
    await world.registry.synchronise()
    assert await world.store.tokens.get(signed_in.issued.token.name) is None
    refused = await world.sign_in.with_password("corp", ANN)
    assert isinstance(refused, Refused)
    assert refused.reason == "not_allowed"
    ops = replace(only_eve, allowed_principals=("scripted_group://ops",))
    await world.store.providers.replace(ops)
    await world.registry.synchronise()
    assert isinstance(await world.sign_in.with_password("corp", ANN), SignedIn)
    known = await world.store.identities.get("scripted_user://ann")
    assert known is not None
    assert known.disabled_reason is None


async def test_one_that_is_changed_is_started_anew_and_the_others_are_not(world: World) -> None:
    await world.store.providers.create(CORP)
    await world.until("corp", there=True)
    corp, home = world.type.made["corp"], world.type.made["home"]
    await world.store.providers.replace(replace(CORP, settings={"server": "other"}))
    await world.registry.synchronise()
    assert world.type.made["corp"] is not corp
    assert corp.closed
    assert world.type.made["home"] is home
    assert not home.closed


async def test_one_that_is_down_is_told_of_and_troubles_nobody_else(world: World) -> None:
    await world.store.providers.create(replace(CORP, settings={"server": "down"}))
    await world.until("corp", there=True)
    await world.registry.check()
    assert world.registry.health() == {"home": None, "corp": "connection refused"}
    world.type.made["corp"].down = False
    await world.registry.check()
    assert world.registry.health()["corp"] is None


async def test_the_configurations_word_is_the_last(world: World) -> None:
    home = world.type.made["home"]
    await world.store.providers.create(replace(CORP, name="home", enabled=False))
    await world.registry.synchronise()
    assert "home" in world.registry
    assert world.type.made["home"] is home


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"type": "nope"}, "'nope' is not installed"),
        ({"settings": {}}, "settings.server: Field required"),
        ({"settings": {"server": "x", "y": "hush"}}, "settings.y: Extra inputs"),
    ],
)
async def test_what_is_wrong_is_said_without_the_values(
    world: World, wrong: dict[str, object], said: str
) -> None:
    with pytest.raises(BadProvider, match=said) as caught:
        world.registry.spec_of(replace(CORP, **wrong))  # type: ignore[arg-type]
    assert "hush" not in str(caught.value)


async def test_one_that_cannot_be_used_is_skipped_when_it_is_in_the_store(world: World) -> None:
    await world.store.providers.create(replace(CORP, type="uninstalled"))
    await world.store.providers.create(replace(CORP, name="other"))
    await world.until("other", there=True)
    assert "corp" not in world.registry


async def test_a_configured_one_that_is_disabled_lets_nobody_in_and_keeps_no_tokens(
    world: World,
) -> None:
    signed_in = await world.sign_in.with_password("home", ANN)
    assert isinstance(signed_in, SignedIn)
    home = ProviderSpec("home", "scripted", world.type, ScriptedSettings(server="up"), False)
    again = ProviderRegistry(
        world.store,
        [home],
        ProviderContext(StoredAccounts(world.store), time.monotonic),
        Limits(),
        {},
    )
    await again.start()
    assert list(again) == []
    assert again.health() == {}
    assert await world.store.tokens.get(signed_in.issued.token.name) is None
    await again.close()
