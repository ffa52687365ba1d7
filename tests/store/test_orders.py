"""Tests of orders, over both databases."""

import asyncio
from dataclasses import replace

import pytest

from store.database import SqlStore, open_store
from store.encryption import Keyring
from store.errors import Conflict, RecordNotFound, StaleRevision
from store.order_records import Order, OrderCondition, Pool
from store.records import Change
from tests.store.order_records import NO_LIMITS, an_order, summary_of, wanting, with_management
from tests.store.records import NOW, a_cluster


async def _ordered(store: SqlStore, order: Order | None = None) -> Order:
    await with_management(store)
    order = order or an_order()
    await store.orders.create(order, NO_LIMITS)
    return order


async def _found(store: SqlStore, order_id: str = "c-shop") -> Order:
    found = await store.orders.get(order_id)
    assert found is not None
    return found


async def test_order_is_found_by_id_name_and_management_cluster(store: SqlStore) -> None:
    wanted = wanting(
        pools=(Pool("a", "worker", 1), Pool("b", "pool", 0, "machinepool")),
        control_plane_replicas=None,
        reach="agent",
    )
    order = await _ordered(store, an_order(wanted=wanted))
    adopted = an_order("adopted", adopted=True)
    await store.orders.create(adopted, NO_LIMITS)
    assert await store.orders.get("c-shop") == order
    assert await store.orders.by_name("shop") == order
    assert await store.orders.list_all() == [summary_of(adopted), summary_of(order)]
    assert await store.orders.of_management("c-mgmt") == [adopted, order]
    assert await store.orders.of_management("c-other") == []
    assert await store.orders.get("c-\0") is None
    assert await store.orders.of_management("c-\0") == []


async def test_order_without_record_of_its_cluster_is_on_pages(store: SqlStore) -> None:
    await with_management(store)
    for name in ("b", "a", "c", "imported"):
        await store.orders.create(an_order(name), NO_LIMITS)
    await store.clusters.create(a_cluster("imported"))
    first = await store.orders.page("name", limit=2)
    assert [one.name for one in first] == ["a", "b"]
    second = await store.orders.page("name", after=("b", "c-b"), limit=2)
    assert [one.name for one in second] == ["c"]
    turned = await store.orders.page("created_at", descending=True, limit=5)
    assert [one.name for one in turned] == ["c", "b", "a"]
    assert await store.orders.page("name", after=("\0", "c-b"), limit=2) == []


async def test_name_of_a_cluster_or_an_order_is_taken_for_both(store: SqlStore) -> None:
    await _ordered(store)
    with pytest.raises(Conflict, match="a cluster mgmt exists already"):
        await store.orders.create(an_order("mgmt", id="c-new"), NO_LIMITS)
    with pytest.raises(Conflict, match="a cluster shop is on order already"):
        await store.orders.create(an_order(id="c-new"), NO_LIMITS)
    with pytest.raises(Conflict, match="a cluster shop is on order already"):
        await store.clusters.create(a_cluster("shop", id="c-new"))
    await store.clusters.create(a_cluster("dev"))
    with pytest.raises(Conflict, match="a cluster shop is on order already"):
        await store.clusters.replace(replace(a_cluster("dev"), name="shop"))
    with pytest.raises(Conflict, match="shop has the cluster shop already"):
        await store.orders.create(an_order("other", engine_name="shop"), NO_LIMITS)
    await store.clusters.create(a_cluster("shop"))  # the import of the order


async def test_renamed_cluster_renames_its_order(store: SqlStore) -> None:
    order = await _ordered(store)
    await store.clusters.create(a_cluster("shop"))
    async with store.changes.subscribe() as changes:
        await store.clusters.replace(replace(a_cluster("shop"), name="store"))
        announced = {await anext(changes) for _ in range(2)}
    assert announced == {Change("cluster", "c-shop"), Change("order", "c-shop")}
    assert await store.orders.by_name("store") == replace(order, name="store")
    await store.clusters.create(a_cluster("shop", id="c-new"))


async def test_one_name_ordered_and_imported_at_once_by_two_replicas_is_stored_once(
    url: str, keyring: Keyring, store: SqlStore
) -> None:
    await with_management(store)
    other = await open_store(url, keyring)
    attempts = [
        one.orders.create(an_order(id=f"c-{n}", engine_name=f"shop-{n}"), NO_LIMITS)
        for n, one in enumerate((store, other, store, other))
    ] + [
        one.clusters.create(a_cluster("shop", id=f"c-import-{one is other}"))
        for one in (store, other)
    ]
    made = await asyncio.gather(*attempts, return_exceptions=True)
    assert sorted(map(str, made)).count("None") == 1
    assert sum(isinstance(one, Conflict) for one in made) == 5
    await other.close()


