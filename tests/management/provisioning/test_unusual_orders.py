"""Orders that the engine refuses, that others touch, and that end early, on the real Cluster API.

The variable ``fail`` keeps the stand-in provider from starting a cluster, which takes seconds.
"""

import asyncio
import time
from collections import Counter
from typing import Any

import pytest
from structlog.testing import capture_logs

from management.provisioning.follower import STORED_AT_ONCE, STORED_SECONDS
from management.provisioning.provisioner import GATHER_SECONDS
from management.provisioning.rights import order_name
from store.interfaces import Store
from store.order_records import Order
from store.records import Change
from tests.management.provisioning.one_provisioner import followed
from tests.management.provisioning.running import Running, running
from tests.management.provisioning.test_provisioner import await_nothing_left
from tests.support.capi.management_cluster import (
    CLUSTERS,
    ManagementCluster,
    cluster_manifest,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(600)

QUOTA = "quota of 8 CPUs exceeded"
FROZEN_SECONDS = 12.0

SHOWN_SECONDS = 2.0
"""How soon a change of the engine's conditions is stored."""


async def request(one: Running, method: str, name: str, body: object = None) -> dict[str, Any]:
    """Send a request about a Cluster as the operator of the management cluster."""
    return await asyncio.to_thread(one.engine.request, method, f"{CLUSTERS}/{name}", body)


async def with_message(one: Running, order: Order, text: str, seconds: float = 20) -> None:
    """Wait until the order's message contains a text."""
    found: Order | None = None

    async def shown() -> bool:
        nonlocal found
        found = await one.store.orders.get(order.id)
        return found is not None and text in found.message

    await eventually(shown, seconds, lambda: f"{text}: {found}")


async def reported(one: Running, name: str, text: str) -> bool:
    """Return whether a condition of a Cluster has a message."""
    found = await asyncio.to_thread(one.engine.cluster, name)
    conditions = (found or {}).get("status", {}).get("conditions", [])
    return any(one["message"] == text for one in conditions)


async def test_order_that_the_provider_cannot_make_shows_its_sentence_and_can_be_deleted(
    store: Store, management_cluster: ManagementCluster
) -> None:
    async with running(store, management_cluster) as one:
        order = await one.order("quota", variables={"fail": QUOTA})
        await eventually(lambda: reported(one, "quota", QUOTA), 60, "the engine's condition")
        await with_message(one, order, QUOTA, SHOWN_SECONDS)
        found = await one.read(order.id)
        assert (found.state, found.message) == ("provisioning", QUOTA)
        await store.orders.delete_requested(order.id, "delete")
        await one.await_gone(order.id)
        await await_nothing_left(one, order.id)


async def test_order_that_the_engine_refuses_says_why_and_goes_on_when_changed(
    store: Store, management_cluster: ManagementCluster
) -> None:
    async with running(store, management_cluster) as one:
        order = await one.order("refused", variables={"colour": "red"})
        refused = await one.await_state(order.id, "refused")
        assert "colour" in refused.message
        assert "https://" not in refused.message
        await one.change(order.id, variables={"fail": QUOTA})
        await one.await_state(order.id, "provisioning")


async def test_value_that_the_engine_refuses_is_in_the_message_and_in_no_log(
    store: Store, management_cluster: ManagementCluster
) -> None:
    with capture_logs() as logs:
        async with running(store, management_cluster) as one:
            order = await one.order("refused", variables={"machineSize": "s3cret-of-alice"})
            refused = await one.await_state(order.id, "refused")
            assert "s3cret-of-alice" in refused.message
            await store.orders.delete_requested(order.id, "delete")
            await one.await_gone(order.id)
    (logged,) = [entry for entry in logs if entry["event"] == "order waits"]
    assert logged["kind"] == "refused"
    assert "s3cret-of-alice" not in str(logs)


async def test_engine_that_reports_without_end_causes_few_changes_of_the_order(
    store: Store, management_cluster: ManagementCluster
) -> None:
    async with running(store, management_cluster) as one:
        order = await one.order("restless", variables={"fail": QUOTA})
        await one.await_state(order.id, "provisioning")
        seen: Counter[Change] = Counter()

        async def count() -> None:
            async with store.changes.subscribe() as changes:
                async for change in changes:
                    seen[change] += 1

        counting = asyncio.create_task(count())
        began = time.monotonic()
        for number in range(150):
            paused = {"spec": {"paused": number % 2 == 0}}
            await request(one, "PATCH", "restless", paused)
            await asyncio.sleep(GATHER_SECONDS)  # So that each one has a pass.
        seconds = time.monotonic() - began
        counting.cancel()
        assert 1 < seen[Change("order", order.id)] <= STORED_AT_ONCE + seconds / STORED_SECONDS + 1
        await request(one, "PATCH", "restless", {"spec": {"paused": True}})
        await one.await_state(order.id, "paused")
        await request(one, "PATCH", "restless", {"spec": {"paused": False}})


async def test_cluster_of_that_name_without_the_label_is_not_touched(
    store: Store, management_cluster: ManagementCluster
) -> None:
    management = management_cluster
    async with running(store, management) as one:
        await asyncio.to_thread(management.apply, [cluster_manifest("taken", fail=QUOTA)])
        order = await one.order("taken")
        foreign = await one.await_state(order.id, "foreign")
        assert "not this order's" in foreign.message
        await store.orders.delete_requested(order.id, "delete")
        await one.await_gone(order.id)
        kept = await request(one, "GET", "taken")
        assert "labels" not in kept["metadata"] or not any(
            key.startswith("sekisho") for key in kept["metadata"]["labels"]
        )
        assert "deletionTimestamp" not in kept["metadata"]
        assert kept["metadata"]["generation"] <= 2  # The engine's own references.


async def test_paused_cluster_is_deleted_only_after_it_is_unpaused(
    store: Store, management_cluster: ManagementCluster
) -> None:
    async with running(store, management_cluster) as one:
        order = await one.order("paused", variables={"fail": QUOTA})
        await one.await_state(order.id, "provisioning")
        await request(one, "PATCH", "paused", {"spec": {"paused": True}})
        await one.await_state(order.id, "paused", seconds=SHOWN_SECONDS)
        await store.orders.delete_requested(order.id, "delete")
        await with_message(one, order, "paused", SHOWN_SECONDS)
        await request(one, "PATCH", "paused", {"spec": {"paused": False}})
        await one.await_gone(order.id)


async def test_cluster_that_is_deleted_without_sekisho_ends_its_order(
    store: Store, management_cluster: ManagementCluster
) -> None:
    async with running(store, management_cluster) as one:
        order = await one.order("vanished", variables={"fail": QUOTA})
        await one.await_state(order.id, "provisioning")
        await request(one, "DELETE", "vanished")
        await one.await_gone(order.id)
        await one.await_acts("cluster.vanished")


async def test_order_that_two_replicas_end_is_recorded_once(
    store: Store, management_cluster: ManagementCluster
) -> None:
    """Both may take themselves for the leader while a lease passes on."""
    acts: list[str] = []
    async with (
        followed(store, management_cluster) as first,
        followed(store, management_cluster, first.one.cluster) as second,
    ):
        for each in (first, second):
            each.provisioner.reports.record = lambda action, *_: acts.append(action)
        order = await first.one.order("twice", variables={"fail": QUOTA})
        await first.one.await_state(order.id, "provisioning")
        await request(first.one, "DELETE", "twice")
        await first.one.await_gone(order.id)
        for each in (first, second):
            await eventually(each.is_quiet, 30, "the end of its acts")
    assert acts == ["cluster.vanished"]


async def test_released_cluster_stays_and_its_order_ends_with_it(
    store: Store, management_cluster: ManagementCluster
) -> None:
    async with running(store, management_cluster) as one:
        order = await one.order("kept", variables={"fail": QUOTA})
        await with_message(one, order, QUOTA)
        before = await request(one, "GET", "kept")
        await store.orders.delete_requested(order.id, "keep")

        async def without_rights() -> bool:
            roles = await asyncio.to_thread(one.engine.kubectl, "get", "clusterroles")
            return order_name(order.id) not in roles

        await eventually(without_rights, 20, "the right to read the kubeconfig to be removed")
        after = await request(one, "GET", "kept")
        assert before["metadata"]["generation"] == after["metadata"]["generation"]
        assert before["metadata"]["labels"] == after["metadata"]["labels"]
        assert (await one.read(order.id)).state == "released"
        await request(one, "DELETE", "kept")
        await one.await_gone(order.id)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 3.0])
