"""Refreshes of identities, with a real store: groups, refusals, and ended grants."""

import asyncio
from dataclasses import replace

import pytest

from management.authentication.token_authenticator import TokenAuthenticator
from management.identity.sign_in_policy import AccessRule, SignInPolicy
from providers.base import GrantEnded, Rejected
from proxy.forwarding.active_requests import ActiveRequest, ActiveRequests
from tests.management.identity.refreshes import ANN, HOUR, Running, World
from tests.management.identity.scripted import person
from tests.proxy.request_contexts import request_context
from tests.store.records import a_cluster, let_in


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
    entry = ActiveRequest(watch, watch.token, lambda _: False, ended.set)
    register.begin(entry, register.generation)
    world.corp.people["ann"] = Rejected("account_disabled")
    await world.refresh().due()
    async with asyncio.timeout(60):
        await ended.wait()
    assert watch.reason == "the token was revoked, or its user disabled"
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


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