async def test_replaced_order_changes_only_what_is_wanted(store: SqlStore) -> None:
    order = await _ordered(store)
    assert await store.orders.observe("c-shop", state="ready", engine_uid="uid-1")
    changed = await store.orders.replace(replace(order, wanted=wanting(5)), revision=1)
    assert changed.wanted == wanting(5)
    assert (changed.state, changed.engine_uid, changed.revision) == ("ready", "uid-1", 2)
    assert await _found(store) == changed
    with pytest.raises(StaleRevision):
        await store.orders.replace(order, revision=1)
    with pytest.raises(RecordNotFound, match="there is no order c-other"):
        await store.orders.replace(an_order("other"), revision=1)


async def test_attached_order_keeps_what_is_wanted_and_is_announced(store: SqlStore) -> None:
    order = await _ordered(store, an_order(engine_uid="uid-1", state="foreign"))
    await with_management(store, "new")
    async with store.changes.subscribe() as changes:
        attached = await store.orders.attach(
            replace(order, management_id="c-new", engine_uid="uid-2", wanted=wanting(9)),
            revision=1,
            announced={"state": "updating", "message": "attached"},
        )
        assert await anext(changes) == Change("order", order.id)
    assert (attached.management_id, attached.engine_uid) == ("c-new", "uid-2")
    assert (attached.state, attached.message) == ("updating", "attached")
    assert (attached.wanted, attached.revision) == (order.wanted, 1)
    assert await _found(store) == attached
    assert await store.orders.of_management("c-mgmt") == []
    assert await store.orders.of_management("c-new") == [attached]


async def test_order_is_attached_once_and_only_where_it_can_stay(store: SqlStore) -> None:
    order = await _ordered(store)
    await with_management(store, "new")
    await store.orders.create(
        an_order("other", engine_name="shop", management_id="c-new"), NO_LIMITS
    )

    async def attach(management_id: str, order_id: str = order.id, revision: int = 1) -> Order:
        there = replace(order, id=order_id, management_id=management_id, engine_uid="uid-2")
        return await store.orders.attach(there, revision=revision)

    with pytest.raises(Conflict, match="other has the cluster shop already"):
        await attach("c-new")
    with pytest.raises(RecordNotFound, match="c-nope is no management cluster"):
        await attach("c-nope")
    with pytest.raises(RecordNotFound):
        await attach("c-mgmt", "c-nope")
    with pytest.raises(StaleRevision):
        await attach("c-mgmt", revision=2)
    assert (await attach("c-mgmt")).engine_uid == "uid-2"
    await store.orders.delete_requested(order.id, "delete")
    with pytest.raises(Conflict, match="is being removed"):
        await attach("c-mgmt")


async def test_revision_that_a_restored_database_has_lost_is_not_used_again(
    store: SqlStore,
) -> None:
    order = await _ordered(store)
    changed = await store.orders.replace(replace(order, wanted=wanting(5)), revision=1, after=7)
    assert (changed.revision, (await _found(store)).revision) == (8, 8)
    changed = await store.orders.replace(replace(order, wanted=wanting(4)), revision=8, after=7)
    assert changed.revision == 9


async def test_change_is_announced_until_it_is_observed(store: SqlStore) -> None:
    order = await _ordered(store)
    await store.orders.observe("c-shop", revision=1, state="ready", message="as ordered")
    before = await _found(store)
    changed = await store.orders.replace(
        replace(order, wanted=wanting(5)),
        revision=1,
        announced={"state": "updating", "message": "sent"},
    )
    assert (changed.state, changed.message) == ("updating", "sent")
    assert changed.state_since > before.state_since
    # A controller that does not know of the change yet says that all is as ordered.
    await store.orders.observe("c-shop", revision=1, state="ready", message="", machines=3)
    assert await _found(store) == replace(changed, machines=3)
    await store.orders.observe("c-shop", revision=2, state="ready")
    assert (await _found(store)).state == "ready"


