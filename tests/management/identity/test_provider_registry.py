"""Providers are added, changed and removed while Sekisho runs; with a real store."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from management.identity.local_passwords import StoredAccounts
from management.identity.provider_instance import InvalidProvider, ProviderSpec
from management.identity.provider_registry import ProviderRegistry
from management.identity.sign_in import SignInResult, SignInService, UnknownProvider
from management.identity.tokens import TokenIssuer, TokenLifetimes
from providers.base import PasswordAttempt, ProviderContext, Rejected
from providers.throttle import Limits
from store.database import SqlStore
from store.records import StoredProvider
from tests.management.identity.scripted import ScriptedSettings, ScriptedType
from tests.store.direct_access import execute
from tests.store.records import NOW

CORP = StoredProvider("corp", "scripted", True, {"server": "up"}, "unrestricted", (), NOW)
ANN = PasswordAttempt("ann", "open sesame")
HOURS = TokenLifetimes(*[timedelta(hours=8)] * 4)


class World:
    """A registry with one configured provider, ``home``."""

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
        self.sign_in = SignInService(store, TokenIssuer(store.tokens, HOURS), self.registry)

    async def until(self, provider: str, *, there: bool) -> None:
        async with asyncio.timeout(60):
            while (provider in self.registry) != there:
                await asyncio.sleep(0.01)


@pytest.fixture
async def world(store: SqlStore) -> AsyncIterator[World]:
    made = World(store)
    try:
        await made.registry.start()
        following = asyncio.create_task(made.registry.follow_changes())
        yield made
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    finally:
        await made.registry.close()


async def test_added_provider_runs_without_a_restart(world: World) -> None:
    with pytest.raises(UnknownProvider):
        await world.sign_in.with_password("corp", ANN)
    await world.store.providers.create(CORP)
    await world.until("corp", there=True)
    signed_in = await world.sign_in.with_password("corp", ANN)
    assert isinstance(signed_in, SignInResult)
    again = await world.sign_in.with_password("corp", ANN)
    assert isinstance(again, SignInResult)
    known = await world.store.identities.get("scripted_corp_user://ann")
    assert known is not None
    assert known.last_seen_at is not None


async def test_disabled_provider_rejects_sign_ins_and_its_tokens_are_revoked(
    world: World,
) -> None:
    await world.store.providers.create(CORP)
    await world.until("corp", there=True)
    signed_in = await world.sign_in.with_password("corp", ANN)
    assert isinstance(signed_in, SignInResult)
    corp = world.type.made["corp"]
    await world.store.providers.replace(replace(CORP, enabled=False))
    await world.registry.sync()
    with pytest.raises(UnknownProvider):
        await world.sign_in.with_password("corp", ANN)
    assert await world.store.tokens.get(signed_in.issued.token.name) is None
    assert corp.closed
    running = world.registry.running("corp")
    assert running is not None
    assert running.refresher is None


async def test_deleted_providers_tokens_are_revoked(world: World) -> None:
    await world.store.providers.create(CORP)
    await world.until("corp", there=True)
    signed_in = await world.sign_in.with_password("corp", ANN)
    assert isinstance(signed_in, SignInResult)
    await world.store.providers.delete("corp")
    await world.registry.sync()
    assert await world.store.tokens.get(signed_in.issued.token.name) is None
    assert list(world.registry) == ["home"]


async def test_principal_off_the_allowed_list_is_disabled_and_may_return(world: World) -> None:
    await world.store.providers.create(CORP)
    await world.until("corp", there=True)
    signed_in = await world.sign_in.with_password("corp", ANN)
    assert isinstance(signed_in, SignInResult)
    only_eve = replace(CORP, access_mode="required", allowed_principals=("scripted_user://eve",))
    await world.store.providers.replace(only_eve)
    await world.registry.sync()
    assert await world.store.tokens.get(signed_in.issued.token.name) is None
    refused = await world.sign_in.with_password("corp", ANN)
    assert isinstance(refused, Rejected)
    assert refused.reason == "not_allowed"
    ops = replace(only_eve, allowed_principals=("scripted_group://ops",))
    await world.store.providers.replace(ops)
    await world.registry.sync()
    assert isinstance(await world.sign_in.with_password("corp", ANN), SignInResult)
    known = await world.store.identities.get("scripted_corp_user://ann")
    assert known is not None
    assert known.disabled_reason is None


async def test_changed_provider_is_restarted_and_the_others_are_not(world: World) -> None:
    await world.store.providers.create(CORP)
    await world.until("corp", there=True)
    corp, home = world.type.made["corp"], world.type.made["home"]
    await world.store.providers.replace(replace(CORP, settings={"server": "other"}))
    await world.registry.sync()
    assert world.type.made["corp"] is not corp
    assert corp.closed
    assert world.type.made["home"] is home
    assert not home.closed


async def test_provider_that_is_down_is_reported_and_stops_no_other(world: World) -> None:
    await world.store.providers.create(replace(CORP, settings={"server": "down"}))
    await world.until("corp", there=True)
    await world.registry.check()
    assert world.registry.health() == {"home": None, "corp": "connection refused"}
    world.type.made["corp"].down = False
    await world.registry.check()
    assert world.registry.health()["corp"] is None


async def test_configuration_takes_precedence_over_the_store(world: World) -> None:
    home = world.type.made["home"]
    await world.store.providers.create(replace(CORP, name="home", enabled=False))
    await world.registry.sync()
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
async def test_invalid_settings_are_reported_without_values(
    world: World, wrong: dict[str, object], said: str
) -> None:
    with pytest.raises(InvalidProvider, match=said) as caught:
        world.registry.spec_of(replace(CORP, **wrong))  # type: ignore[arg-type]
    assert "hush" not in str(caught.value)


async def test_stored_provider_that_cannot_run_is_skipped(world: World) -> None:
    await world.store.providers.create(replace(CORP, type="uninstalled"))
    await world.store.providers.create(replace(CORP, name="other"))
    await world.until("other", there=True)
    assert "corp" not in world.registry
    assert "'uninstalled' is not installed" in (world.registry.health()["corp"] or "")
    assert world.registry.health()["other"] is None


async def test_provider_with_undecryptable_settings_stops_and_keeps_its_tokens(
    world: World, tmp_path: Path
) -> None:
    await world.store.providers.create(CORP)
    await world.store.providers.create(replace(CORP, name="other"))
    await world.until("corp", there=True)
    await world.until("other", there=True)
    signed_in = await world.sign_in.with_password("corp", ANN)
    assert isinstance(signed_in, SignInResult)
    corp, other = world.type.made["corp"], world.type.made["other"]
    owned = world.registry.running("corp").schemes  # type: ignore[union-attr]
    foreign = "(SELECT settings FROM providers WHERE name = 'other')"
    url = f"sqlite:///{tmp_path / 'x.db'}"
    await execute(url, f"UPDATE providers SET settings = {foreign} WHERE name = 'corp'")
    await world.registry.sync()
    with pytest.raises(UnknownProvider):
        await world.sign_in.with_password("corp", ANN)
    assert corp.closed
    assert not other.closed
    running = world.registry.running("corp")
    assert running is not None
    assert set(running.schemes) == set(owned)
    assert "cannot be decrypted" in (running.error or "")
    await world.registry.check()
    assert "cannot be decrypted" in (world.registry.health()["corp"] or "")
    assert await world.store.tokens.get(signed_in.issued.token.name) is not None
    again = ProviderRegistry(
        world.store,
        [],
        ProviderContext(StoredAccounts(world.store), time.monotonic),
        Limits(),
        {"scripted": world.type},
    )
    await again.start()
    assert list(again) == ["other"]
    assert await world.store.tokens.get(signed_in.issued.token.name) is not None
    await again.close()
    closed = await world.store.providers.get("corp")
    assert closed is not None
    await world.store.providers.replace(replace(closed, enabled=False))
    await world.registry.sync()
    assert await world.store.tokens.get(signed_in.issued.token.name) is None


async def test_disabled_configured_provider_admits_no_users_and_keeps_no_tokens(
    world: World,
) -> None:
    signed_in = await world.sign_in.with_password("home", ANN)
    assert isinstance(signed_in, SignInResult)
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