async def test_order_that_is_deleted_while_it_is_made_leaves_nothing(
    store: Store, management_cluster: ManagementCluster, seconds: float
) -> None:
    async with running(store, management_cluster) as one:
        order = await one.order(f"early-{seconds:.0f}")
        await asyncio.sleep(seconds)  # The subject of the test.
        await store.orders.delete_requested(order.id, "delete")
        await one.await_gone(order.id)
        await await_nothing_left(one, order.id)


async def test_orders_wait_while_the_engines_webhooks_are_away(
    store: Store, management_cluster: ManagementCluster
) -> None:
    management = management_cluster
    async with running(store, management) as one:
        await asyncio.to_thread(management.stop_core_manager)
        try:
            order = await one.order("waiting", variables={"fail": QUOTA})

            async def away() -> bool:
                return (await one.read(order.id)).engine_away_since is not None

            await eventually(away, 20, "the engine to be away")
            assert (await one.read(order.id)).state == "ordered"
        finally:
            await asyncio.to_thread(management.start_core_manager)
        made = await one.await_state(order.id, "provisioning")
        assert made.engine_away_since is None


async def test_adopted_cluster_is_imported_and_never_changed(
    store: Store, management_cluster: ManagementCluster
) -> None:
    management = management_cluster
    async with running(store, management) as one:
        await asyncio.to_thread(management.apply, [cluster_manifest("adopted", workers=0)])
        order = await one.order("adopted", adopted=True)
        made = await one.await_state(order.id, "ready")
        assert made.imported_at is not None
        before = await request(one, "GET", "adopted")
        await store.orders.delete_requested(order.id, "keep")

        async def left() -> bool:
            return await store.clusters.get(order.id) is None

        await eventually(left, 60, "Sekisho to leave the cluster")
        after = await request(one, "GET", "adopted")
        assert before["metadata"]["generation"] == after["metadata"]["generation"]
        assert before["metadata"].get("labels") == after["metadata"].get("labels")
        assert "deletionTimestamp" not in after["metadata"]


async def test_orders_go_on_after_the_management_clusters_api_was_frozen_and_restarted(
    store: Store, management_cluster: ManagementCluster
) -> None:
    management = management_cluster
    async with running(store, management) as one:
        before = await one.order("before", variables={"fail": QUOTA})
        await one.await_state(before.id, "provisioning")
        management.local.pause()
        during = await one.order("during", variables={"fail": QUOTA})
        await asyncio.sleep(FROZEN_SECONDS)  # The subject of the test.
        assert (await one.read(during.id)).state == "ordered"
        management.local.resume()
        await one.await_state(during.id, "provisioning")
        await asyncio.to_thread(management.restart_api_server)
        await store.orders.delete_requested(before.id, "delete")
        await one.await_gone(before.id)
        assert (await one.read(during.id)).state == "provisioning"
