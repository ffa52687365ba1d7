"""What a provisioner takes from the store: nothing at rest, and after a change what has changed."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from store.encryption import Keyring, generate_key
from store.interfaces import Store
from store.order_records import OrderState
from tests.management.conftest import user
from tests.management.provisioning.one_provisioner import followed, statements
from tests.support.capi.management_cluster import ManagementCluster
from tests.support.stores import open_new_store
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(600)

QUOTA = "quota of 8 CPUs exceeded"
ORDERS = 50
ROUNDS, ROUND = 300, timedelta(minutes=5)


class CountingKeyring(Keyring):
    """A keyring that notes what it decrypts."""

    opened: list[str]

    def decrypt(self, envelope: bytes, context: str) -> str:
        self.opened.append(context)
        return super().decrypt(envelope, context)


async def test_provisioner_at_rest_does_not_use_the_store(
    store: Store, management_cluster: ManagementCluster
) -> None:
    async with followed(store, management_cluster) as here:
        states: dict[str, OrderState] = {}
        wanted: list[tuple[str, OrderState]] = [
            ("made", "provisioning"),
            ("stopped", "paused"),
            ("left", "released"),
        ]
        for name, state in wanted:
            states[(await here.one.order(name, variables={"fail": QUOTA})).id] = state
        made, stopped, left = states
        for name in ("absent-0", "absent-1"):
            states[(await here.one.order(name, adopted=True)).id] = "ordered"
        for order_id in (made, stopped, left):
            await here.one.await_state(order_id, "provisioning")
        path = "/apis/cluster.x-k8s.io/v1beta2/namespaces/sekisho-clusters/clusters/stopped"
        await asyncio.to_thread(
            management_cluster.request, "PATCH", path, {"spec": {"paused": True}}
        )
        await store.orders.delete_requested(left, "keep")
        await here.settled(states)
        here.clock.ahead = timedelta(hours=1)
        slow = {key for key, state in states.items() if state in {"ordered", "provisioning"}}
        await eventually(lambda: are_slow(store, slow), 30, "orders to be slow")
        await eventually(here.is_quiet, 30, "what was announced to be read")
        with statements() as found:
            for _ in range(ROUNDS):
                here.clock.ahead += ROUND
                await here.provisioner.compare()
        assert found == []


async def are_slow(store: Store, expected: set[str]) -> bool:
    return {one.id for one in await store.orders.list_all() if one.slow} == expected


async def test_change_of_one_order_decrypts_no_other_one(
    tmp_path: Path, management_cluster: ManagementCluster
) -> None:
    keyring = CountingKeyring.parse(generate_key())
    assert isinstance(keyring, CountingKeyring)
    keyring.opened = []
    store = await open_new_store(f"sqlite:///{tmp_path}/store.db", keyring)
    await store.users.create(user("alice"))
    async with followed(store, management_cluster) as here:
        orders = [await here.one.order(f"absent-{each}", adopted=True) for each in range(ORDERS)]
        here.clock.ahead = timedelta(hours=1)
        await eventually(lambda: are_slow(store, {each.id for each in orders}), 30)
        await eventually(here.is_quiet, 30, "what was announced to be read")
        changed = orders[7]
        keyring.opened.clear()
        wanted = replace(changed.wanted, version="v1.37.0")
        await store.orders.replace(replace(changed, wanted=wanted), revision=changed.revision)
        await eventually(lambda: here.provisioner.orders[changed.id].revision == 2, 30)
        opened = [each for each in keyring.opened if each.startswith("orders.")]
        assert set(opened) == {f"orders.variables/{changed.id}"}
        assert len(opened) <= 4
        assert len(here.provisioner.orders) == ORDERS
        assert await store.orders.delete(changed.id)
        await eventually(lambda: changed.id not in here.provisioner.orders, 30)
        assert len(here.provisioner.orders) == ORDERS - 1
    await store.close()
