"""Tests of encryption at rest of orders and management clusters."""

from dataclasses import replace

import pytest

from store.database import SqlStore, open_store
from store.encryption import Keyring, generate_key
from store.errors import StoreUnavailable
from tests.store.direct_access import execute
from tests.store.encrypted_records import rotated
from tests.store.order_records import (
    NO_LIMITS,
    a_management,
    an_order,
    summary_of,
    wanting,
    with_management,
)
from tests.store.test_encryption_at_rest import stored_bytes

SECRET = {"password": "variable-secret"}


async def test_tokens_and_variables_are_not_in_raw_database(store: SqlStore, url: str) -> None:
    await with_management(store)
    order = an_order(wanted=wanting(variables=SECRET))
    await store.orders.create(order, NO_LIMITS)
    await store.management_clusters.renew_token("c-mgmt", "newer-secret", order.created_at)
    raw = await stored_bytes(url)
    assert b"sekisho-clusters" in raw
    assert b"-secret" not in raw
    assert "secret" not in repr(order) + repr(a_management())


async def test_rotated_keys_decrypt_tokens_and_variables(url: str) -> None:
    old, new = generate_key(), generate_key()
    store = await open_store(url, Keyring.parse(old))
    await with_management(store)
    await store.orders.create(an_order(), NO_LIMITS)
    await store.close()
    rotating = await open_store(url, Keyring.parse(f"{new},{old}"))
    assert (await rotated(rotating))["orders"] == 1
    assert await rotated(rotating) == {}
    await rotating.close()
    without_old = await open_store(url, Keyring.parse(new))
    assert await without_old.orders.get("c-shop") == an_order()
    assert await without_old.management_clusters.get("c-mgmt") == a_management()
    await without_old.close()


async def test_undecryptable_values_are_empty_with_a_reason_and_kept(
    store: SqlStore, url: str
) -> None:
    await with_management(store)
    for name in ("shop", "other"):
        await store.orders.create(an_order(name), NO_LIMITS)
    variables = "(SELECT variables FROM orders WHERE id = 'c-other')"
    await execute(url, f"UPDATE orders SET variables = {variables} WHERE id = 'c-shop'")
    await execute(url, f"UPDATE management_clusters SET token = {variables}")
    order = await store.orders.get("c-shop")
    management = await store.management_clusters.get("c-mgmt")
    assert order is not None
    assert management is not None
    assert (dict(order.wanted.variables), management.token) == ({}, "")
    assert "stored for another place" in order.unreadable
    assert "stored for another place" in management.unreadable
    larger = replace(order, wanted=replace(order.wanted, version="v1.37.0"))
    assert (await store.orders.replace(larger, revision=1)).unreadable
    await store.management_clusters.put(management)
    assert (await store.management_clusters.get("c-mgmt")).unreadable  # type: ignore[union-attr]
    repaired = replace(order, wanted=wanting(variables=SECRET))
    await store.orders.replace(repaired, revision=2)
    found = await store.orders.get("c-shop")
    assert found is not None
    assert (found.wanted.variables, found.unreadable) == (SECRET, "")
    assert await store.orders.get("c-other") == an_order("other")


async def test_orders_are_listed_and_observed_although_their_key_is_lost(
    store: SqlStore, url: str
) -> None:
    await with_management(store)
    order = an_order(wanted=wanting(variables=SECRET))
    await store.orders.create(order, NO_LIMITS)
    token = "(SELECT token FROM management_clusters)"  # sealed for another place
    await execute(url, f"UPDATE orders SET variables = {token}")
    assert await store.orders.list_all() == [summary_of(order)]
    assert await store.orders.page("name", limit=5) == [summary_of(order)]
    assert await store.orders.summary("c-shop") == summary_of(order)
    assert await store.orders.summary("c-\0") is None
    assert await store.orders.observe("c-shop", machines=3)
    (listed,) = await store.orders.list_all()
    assert (listed.machines, hasattr(listed.wanted, "variables")) == (3, False)


async def test_undecryptable_order_stops_a_rotation(url: str) -> None:
    old, new = generate_key(), generate_key()
    store = await open_store(url, Keyring.parse(old))
    await with_management(store)
    for name in ("shop", "other"):
        await store.orders.create(an_order(name), NO_LIMITS)
    await execute(
        url,
        "UPDATE orders SET variables = (SELECT variables FROM orders WHERE id = 'c-other')"
        " WHERE id = 'c-shop'",
    )
    await store.close()
    rotating = await open_store(url, Keyring.parse(f"{new},{old}"))
    with pytest.raises(StoreUnavailable, match=r"orders\.variables of shop "):
        await rotating.rotate_keys()
    await rotating.close()