async def test_observation_is_stored_beside_what_is_wanted_and_announced_once(
    store: SqlStore,
) -> None:
    order = await _ordered(store)
    conditions = (
        OrderCondition("Available", "False", "QuotaExceeded", "quota of 8 CPUs exceeded", NOW),
        OrderCondition("Ready", "Unknown", "", ""),
    )
    async with store.changes.subscribe() as changes:
        for _ in range(2):
            assert await store.orders.observe(
                "c-shop", state="provisioning", conditions=conditions, machines=3, slow=True
            )
        assert await store.orders.observe("c-shop", imported_at=NOW)
        assert [await anext(changes) for _ in range(2)] == [Change("order", "c-shop")] * 2
    found = await _found(store)
    assert found.state_since > order.state_since
    assert found == replace(
        order,
        state="provisioning",
        state_since=found.state_since,
        conditions=conditions,
        machines=3,
        slow=True,
        imported_at=NOW,
    )
    assert not await store.orders.observe("c-other", slow=True)


async def test_observation_does_not_take_back_a_removal(store: SqlStore) -> None:
    await _ordered(store)
    await store.orders.create(an_order("kept"), NO_LIMITS)
    await store.orders.delete_requested("c-shop", "delete")
    await store.orders.delete_requested("c-kept", "keep")
    for order_id in ("c-shop", "c-kept"):
        assert await store.orders.observe(order_id, state="ready", state_since=NOW, machines=1)
    deleting, kept = await _found(store), await _found(store, "c-kept")
    assert (deleting.state, deleting.machines, kept.state) == ("deleting", 1, "released")
    assert deleting.state_since > NOW
    assert await store.orders.observe("c-shop", state="paused", message="paused by the operator")
    assert await store.orders.observe("c-kept", state="deleting")
    assert ((await _found(store)).state, (await _found(store, "c-kept")).state) == (
        "paused",
        "released",
    )


@pytest.mark.parametrize(("how", "other"), [("delete", "keep"), ("keep", "delete")])
async def test_requested_removal_shuts_the_gate_once_and_is_final(
    store: SqlStore, how: str, other: str
) -> None:
    order = await _ordered(store)
    await store.clusters.create(a_cluster("shop"))
    removed = await store.orders.delete_requested("c-shop", how)  # type: ignore[arg-type]
    assert removed == await _found(store)
    assert (removed.deleting_since is not None, removed.release) == (how == "delete", how == "keep")
    cluster = await store.clusters.get("c-shop")
    assert cluster is not None
    assert cluster.removing_since == removed.state_since
    assert await store.orders.delete_requested("c-shop", how) == removed  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="already"):
        await store.orders.delete_requested("c-shop", other)  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="is being removed"):
        await store.orders.replace(replace(order, wanted=wanting(1)), revision=1)
    with pytest.raises(RecordNotFound):
        await store.orders.delete_requested("c-other", "delete")


async def test_order_that_is_being_removed_is_not_imported(store: SqlStore) -> None:
    await _ordered(store)
    await store.orders.delete_requested("c-shop", "delete")
    with pytest.raises(Conflict, match="the order of shop is being removed"):
        await store.clusters.create(a_cluster("shop"))
    assert await store.orders.delete("c-shop")
    assert not await store.orders.delete("c-shop")
    assert not await store.orders.delete("c-\0")


async def test_order_whose_cluster_has_orders_itself_is_not_removed(store: SqlStore) -> None:
    await _ordered(store)
    await with_management(store, "shop")
    await store.orders.create(an_order("inner", management_id="c-shop"), NO_LIMITS)
    with pytest.raises(Conflict, match="has orders: inner"):
        await store.orders.delete_requested("c-shop", "delete")
    assert (await _found(store)).state == "ordered"


async def test_checked_order_is_refused_as_one_that_is_stored_and_stores_nothing(
    store: SqlStore,
) -> None:
    order = await _ordered(store)
    async with store.changes.subscribe() as changes:
        await store.orders.create(an_order("new"), NO_LIMITS, only_check=True)
        larger = replace(order, wanted=wanting(9))
        checked = await store.orders.replace(larger, revision=1, only_check=True)
        assert (checked.wanted.workers, checked.revision) == (9, 2)
        with pytest.raises(Conflict, match="on order already"):
            await store.orders.create(an_order(id="c-new"), NO_LIMITS, only_check=True)
        await store.orders.delete("c-shop")
        assert await anext(changes) == Change("order", "c-shop")
    assert await store.orders.list_all() == []
