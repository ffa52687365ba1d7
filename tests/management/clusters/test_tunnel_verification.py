"""Whether a way leads to the stored cluster, found out at a real API server."""

from dataclasses import replace

import pytest

from management.clusters.tunnel_verification import (
    NO_ANSWER,
    NOT_ACCEPTED,
    NOTHING_TO_COMPARE,
    OTHER_CLUSTER,
    UNTRUSTED,
    Verdict,
    verify_tunnel,
)
from store.agent_records import Trust
from store.records import Cluster
from tests.management.clusters.agent_world import AgentWorld
from tests.support.port_dialer import PortDialer
from tests.support.scripted_api_server import make_authority


@pytest.fixture
async def registered(world: AgentWorld) -> Cluster:
    await world.registered()
    cluster = await world.store.clusters.get("edge")
    assert cluster is not None
    return cluster


async def test_way_to_the_stored_cluster_is_verified(
    world: AgentWorld, registered: Cluster
) -> None:
    assert await verify_tunnel(registered, world.dialer) == Verdict(Trust.VERIFIED)


async def test_another_cluster_with_the_same_ca_and_token_is_refused(
    world: AgentWorld, registered: Cluster
) -> None:
    other = replace(registered, uid="00000000-0000-0000-0000-000000000000")
    verdict = await verify_tunnel(other, world.dialer)
    assert verdict == Verdict(Trust.REFUSED, OTHER_CLUSTER, doubted=True)


async def test_api_server_of_another_ca_gets_no_token(
    world: AgentWorld, registered: Cluster
) -> None:
    other = replace(registered, ca_pem=make_authority().certificate_pem.decode())
    verdict = await verify_tunnel(other, world.dialer)
    assert verdict == Verdict(Trust.UNVERIFIED, UNTRUSTED, doubted=True)


async def test_api_server_that_does_not_know_the_token_is_doubted(
    world: AgentWorld, registered: Cluster
) -> None:
    other = replace(registered, controller_token="a.b.c")
    verdict = await verify_tunnel(other, world.dialer)
    assert verdict == Verdict(Trust.UNVERIFIED, NOT_ACCEPTED, doubted=True)


async def test_api_server_that_is_away_is_neither_verified_nor_doubted(
    registered: Cluster,
) -> None:
    verdict = await verify_tunnel(registered, PortDialer(1, connected=False))
    assert verdict == Verdict(Trust.UNVERIFIED, NO_ANSWER)


async def test_cluster_that_is_not_registered_has_nothing_to_compare(world: AgentWorld) -> None:
    await world.register("other")
    pending = await world.store.clusters.get("other")
    assert pending is not None
    dials = world.dialer.dials
    assert await verify_tunnel(pending, world.dialer) == NOTHING_TO_COMPARE
    assert world.dialer.dials == dials
