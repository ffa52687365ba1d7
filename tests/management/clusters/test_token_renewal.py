"""Tokens are renewed in time, by a real cluster and a clock that tests set."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from management.clusters.service import ClusterService
from management.clusters.service_account_tokens import claimed_lifetime
from management.clusters.token_renewal import (
    FIRST_RETRY,
    LAST_RETRY,
    MAX_CONCURRENT,
    TokenRenewer,
    renew_forever,
    renewal_time,
)
from management.clusters.verification import verify_impersonator
from management.kubernetes.cluster_client import endpoint_of
from store.interfaces import Store
from store.records import Cluster, CredentialSource
from tests.management.clusters.unreachable import UNREACHABLE
from tests.management.conftest import OwnCluster
from tests.support.agent_tunnels import agents
from tests.support.waiting import eventually


@dataclass
class Clock:
    """A clock that tests set."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


Renewer = Callable[..., TokenRenewer]


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC))


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


async def test_tokens_are_renewed_after_two_thirds_of_their_lifetime(
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


async def test_short_lived_tokens_are_renewed_by_their_own_lifetime(
    store: Store, cluster: Cluster, clock: Clock
) -> None:
    """A cluster may grant ten minutes instead of thirty days."""
    clock.now += timedelta(days=25)
    await TokenRenewer(store, now=clock, seconds=600).renew_due()
    short = await stored(store)
    due, lifetime = renewal_time(short), claimed_lifetime(short.impersonator_token)
    assert due is not None
    assert lifetime is not None
    assert lifetime[1] - lifetime[0] == timedelta(seconds=600)
    assert timedelta(seconds=398) <= due - lifetime[0] <= timedelta(seconds=402)


async def test_renewals_are_spread_over_time(store: Store, cluster: Cluster, clock: Clock) -> None:
    clock.now += timedelta(days=20, hours=1)
    assert await renewer_of(store, clock, chance=1.0).renew_due() == []
    clock.now += timedelta(days=1, hours=12)
    assert await renewer_of(store, clock, chance=1.0).renew_due() == ["prod"]


async def test_replica_draws_its_delay_once_per_token(
    store: Store, cluster: Cluster, clock: Clock
) -> None:
    draws = iter([0.5])
    renewer = TokenRenewer(store, now=clock, chance=lambda: next(draws))
    clock.now += timedelta(days=20, hours=1)
    assert await renewer.renew_due() == []
    clock.now += timedelta(hours=18)
    assert await renewer.renew_due() == ["prod"]


async def test_renewal_is_published_as_a_store_change(
    store: Store, cluster: Cluster, clock: Clock
) -> None:
    clock.now += timedelta(days=21)
    async with store.changes.subscribe() as changes:
        await renewer_of(store, clock).renew_due()
        change = await anext(changes)
    assert (change.kind, change.key) == ("cluster", cluster.id)


@pytest.mark.parametrize("source", [CredentialSource.SECRET, CredentialSource.STATIC])
async def test_tokens_without_a_token_request_are_not_renewed(
    store: Store, cluster: Cluster, clock: Clock, source: CredentialSource
) -> None:
    await store.clusters.replace(replace(cluster, credential_source=source, tokens_expire_at=None))
    clock.now += timedelta(days=365)
    assert await renewer_of(store, clock).renew_due() == []


async def test_renewal_of_an_unreachable_cluster_backs_off(
    store: Store, cluster: Cluster, clock: Clock
) -> None:
    await store.clusters.replace(replace(cluster, servers=(UNREACHABLE,)))
    clock.now += timedelta(days=25)
    renewer = renewer_of(store, clock, chance=1.0)
    assert await renewer.renew_due() == []
    await store.clusters.replace(cluster)
    clock.now += timedelta(seconds=FIRST_RETRY - 1)
    assert await renewer.renew_due() == []
    clock.now += timedelta(seconds=2)
    assert await renewer.renew_due() == ["prod"]
    assert FIRST_RETRY < LAST_RETRY


async def test_renewals_of_two_replicas_do_not_conflict(
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
def test_token_without_claims_has_no_known_lifetime(token: str) -> None:
    assert claimed_lifetime(token) is None


class Enough(Exception):
    """Ends an endless loop."""


async def enough(seconds: float) -> None:
    assert seconds > 0
    raise Enough


def twice() -> Callable[[float], Awaitable[None]]:
    """Return a sleep function that returns once without delay, and then ends the loop."""
    naps = []

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) > 1:
            raise Enough

    return sleep


async def test_renewal_loop_scans_immediately_and_then_sleeps(
    store: Store, cluster: Cluster
) -> None:
    await store.clusters.replace(replace(cluster, tokens_expire_at=datetime.now(UTC)))

    async def renewed() -> bool:
        return (await stored(store)).impersonator_token != cluster.impersonator_token

    async def sleep(seconds: float) -> None:
        await eventually(renewed)
        raise Enough

    with pytest.raises(Enough):
        await renew_forever(store, sleep=sleep)


async def test_renewal_loop_continues_after_a_store_failure(store: Store) -> None:
    await store.close()
    with pytest.raises(Enough):
        await renew_forever(store, sleep=twice())


AWAY = MAX_CONCURRENT - 1


async def test_unreachable_cluster_does_not_delay_other_renewals(
    store: Store, cluster: Cluster, clock: Clock
) -> None:
    clock.now += timedelta(days=25)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as silent:
        port = silent.getsockname()[1]
        away = replace(cluster, servers=(f"https://127.0.0.1:{port}",), uid=None)
        for number in range(AWAY):
            await store.clusters.create(
                replace(away, id=f"c-away{number:02}aaaa", name=f"a-{number}")
            )
        renewer = renewer_of(store, clock)
        begun = await renewer.begin_due()
        assert len(begun) == AWAY + 1
        done, waiting = await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
        assert [one.result() for one in done] == ["prod"]
        assert len(waiting) == AWAY
        # By this clock, the new tokens of the responding cluster are due again.
        again = [task.get_name() for task in await renewer.begin_due()]
        assert set(again) <= {"renewal-prod"}, "the others are under way"
        await renewer.close()
    assert all(one.done() for one in waiting)


async def test_tokens_are_renewed_through_a_tunnel(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, clock: Clock
) -> None:
    async with agents(int(kubernetes.servers[0].rpartition(":")[2])) as dialer:
        store.clusters.use_dialers(lambda _: dialer)
        # Nothing listens at the address: there is no other way.
        away = replace(cluster, reach="agent", servers=("https://127.0.0.1:1",))
        await store.clusters.replace(away)
        renewer = renewer_of(store, clock)
        clock.now += timedelta(days=20, hours=2)
        assert await renewer.renew_due() == ["prod"]
        new = await stored(store)
        assert new.impersonator_token != cluster.impersonator_token
        assert dialer.dials > 0
        await verify_impersonator(endpoint_of(new), new.impersonator_token)
        await dialer.cut()
        await eventually(lambda: dialer.ways == 0)
        clock.now += timedelta(days=25)
        assert await renewer.renew_due() == []
        assert await stored(store) == new
        await dialer.add_way()
        clock.now += timedelta(seconds=LAST_RETRY)
        assert await renewer.renew_due() == ["prod"]
