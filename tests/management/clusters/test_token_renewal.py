"""Tokens are renewed in time: by a real cluster, with a clock of the tests' own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from management.cluster_records import utc_now
from management.clusters import ClusterService
from management.downstream.accounts import claimed_lifetime
from management.downstream.verify import verify_impersonator
from management.renewal import (
    FIRST_RETRY,
    LAST_RETRY,
    TokenRenewer,
    renew_forever,
    renewal_time,
)
from store.interfaces import Cluster, CredentialSource, Store
from tests.management.clusters.conftest import OwnCluster
from tests.management.clusters.test_import import NOBODY


@dataclass
class Clock:
    """The time, which goes on when a test says so."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


Renewer = Callable[..., TokenRenewer]


@pytest.fixture
def clock() -> Clock:
    return Clock(utc_now())


@pytest.fixture
async def cluster(clean: OwnCluster, store: Store) -> Cluster:
    """The cluster, imported as ``prod``."""
    result = await ClusterService(store).import_cluster("prod", clean.endpoint, clean.administrator)
    assert result.cluster is not None
    return result.cluster


def renewer_of(store: Store, clock: Clock, chance: float = 0.0) -> TokenRenewer:
    return TokenRenewer(store, now=clock, chance=lambda: chance)


async def stored(store: Store) -> Cluster:
    cluster = await store.clusters.get("prod")
    assert cluster is not None
    return cluster


async def test_tokens_are_renewed_after_two_thirds_of_their_life(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, clock: Clock
) -> None:
    renewer = renewer_of(store, clock)
    clock.now += timedelta(days=19, hours=23)
    assert await renewer.renew_due() == []
    clock.now += timedelta(hours=2)
    assert await renewer.renew_due() == ["prod"]
    new = await stored(store)
    assert new.impersonator_token != cluster.impersonator_token
    assert new.controller_token != cluster.controller_token
    assert (
        replace(
            new,
            revision=1,
            impersonator_token=cluster.impersonator_token,
            controller_token=cluster.controller_token,
            tokens_expire_at=cluster.tokens_expire_at,
        )
        == cluster
    )
    await verify_impersonator(kubernetes.endpoint, new.impersonator_token)


async def test_short_tokens_are_renewed_by_their_own_life(
    store: Store, cluster: Cluster, clock: Clock
) -> None:
    """A cluster may give ten minutes where thirty days were asked for."""
    clock.now += timedelta(days=25)
    await TokenRenewer(store, now=clock, seconds=600).renew_due()
    short = await stored(store)
    due, lifetime = renewal_time(short), claimed_lifetime(short.impersonator_token)
    assert due is not None
    assert lifetime is not None
    assert lifetime[1] - lifetime[0] == timedelta(seconds=600)
    assert timedelta(seconds=398) <= due - lifetime[0] <= timedelta(seconds=402)


async def test_renewals_are_spread(store: Store, cluster: Cluster, clock: Clock) -> None:
    clock.now += timedelta(days=20, hours=1)
    assert await renewer_of(store, clock, chance=1.0).renew_due() == []
    clock.now += timedelta(days=1, hours=12)
    assert await renewer_of(store, clock, chance=1.0).renew_due() == ["prod"]


async def test_a_replica_draws_its_delay_once(store: Store, cluster: Cluster, clock: Clock) -> None:
    draws = iter([0.5])
    renewer = TokenRenewer(store, now=clock, chance=lambda: next(draws))
    clock.now += timedelta(days=20, hours=1)
    assert await renewer.renew_due() == []
    clock.now += timedelta(hours=18)
    assert await renewer.renew_due() == ["prod"]


async def test_a_renewal_is_announced(store: Store, cluster: Cluster, clock: Clock) -> None:
    clock.now += timedelta(days=21)
    async with store.changes.subscribe() as changes:
        await renewer_of(store, clock).renew_due()
        change = await anext(changes)
    assert (change.kind, change.key) == ("cluster", cluster.id)


@pytest.mark.parametrize("source", [CredentialSource.SECRET, CredentialSource.STATIC])
async def test_what_was_not_asked_for_is_not_renewed(
    store: Store, cluster: Cluster, clock: Clock, source: CredentialSource
) -> None:
    await store.clusters.replace(replace(cluster, credential_source=source, tokens_expire_at=None))
    clock.now += timedelta(days=365)
    assert await renewer_of(store, clock).renew_due() == []


async def test_a_cluster_that_does_not_answer_is_tried_again_later_and_later(
    store: Store, cluster: Cluster, clock: Clock
) -> None:
    await store.clusters.replace(replace(cluster, servers=(NOBODY,)))
    clock.now += timedelta(days=25)
    renewer = renewer_of(store, clock, chance=1.0)
    assert await renewer.renew_due() == []
    await store.clusters.replace(cluster)
    clock.now += FIRST_RETRY - timedelta(seconds=1)
    assert await renewer.renew_due() == []
    clock.now += timedelta(seconds=2)
    assert await renewer.renew_due() == ["prod"]
    assert FIRST_RETRY < LAST_RETRY


async def test_two_replicas_do_no_harm(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, clock: Clock
) -> None:
    clock.now += timedelta(days=25)
    first, second = renewer_of(store, clock), renewer_of(store, clock)
    assert await first.renew_due() == ["prod"]
    between = await stored(store)
    assert await second.renew_due() == ["prod"]
    for token in (between.impersonator_token, (await stored(store)).impersonator_token):
        await verify_impersonator(kubernetes.endpoint, token)


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a.e30.c", "a.bnVsbA.c", "a.W10.c"])
def test_a_token_that_claims_nothing_has_no_known_life(token: str) -> None:
    assert claimed_lifetime(token) is None


class Enough(Exception):
    """Ends a loop that goes on for ever."""


async def enough(seconds: float) -> None:
    assert seconds > 0
    raise Enough


def twice() -> Callable[[float], Awaitable[None]]:
    """A sleep that takes no time, once."""
    naps = []

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) > 1:
            raise Enough

    return sleep


async def test_the_loop_looks_at_once_and_then_sleeps(store: Store, cluster: Cluster) -> None:
    await store.clusters.replace(replace(cluster, tokens_expire_at=utc_now()))
    with pytest.raises(Enough):
        await renew_forever(store, sleep=enough)
    assert (await stored(store)).impersonator_token != cluster.impersonator_token


async def test_the_loop_survives_a_store_that_is_away(store: Store) -> None:
    await store.close()
    with pytest.raises(Enough):
        await renew_forever(store, sleep=twice())
