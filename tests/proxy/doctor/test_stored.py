"""Findings about clocks and sealed records."""

from datetime import timedelta

import pytest

from proxy.doctor.findings import Status
from proxy.doctor.stored import SEALED, check_clock, check_sealed, clock_finding
from store.database import SqlStore
from store.sealed_values import SEALED_TABLES, SealedTable
from tests.store import conftest
from tests.store.direct_access import execute
from tests.store.order_records import NO_LIMITS, a_management, an_order
from tests.store.principals import LOCAL
from tests.store.records import NOW, a_cluster, a_user

keyring = conftest.keyring
url = conftest.url
store = conftest.store


@pytest.mark.parametrize(
    ("seconds", "status"), [(0, Status.OK), (2, Status.OK), (5, Status.WARNING), (60, Status.ERROR)]
)
def test_difference_of_clocks_is_judged_by_what_it_breaks(seconds: int, status: Status) -> None:
    assert clock_finding("database", timedelta(seconds=seconds)).status is status


async def test_clock_of_the_database_of_this_machine_agrees(store: SqlStore, url: str) -> None:
    kind = url.partition(":")[0]
    found = [one async for one in check_clock(store, kind)]
    expected = Status.SKIPPED if kind == "sqlite" else Status.OK
    assert [one.status for one in found] == [expected]


def test_record_that_no_key_opens_is_an_error_of_its_own() -> None:
    why = "no key opens it"
    tables = [
        SealedTable("clusters", 2, 1, (("broken", why),)),
        SealedTable("management_clusters", 2, 1, (("c-broken", why),)),
        SealedTable("orders", 500, 300, (("shop", why),)),
    ]
    found = list(check_sealed(tables, {"c-broken": "broken"}))
    assert {one.status for one in found} == {Status.ERROR}
    named = ["cluster broken", "management cluster broken", "order shop", "orders"]
    assert [one.subject for one in found] == named
    assert "299 others" in found[-1].message


def test_every_table_with_encrypted_values_has_a_remedy() -> None:
    assert SEALED.keys() == {one.name for one in SEALED_TABLES}


async def test_variables_of_an_order_that_no_key_opens_are_an_error(
    store: SqlStore, url: str
) -> None:
    await store.clusters.create(a_cluster("mgmt"))
    await store.management_clusters.put(a_management("mgmt"))
    for name in ("shop", "blog"):
        await store.orders.create(an_order(name, management_id="c-mgmt"), NO_LIMITS)
    await execute(url, "UPDATE orders SET variables = (SELECT token FROM management_clusters)")
    found = list(check_sealed(await store.check_sealed_values(), {}))
    assert [(one.status, one.subject) for one in found] == [
        (Status.ERROR, "order blog"),
        (Status.ERROR, "order shop"),
    ]


async def test_secret_of_a_sign_in_that_no_key_opens_is_a_warning(
    store: SqlStore, url: str
) -> None:
    for name in ("alice", "bob"):
        await store.users.create(a_user(name))
        await store.identities.seen(f"local://u-{name}", NOW, "refresh-me")
    [found] = check_sealed(await store.check_sealed_values(), {})
    assert (found.status, found.message) == (Status.OK, "open all 3 sealed records")
    await execute(
        url,
        "UPDATE principals SET secret = (SELECT secret FROM principals WHERE id = 'local://u-bob') "
        f"WHERE id = '{LOCAL}'",
    )
    [found] = check_sealed(await store.check_sealed_values(), {})
    assert found.status is Status.WARNING
    assert f"1 of 2 secrets of sign-ins cannot be decrypted: {LOCAL}" in found.message
